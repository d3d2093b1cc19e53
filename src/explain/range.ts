/**
 * A view's part of the log, joined again: from before anything that could concern it, in the order in which a node takes
 * sources (the one furthest behind in time first, and none far ahead), until it is sealed and what came late for it has
 * been seen.
 *
 * Invariant: the range is found by time, not by reading what lies before it.
 */
import type { Believing } from '../actors/belief.ts'
import type { SourceReader } from '../codec/port.ts'
import type { EventBatch } from '../join/event.ts'
import { SKIPPED } from '../join/event.ts'
import type { Rules } from '../join/rules.ts'
import type { ToldClocks } from '../join/toldClocks.ts'
import { endOf } from '../log/leaderless.ts'
import type { Log } from '../log/port.ts'
import { EventLog } from './eventLog.ts'
import { Lane, stepOf } from './lane.ts'
import { Rerun } from './rerun.ts'
import type { SeenView } from './witness.ts'

/** Before the view, engagements are looked at so far back: longer windows than this would mean to read the whole log. */
const MOST_LOOK_BACK_MS = 3_600_000
/** After the seal, late engagements are looked for at least so long (event time). */
const LOOK_AFTER_MS = 60_000

/** Up to where a partition was joined, and what its clocks were then. */
export interface AsOf {
  /** Per source: records below it were joined. */
  readonly offsets: readonly number[]
  readonly watermarkMs: number
  readonly highestMs: readonly number[]
  /** Whose decisions in the dead letters hold; absent: everybody's. */
  readonly believing?: Believing
}

export interface RangeOptions {
  readonly log: Log
  readonly rules: Rules
  /** How far a node lets a source run ahead of the others. */
  readonly alignWithinMs: number
  readonly topics: readonly string[]
  readonly readers: readonly SourceReader[]
  readonly partition: number
  readonly partitions: number
  readonly user: Buffer
  readonly timeMs: number
  readonly sampleId: string
  /** Where the view lies, if that is known: it is read up to there, however late it came. */
  readonly viewOffset?: number
  readonly asOf: AsOf
  readonly isQuarantined: (source: number, offset: number) => boolean
  /** As if all had come in time (rerun.ts). */
  readonly isHeld?: boolean
  /** Of a consolidated topic. */
  readonly makeClocks?: () => ToldClocks
}

export interface RangeResult {
  readonly rerun: Rerun
  readonly view: SeenView | undefined
  readonly recordsRead: number
  /** The log was read from its beginning: nothing before it was left out. */
  readonly isFromLow: boolean
  /** Retention has deleted records that might have concerned the view. */
  readonly isTrimmed: boolean
  /** Event time before which the range may lack records. */
  readonly fromMs: number
}

export async function joinRange(options: RangeOptions): Promise<RangeResult> {
  const { log, rules, topics, partition, asOf, timeMs, makeClocks, isHeld = false } = options
  const waitMs = rules.clockSkewToleranceMs + rules.allowedLatenessMs
  const longestMs = rules.viewWaitMs - rules.engagementWaitMs
  const fromMs = timeMs - waitMs - rules.outOfOrdernessMs - Math.min(longestMs, MOST_LOOK_BACK_MS)
  const { origins } = options.readers[0]
  const rerun = new Rerun({ ...options, sources: topics.length, highestMs: asOf.highestMs, origins })
  const ends = await Promise.all(topics.map((topic) => endOf(log, topic, partition)))
  let isFromLow = true
  let isTrimmed = false
  const lanes: Lane[] = []
  for (let source = 0; source < topics.length; source++) {
    const { low } = ends[source]
    const to = Math.min(ends[source].high, asOf.offsets[source])
    const { basis } = rules
    const reader = options.readers[source]
    const events = new EventLog({ log, topic: topics[source], partition, reader, basis, makeClocks })
    const from = await events.offsetBefore(fromMs, rules.outOfOrdernessMs, low, Math.max(low, to))
    if (from > low) isFromLow = false
    else if (low > 0) isTrimmed = true
    if (from >= to) rerun.leaveOut(source)
    lanes.push(new Lane(events, from, to))
  }
  await joinLanes(lanes, rerun, options)
  const view = viewIn(rerun, options)
  const sealedMs = isHeld ? Math.max(asOf.watermarkMs, timeMs + rules.viewWaitMs + 1) : asOf.watermarkMs
  if (view?.seal === undefined && (isHeld || sealedMs > rerun.watermarkMs)) rerun.tick(sealedMs)
  const recordsRead = lanes.reduce((sum, lane) => sum + lane.recordsRead, 0)
  return { rerun, view: viewIn(rerun, options), recordsRead, isFromLow, isTrimmed, fromMs }
}

async function joinLanes(lanes: readonly Lane[], rerun: Rerun, options: RangeOptions): Promise<void> {
  const { rules, timeMs, alignWithinMs, isHeld } = options
  const stepMs = stepOf(rules, alignWithinMs)
  // What a node may have read of one source before the others, too.
  const aheadMs = isHeld ? Math.min(alignWithinMs, MOST_LOOK_BACK_MS) : 0
  const afterMs = timeMs + rules.viewWaitMs + Math.max(LOOK_AFTER_MS, rules.outOfOrdernessMs) + aheadMs
  try {
    for (;;) {
      const source = slowest(lanes, rerun)
      if (source < 0) return
      const batch = await lanes[source].next(leastOfOthers(lanes, source, rerun) + stepMs, stepMs, rules.basis)
      if (batch === undefined) continue
      skipFrom(batch, options.asOf.offsets[source])
      rerun.take(source, batch)
      if (isPast(lanes, rerun, afterMs, options) && isThrough(rerun, options)) return
    }
  } finally {
    for (const lane of lanes) await lane.close()
  }
}

/** All that is still to come is later: where the watermark is, or, held back by a source that has no more, the others. */
function isPast(lanes: readonly Lane[], rerun: Rerun, afterMs: number, { rules, makeClocks }: RangeOptions): boolean {
  if (rerun.watermarkMs > afterMs) return true
  const { highestMs } = rerun.state.clocks
  const isLater = ({ isOver }: Lane, source: number): boolean =>
    isOver || highestMs[source] - rules.outOfOrdernessMs > afterMs
  return makeClocks === undefined && lanes.every(isLater)
}

/** A view that is known to come later is read up to. */
function isThrough(rerun: Rerun, options: RangeOptions): boolean {
  return options.viewOffset === undefined || viewIn(rerun, options) !== undefined
}

function viewIn({ witness }: Rerun, { sampleId, viewOffset }: RangeOptions): SeenView | undefined {
  const found = witness.views.filter((view) => view.sampleId === sampleId)
  return found.find(({ offset }) => offset === viewOffset) ?? found[0]
}

function slowest(lanes: readonly Lane[], { state }: Rerun): number {
  const { highestMs } = state.clocks
  let slowest = -1
  lanes.forEach(({ isOver }, source) => {
    if (!isOver && (slowest < 0 || highestMs[source] < highestMs[slowest])) slowest = source
  })
  return slowest
}

/** How far the source is that is furthest behind of those that have more to give, beside this one. */
function leastOfOthers(lanes: readonly Lane[], source: number, { state }: Rerun): number {
  const { highestMs } = state.clocks
  return lanes.reduce(
    (least, { isOver }, other) => (isOver || other === source ? least : Math.min(least, highestMs[other])),
    Number.POSITIVE_INFINITY,
  )
}

function skipFrom(batch: EventBatch, offset: number): void {
  for (let i = batch.count - 1; i >= 0 && batch.offset[i] >= offset; i--) batch.kind[i] = SKIPPED
}
