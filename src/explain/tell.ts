/**
 * From what a witness saw to an explanation: which engagements concern a view, and each decision as a sentence. Pure.
 *
 * Invariant: no rule is applied here. Buckets, owners, verdicts, labels and seals are the join's own, as the witness wrote
 * them down; what is added is their wording.
 */
import type { Place } from '../codec/port.ts'
import type {
  EngagementOutcome,
  ExplainedEngagement,
  ExplainedLabel,
  ExplainedSeal,
  Explanation,
} from '../inspect/explanation.ts'
import type { Rules } from '../join/rules.ts'
import { formatDuration, formatTime } from '../show/format.ts'
import type { FoldedLabels, SeenEngagement, SeenRecord, SeenView } from './witness.ts'

/** Engagements in one explanation. */
const MOST_ENGAGEMENTS = 500

export interface TellOptions {
  readonly rules: Rules
  readonly topics: readonly string[]
  readonly partition: number
  /** What lies before this event time was not read; null: all that there is was. */
  readonly cutMs: number | null
}

export function placeOf({ source, offset }: SeenRecord, { topics, partition }: TellOptions): Place {
  return { topic: topics[source], partition, offset }
}

/** Those that the view's fate hung on, or that a reader would look for: its own, its item's, and those that name it. */
export function concerning(view: SeenView, engagements: readonly SeenEngagement[]) {
  const near = engagements.filter((e) => e.owner === view || e.itemId === view.itemId || e.viewId === view.sampleId)
  near.sort((a, b) => a.timeMs - b.timeMs || a.source - b.source || a.offset - b.offset)
  if (near.length <= MOST_ENGAGEMENTS) return { shown: near, leftOut: 0 }
  // What counted is never left out.
  const counted = new Set(near.filter((e) => countsFor(e, view)))
  const room = Math.max(0, MOST_ENGAGEMENTS - counted.size)
  const others = new Set(near.filter((e) => !counted.has(e)).slice(0, room))
  const shown = near.filter((e) => counted.has(e) || others.has(e))
  return { shown, leftOut: near.length - shown.length }
}

function countsFor(e: SeenEngagement, view: SeenView): boolean {
  return e.bucket === 'bound' && e.owner === view
}

/** A view's labels, and what became of what concerns it. */
export type Fate = Pick<Explanation, 'labels' | 'engagements'>

export function tellFate(
  view: SeenView,
  values: FoldedLabels | null,
  shown: readonly SeenEngagement[],
  options: TellOptions,
): Fate {
  return {
    labels: tellLabels(view, values, shown, options),
    engagements: shown.map((e) => tellEngagement(e, view, options)),
  }
}

export function tellLabels(
  view: SeenView,
  values: FoldedLabels | null,
  shown: readonly SeenEngagement[],
  { rules }: TellOptions,
): ExplainedLabel[] {
  return rules.labels.map(({ name, on, fold, withinMs }, k) => ({
    name,
    on,
    fold,
    withinMs,
    fromMs: view.timeMs - rules.clockSkewToleranceMs,
    toMs: view.timeMs + withinMs,
    value: values?.labels[k] ?? null,
    delayMs: values?.delaysMs[k] ?? null,
    counted: shown.flatMap((e, i) =>
      countsFor(e, view) && e.labels.some((label) => label.name === name && label.verdict === 'counts') ? [i] : [],
    ),
  }))
}

export function tellEngagement(e: SeenEngagement, view: SeenView, options: TellOptions): ExplainedEngagement {
  const { timeMs, stampMs, type, value, viewId, itemId, engagementId, bucket, labels, decidedAtMs, owner } = e
  return {
    ...placeOf(e, options),
    source: e.from,
    timeMs,
    stampMs,
    type,
    value,
    viewId,
    itemId,
    engagementId,
    delayMs: timeMs - view.timeMs,
    outcome: outcomeOf(e, view, options),
    bucket: isCutOff(e, view, options) ? null : bucket,
    reason: reasonOf(e, view, options),
    labels,
    duplicateOf: e.duplicateOf === null ? null : placeOf(e.duplicateOf, options),
    owner: owner === null ? null : { ...placeOf(owner, options), sampleId: owner.sampleId, timeMs: owner.timeMs },
    decidedAtMs: decidedAtMs !== null && Number.isFinite(decidedAtMs) ? decidedAtMs : null,
  }
}

/**
 * No owner was found, and there may be one before what was read: it is not this view, which is later or not the one that
 * is named; more is not known.
 */
function isCutOff(e: SeenEngagement, view: SeenView, { cutMs, rules }: TellOptions): boolean {
  if (cutMs === null || e.bucket !== 'orphan') return false
  return e.viewId === null ? e.timeMs < view.timeMs - rules.clockSkewToleranceMs : e.viewId !== view.sampleId
}

export function outcomeOf(e: SeenEngagement, view: SeenView, options: TellOptions): EngagementOutcome {
  const { bucket, owner } = e
  if (bucket === null) return 'waiting'
  if (isCutOff(e, view, options)) return 'elsewhere'
  if (bucket === 'duplicate' || bucket === 'quarantined' || bucket === 'unused' || bucket === 'orphan') return bucket
  if (owner !== view) return 'otherView'
  return bucket === 'bound' ? 'counted' : bucket
}

function reasonOf(e: SeenEngagement, view: SeenView, options: TellOptions): string {
  switch (outcomeOf(e, view, options)) {
    case 'counted':
      return `${after(e.timeMs - view.timeMs)}: counts for ${namesOf(e, 'counts')}${rest(e)}`
    case 'waiting':
      return `not decided yet: decided once the watermark is past ${formatTime(e.timeMs + options.rules.engagementWaitMs)}`
    case 'duplicate':
      return `a copy of ${wherePlaced(e.duplicateOf, options)}, which came first`
    case 'otherView':
      return otherView(e, view, options)
    case 'outside':
      return `belongs to this view and counts for no label: ${verdictsOf(e)}`
    case 'unused':
      return `no label is on the type ${e.type}`
    case 'late':
      return `would have counted (${after(e.timeMs - view.timeMs)}), and came when the view was sealed already${tooLate(e, view, options)}`
    case 'orphan':
      return orphan(e, view, options)
    case 'elsewhere':
      return e.viewId === null
        ? `was ${before(view.timeMs - e.timeMs)} the view; views before ${formatTime(options.cutMs)} were not read`
        : `names the view ${e.viewId}; views before ${formatTime(options.cutMs)} were not read`
    case 'quarantined':
      return 'taken out of the join: it is in the dead letters, with the reason'
  }
}

function otherView(e: SeenEngagement, view: SeenView, options: TellOptions): string {
  const owner = e.owner
  if (owner === null) return 'belongs to another view'
  const how =
    e.viewId === null
      ? owner.timeMs < view.timeMs
        ? `was ${before(view.timeMs - e.timeMs)} this view, so an earlier view of the item has it`
        : 'a later view of the item has it'
      : 'names another view'
  const what = e.bucket === 'bound' ? 'where it counts' : e.bucket === 'late' ? 'which was sealed' : verdictsOf(e)
  return `${how}: ${owner.sampleId} (${wherePlaced(owner, options)}), ${what}`
}

function orphan(e: SeenEngagement, view: SeenView, options: TellOptions): string {
  if (e.viewId !== null && e.viewId !== view.sampleId) return `names the view ${e.viewId}, which was not known`
  if (view.order > e.decidedOrder) return 'was decided before the view came; no other view was known then'
  if (e.timeMs < view.timeMs) return `was ${before(view.timeMs - e.timeMs)} the view, and no earlier view was known`
  return `came when the view was forgotten already${tooLate(e, view, options)}; no other view was known`
}

/** How long, in event time, after the view's seal it came: it was decided as it came. */
function tooLate({ decidedAtMs }: SeenEngagement, view: SeenView, { rules }: TellOptions): string {
  const byMs = (decidedAtMs ?? Number.NaN) - view.timeMs - rules.viewWaitMs
  return byMs >= 0 && Number.isFinite(byMs) ? `: the watermark was ${formatDuration(byMs)} past its deadline` : ''
}

function verdictsOf(e: SeenEngagement): string {
  if (e.labels.length === 0) return 'no label is on its type'
  const texts = e.labels.map(({ name, verdict, byMs }) => {
    if (verdict === 'tooLate') return `${formatDuration(byMs)} too late for ${name}`
    if (verdict === 'tooEarly') return `${formatDuration(byMs)} too early for ${name}`
    return verdict === 'noValue' ? `without the value that ${name} needs` : `in the window of ${name}`
  })
  return texts.join(', ')
}

/** Labels on its type that it does not count for. */
function rest(e: SeenEngagement): string {
  const others = e.labels.filter(({ verdict }) => verdict !== 'counts')
  return others.length === 0 ? '' : `; ${verdictsOf({ ...e, labels: others })}`
}

function namesOf(e: SeenEngagement, verdict: string): string {
  return e.labels.flatMap((label) => (label.verdict === verdict ? [label.name] : [])).join(', ')
}

function after(delayMs: number): string {
  return delayMs < 0
    ? `${before(-delayMs)} the view, within the tolerance`
    : `${formatDuration(delayMs)} after the view`
}

function before(ms: number): string {
  return `${formatDuration(ms)} before`
}

function wherePlaced(record: SeenRecord | null, options: TellOptions): string {
  return record === null ? 'one that is no longer known' : `${options.topics[record.source]} offset ${record.offset}`
}

export function tellSeal(view: SeenView, options: TellOptions): ExplainedSeal | null {
  const { seal } = view
  if (seal === undefined || !Number.isFinite(seal.watermarkMs)) return null
  const { watermarkMs, by, isTold } = seal
  if (by === undefined) return { watermarkMs, by: 'commit', record: null }
  const record = { ...placeOf(by, options), timeMs: by.timeMs, stampMs: by.stampMs }
  return { watermarkMs, by: isTold ? 'clock' : 'record', record }
}
