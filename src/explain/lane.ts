/**
 * One source's part of the log on its way into a join that is run again: taken in pieces, so that no source runs ahead of
 * the others by what happens to lie in one read.
 *
 * Why: a node that keeps up joins its sources as they come, side by side; a read of the log is many minutes of a thin
 * source. Joined in one go, it would let events count that the clocks of all sources together found late.
 *
 * Invariants: what is cut off is handed out next; a batch is good until the next is asked for.
 */
import { cutsOf, splitChunk } from '../actors/align.ts'
import type { EventBatch } from '../join/event.ts'
import type { Rules } from '../join/rules.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { EventLog } from './eventLog.ts'

/** Finer steps cost more than they tell. */
const LEAST_STEP_MS = 1000

export class Lane {
  isOver: boolean
  private readonly events: EventLog
  private readonly chunks: AsyncGenerator<RawChunk>
  private readonly cutOff: RawChunk[] = []

  constructor(events: EventLog, from: number, to: number) {
    this.events = events
    this.chunks = events.chunks(from, to)
    this.isOver = from >= to
  }

  get recordsRead(): number {
    return this.events.recordsRead
  }

  /** What comes next, no further than `limitMs` but for its first record; undefined where nothing is left. */
  async next(limitMs: number, stepMs: number, basis: Rules['basis']): Promise<EventBatch | undefined> {
    const chunk = this.cutOff.shift() ?? (await this.read())
    if (chunk === undefined) return undefined
    const batch = await this.events.decode(chunk)
    const cuts = cutsOf(batch, limitMs, stepMs, basis)
    if (cuts.length === 0) return batch
    this.cutOff.unshift(...splitChunk(chunk, cuts).slice(1))
    batch.count = cuts[0]
    return batch
  }

  private async read(): Promise<RawChunk | undefined> {
    const next = await this.chunks.next()
    if (next.done !== true) return next.value
    this.isOver = true
    return undefined
  }

  async close(): Promise<void> {
    await this.chunks.return(undefined)
  }
}

/** How far a source may go ahead: what disorder within one may be anyway, and never further than a node lets it. */
export function stepOf({ outOfOrdernessMs }: Rules, alignWithinMs: number): number {
  return Math.min(alignWithinMs, Math.max(outOfOrdernessMs, LEAST_STEP_MS))
}
