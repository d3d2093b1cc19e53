/**
 * What was decided live, where the log alone gives another sample than was emitted.
 *
 * Two things are in no record. A clock is moved on by a silent source's end: then events were given up that count by the
 * log alone, and the side outputs tell of each. And a node that reads a backlog may have one source far ahead of the
 * others: then events counted that come too late where sources are joined side by side. So the range is joined once more
 * as if all came in time, but for what the side outputs tell of; where that gives the labels that were emitted, it is what
 * happened. (Not a consolidated topic: its records tell the clocks, and nobody is ahead.)
 *
 * Invariant: labels are shown as emitted, whatever else is found.
 */
import type { ExplainedEmission, ExplainedEngagement, LedgerBucket } from '../inspect/explanation.ts'
import { joinRange, type RangeOptions } from './range.ts'
import { concerning, type Fate, type TellOptions, tellFate } from './tell.ts'

const CAME_IN_TIME =
  'the log alone, its sources joined side by side, gives another sample than was emitted: the node had one source ahead of ' +
  'another, as when it reads a backlog, so that more came in time; shown is what counted then'
const OTHERWISE =
  'the log alone gives another sample than was emitted: the clock of a silent or empty source had moved on, or events ' +
  'came beyond the bound; shown is what was emitted, and what the side outputs say was given up then'

export interface DecidedOptions {
  /** What the log alone says. */
  readonly byLog: Fate
  /** The view came late, by the log alone. */
  readonly isLateByLog: boolean
  readonly emission: ExplainedEmission
  /** What the side outputs say was given up, by `topic/offset`. */
  readonly reasons: ReadonlyMap<string, LedgerBucket>
  /** What was joined for it. */
  readonly range: RangeOptions
  readonly tell: TellOptions
}

export interface Decided {
  readonly fate: Fate
  readonly note: string
  readonly recordsRead: number
}

export async function decidedLive(options: DecidedOptions): Promise<Decided> {
  const { byLog, isLateByLog, emission } = options
  const { fate, recordsRead } = await inTime(options)
  const { labels, engagements } = fate !== undefined && isEmitted(fate, emission) ? fate : byLog
  const decided = engagements.map((e) => asGivenUp(e, options))
  const cameInTime =
    (isLateByLog && !emission.lateView) || decided.some((e) => e.outcome === 'counted' && !countsIn(byLog, e))
  return {
    fate: {
      engagements: decided,
      labels: labels.map((label) => ({
        ...label,
        value: emission.labels[label.name],
        delayMs: emission.delaysMs[label.name],
        counted: label.counted.filter((i) => decided[i].outcome === 'counted'),
      })),
    },
    note: cameInTime ? CAME_IN_TIME : OTHERWISE,
    recordsRead,
  }
}

/** The view's fate had all come in time but what was given up; undefined where the view is not found so. */
async function inTime({ range, reasons, tell }: DecidedOptions): Promise<{ fate?: Fate; recordsRead: number }> {
  if (range.makeClocks !== undefined) return { recordsRead: 0 }
  const isGivenUp = (source: number, offset: number): boolean => reasons.has(`${range.topics[source]}/${offset}`)
  const isQuarantined = (source: number, offset: number): boolean =>
    range.isQuarantined(source, offset) || isGivenUp(source, offset)
  const { view, rerun, recordsRead } = await joinRange({ ...range, isHeld: true, isQuarantined })
  if (view?.seal === undefined) return { recordsRead }
  const { shown } = concerning(view, rerun.witness.engagements)
  const { labels, engagements } = tellFate(view, view.seal.values, shown, tell)
  // When they were decided live is in no record either.
  return { fate: { labels, engagements: engagements.map((e) => ({ ...e, decidedAtMs: null })) }, recordsRead }
}

function isEmitted({ labels }: Fate, emission: ExplainedEmission): boolean {
  return labels.every(
    ({ name, value, delayMs }) => value === emission.labels[name] && delayMs === emission.delaysMs[name],
  )
}

function countsIn(fate: Fate, e: ExplainedEngagement): boolean {
  return toldBy(fate, e)?.outcome === 'counted'
}

/** Told by the log alone, unless a side output says that it was given up otherwise. */
function asGivenUp(e: ExplainedEngagement, { byLog, reasons }: DecidedOptions): ExplainedEngagement {
  const bucket = reasons.get(placeOf(e))
  if (bucket === undefined) return e
  const told = toldBy(byLog, e) ?? e
  if (bucket === told.bucket) return told
  const reason = `was given up live (${bucket}): by then the clock had passed it. By the log alone: ${told.reason}`
  return { ...told, bucket, outcome: bucket as 'late' | 'orphan' | 'outside', reason }
}

const toldBy = ({ engagements }: Fate, e: ExplainedEngagement): ExplainedEngagement | undefined =>
  engagements.find((other) => placeOf(other) === placeOf(e))

const placeOf = ({ topic, offset }: ExplainedEngagement): string => `${topic}/${offset}`
