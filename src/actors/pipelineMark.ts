/**
 * What a commit says of the pipeline that made it, and what a partition makes of a commit that another pipeline made: in
 * a rolling change, or after a stop of all nodes. The log cannot tell: what was decided under the old rules is gone.
 *
 * Rules:
 * 1. When views are sealed and engagements decided (longest window, allowedLateness, clockSkewTolerance) changes only
 *    while nothing is pending. What the old rules had sealed or decided stays so (`Before`): the commit says up to which
 *    view time that is.
 * 2. A label that is new has no value for views that may have had engagements for it which nobody kept: those older than
 *    the committed watermark - allowedLateness. They have null, in every repetition, whoever seals them; so its default
 *    must be null until they are sealed.
 * 3. A label is known by what it follows, not by its name: `on`, `within`, `fold`.
 * 4. What the clocks go by (`basis`) changes only while nothing is pending: a replay tells by the committed clocks what was
 *    quarantined as ahead of them.
 *
 * How it fails: a RecoveryError that names the key and what to do; nothing has been committed then.
 */
import { createHash } from 'node:crypto'
import { PENDING, UNDECIDED } from '../join/ledger.ts'
import type { LabelRule, Rules } from '../join/rules.ts'
import type { Before, JoinState } from '../join/state.ts'
import type { Position } from './position.ts'

export interface PipelineMark {
  /** Longest window, allowedLateness, clockSkewTolerance, in ms. */
  readonly waits: readonly number[]
  /** Absent in commits that are older than this key. */
  readonly basis?: Rules['basis']
  /** Digests of the labels that were followed. */
  readonly labels: readonly string[]
  /** By digest: views older than this have no value. */
  readonly since: Readonly<Record<string, number>>
  readonly before?: Before
}

export class PipelineError extends Error {
  override name = 'PipelineError'
}

const DIGEST_DIGITS = 6
const WAIT_KEYS = ['the longest within of labels', 'time.allowedLateness', 'time.clockSkewTolerance']

/** As a commit of this moment would have it; what no view can be concerned by any more is left out. */
export function markOf(s: JoinState): PipelineMark {
  const { rules, before } = s
  const labels = digestsOf(rules)
  const since = Object.fromEntries(
    labels.flatMap((digest, k) => (isOpen(s, s.labelSince[k]) ? [[digest, s.labelSince[k]]] : [])),
  )
  const isNeeded = before !== undefined && isOpen(s, Math.max(before.viewMs, before.engagementMs))
  return { waits: waitsOf(rules), basis: rules.basis, labels, since, ...(isNeeded ? { before } : {}) }
}

/** Makes the state go on from a commit, whichever pipeline made it. */
export function takeOver(s: JoinState, at: Position, partition: number): void {
  const { pipeline: mark, watermarkMs, ledger } = at
  if (mark === undefined || watermarkMs === Number.NEGATIVE_INFINITY) return
  const { rules } = s
  const pending = ledger[PENDING] + ledger[UNDECIDED]
  const changed = waitsOf(rules).findIndex((wait, i) => wait !== mark.waits[i])
  const refuse = (key: string, was: string, is: string): never => {
    throw new PipelineError(
      `partition ${partition}: ${key} was ${was} and is ${is} now, while ${pending} views and engagements are pending ` +
        'under the old value: set it back, let them be sealed (stop the producers and wait), then change it',
    )
  }
  if (changed >= 0 && pending > 0)
    refuse(WAIT_KEYS[changed], `${mark.waits[changed]} ms`, `${waitsOf(rules)[changed]} ms`)
  const { basis = rules.basis } = mark
  if (basis !== rules.basis && pending > 0) refuse('time.basis', basis, rules.basis)
  s.before = changed >= 0 ? beforeOf(mark, watermarkMs) : mark.before
  digestsOf(rules).forEach((digest, k) => {
    const isNew = !mark.labels.includes(digest)
    const newSinceMs = pending > 0 ? watermarkMs - rules.allowedLatenessMs : Number.NEGATIVE_INFINITY
    const sinceMs = isNew ? newSinceMs : (mark.since[digest] ?? Number.NEGATIVE_INFINITY)
    s.labelSince[k] = sinceMs
    const { name, default: value } = rules.labels[k]
    if (value === null || pending === 0 || sinceMs + rules.viewWaitMs < watermarkMs) return
    throw new PipelineError(
      `partition ${partition}: labels.${name} is new or changed, and has no value for the views that are pending: give it ` +
        'default: null until they are sealed',
    )
  })
}

/** What the commit's pipeline had sealed and decided; what a change before it had, too. */
function beforeOf({ waits, before }: PipelineMark, watermarkMs: number): Before {
  const [longestMs, latenessMs, toleranceMs] = waits
  const viewMs = Math.max(
    watermarkMs - longestMs - latenessMs - toleranceMs,
    before?.viewMs ?? Number.NEGATIVE_INFINITY,
  )
  const engagementMs = Math.max(
    watermarkMs - latenessMs - toleranceMs,
    before?.engagementMs ?? Number.NEGATIVE_INFINITY,
  )
  return { viewMs, viewWaitMs: watermarkMs - viewMs, engagementMs, engagementWaitMs: watermarkMs - engagementMs }
}

/** Whether views of that time may still be pending or remembered. */
function isOpen({ rules, lastWatermarkMs }: JoinState, timeMs: number): boolean {
  return timeMs + rules.viewWaitMs + rules.rememberSealedMs >= lastWatermarkMs && Number.isFinite(timeMs)
}

function waitsOf({ viewWaitMs, engagementWaitMs, allowedLatenessMs, clockSkewToleranceMs }: Rules): number[] {
  return [viewWaitMs - engagementWaitMs, allowedLatenessMs, clockSkewToleranceMs]
}

const digests = new WeakMap<Rules, string[]>()

function digestsOf(rules: Rules): string[] {
  let made = digests.get(rules)
  if (made === undefined) {
    made = rules.labels.map(digestOf)
    digests.set(rules, made)
  }
  return made
}

function digestOf({ on, withinMs, fold }: LabelRule): string {
  return createHash('sha256')
    .update(JSON.stringify([on, withinMs, fold]))
    .digest('hex')
    .slice(0, DIGEST_DIGITS)
}
