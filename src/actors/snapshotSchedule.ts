/**
 * When a partition's shared snapshots are taken, and what became of them. One at a time a node: each takes a share of the
 * same core.
 *
 * Invariant: a partition whose commits do not come, as where its output is held up, keeps no other from its turn.
 *
 * How it fails: a snapshot that fails is a log line; the next one is tried when it is due.
 */
import * as B from '../join/blocks.ts'
import * as L from '../join/layout.ts'
import type { JoinState } from '../join/state.ts'
import { isDamage } from '../journal/port.ts'
import type { SnapshotStore } from '../snapshots/port.ts'
import { within } from '../time/within.ts'
import type { Capture, PartitionOptions } from './partitionOptions.ts'
import type { Slice } from './slice.ts'
import { SnapshotTake, type TakeResult } from './snapshotTake.ts'
import type { Spill } from './spill.ts'
import type { Store, StoreWatcher } from './store.ts'
import type { Turnstile } from './turnstile.ts'
import type { Users } from './users.ts'

/** So long others wait for a partition from which nothing is heard: for a snapshot's commit, or the next capture. */
export const HEARD_WITHIN_MS = 60_000
/** How long what is under way may take to end, once its partition stops. */
const STOP_WAIT_MS = 1_000

/** What all partitions of a node share. */
export interface SharedSnapshots {
  readonly store: SnapshotStore
  readonly everyMs: number
  /** Captured and not yet written. */
  readonly limitBytes: number
  /** Of the partition whose snapshot is under way. */
  taking: SnapshotSchedule | undefined
  /** Partitions whose turn it is next, in the order in which they fell due, with the time of their last capture. */
  readonly waiting: Map<number, number>
}

export interface ScheduleParts {
  readonly state: JoinState
  readonly users: Users
  readonly store: Store
  readonly spill: Spill
  readonly turnstile: Turnstile
  /** Told where the journal, of which users and bytes are copied, was found damaged. */
  readonly onDamaged: (error: Error) => void
}

export interface Taken extends TakeResult {
  readonly tookMs: number
}

export class SnapshotSchedule implements StoreWatcher {
  /** The last one that was published. */
  last: Taken | undefined
  private readonly options: PartitionOptions
  private readonly parts: ScheduleParts
  private take: SnapshotTake | undefined
  private running: Promise<void> = Promise.resolve()
  private begunMs = 0
  private dueMs: number
  private acknowledgedBatch = -1
  private takenBatch = -1
  private isStopped = false

  constructor(options: PartitionOptions, parts: ScheduleParts) {
    this.options = options
    this.parts = parts
    // Partitions begin at different times of the period.
    const part = 0.5 + ((options.partition * 0.618) % 0.5)
    this.dueMs = options.clock.monotonicMs() + part * (options.snapshots?.everyMs ?? 0)
    if (options.snapshots !== undefined) parts.store.watcher = this
  }

  /** In the turn of a capture: from here on the state moves away from it. */
  captured(capture: Capture): void {
    const { snapshots: shared, clock, partition } = this.options
    if (shared === undefined || this.isStopped) return
    const { batchNumber } = capture
    const nowMs = clock.monotonicMs()
    if (batchNumber === this.takenBatch || nowMs < this.dueMs) {
      shared.waiting.delete(partition)
      return
    }
    if (!this.isNext(shared, nowMs)) return
    shared.waiting.delete(partition)
    shared.taking = this
    this.begunMs = nowMs
    this.dueMs = nowMs + shared.everyMs
    this.parts.store.isHeld = true
    const take = new SnapshotTake({ ...this.options, ...this.parts, shared }, capture)
    this.take = take
    // Where nothing has changed no commit will come: the one that there is says the same.
    if (batchNumber === this.acknowledgedBatch) take.answered(true)
    this.parts.users.beforeTurn = (user) => take.before(user)
    this.running = this.run(take, batchNumber, shared)
  }

  private isNext(shared: SharedSnapshots, nowMs: number): boolean {
    const { waiting } = shared
    // One that waits already keeps its place.
    waiting.set(this.options.partition, nowMs)
    for (const [partition, heardMs] of waiting) if (nowMs - heardMs >= HEARD_WITHIN_MS) waiting.delete(partition)
    shared.taking?.giveUpIfOverdue(shared, nowMs)
    const [next] = waiting.keys()
    return shared.taking === undefined && this.take === undefined && next === this.options.partition
  }

  /** Not waited for until it is over: it may stand in the middle of a batch, whose output is held up too. */
  private giveUpIfOverdue(shared: SharedSnapshots, nowMs: number): void {
    const { partition, onNote } = this.options
    const waitedMs = nowMs - this.begunMs
    if (this.take?.isOpen !== true || waitedMs < HEARD_WITHIN_MS) return
    onNote?.({ partition, waitedMs: Math.round(waitedMs) }, 'a shared snapshot is given up: its commit does not come')
    this.take.cancel()
    shared.taking = undefined
  }

  acknowledged(capture: Capture): void {
    this.acknowledgedBatch = capture.batchNumber
    if (this.take?.isOf(capture)) this.take.answered(true)
  }

  abandoned(capture: Capture): void {
    if (this.take?.isOf(capture) && capture.batchNumber !== this.acknowledgedBatch) this.take.cancel()
  }

  /** The batch in hand is about to forget views of these users; in slices. A promise only while a snapshot is taken. */
  beforeForgetting(slice: Slice): Promise<void> | undefined {
    return this.take === undefined ? undefined : this.takeForgotten(this.take, slice)
  }

  private async takeForgotten(take: SnapshotTake, slice: Slice): Promise<void> {
    const { forgotten, arena } = this.parts.state
    for (let k = 0; k < forgotten.length; k++) {
      take.before(B.u32(arena, forgotten.items[k], L.V_USER))
      if (slice.isOver()) await slice.next()
    }
  }

  evicting(users: readonly number[]): void {
    this.take?.evicting(users)
  }

  broughtBack(user: number, key: Buffer): void {
    this.take?.broughtBack(user, key)
  }

  /** What is under way ends by itself: a store that does not answer keeps nobody's partition. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.options.snapshots?.waiting.delete(this.options.partition)
    this.take?.cancel()
    await within(this.running, STOP_WAIT_MS)
    const { snapshots: shared } = this.options
    if (shared?.taking === this) shared.taking = undefined
  }

  private async run(take: SnapshotTake, batchNumber: number, shared: SharedSnapshots): Promise<void> {
    const { clock, partition, onNote } = this.options
    const startedMs = clock.monotonicMs()
    try {
      const result = await take.run()
      if (result !== undefined) {
        this.takenBatch = batchNumber
        this.last = { ...result, tookMs: Math.round(clock.monotonicMs() - startedMs) }
        onNote?.({ partition, ...this.last }, 'a shared snapshot is published')
      }
    } catch (error) {
      onNote?.({ partition, error: (error as Error).message }, 'a shared snapshot was not published')
      if (isDamage(error)) this.parts.onDamaged(error)
    } finally {
      this.take = undefined
      this.parts.users.beforeTurn = undefined
      this.parts.store.isHeld = false
      if (shared.taking === this) shared.taking = undefined
    }
  }
}
