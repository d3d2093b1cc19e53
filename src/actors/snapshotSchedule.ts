/**
 * When a partition's shared snapshots are taken, and what became of them. One at a time a node: each takes a share of the
 * same core.
 *
 * How it fails: a snapshot that fails is a log line; the next one is tried when it is due.
 */
import * as B from '../join/blocks.ts'
import * as L from '../join/layout.ts'
import type { JoinState } from '../join/state.ts'
import type { SnapshotStore } from '../snapshots/port.ts'
import type { Capture, PartitionOptions } from './partitionOptions.ts'
import type { Slice } from './slice.ts'
import { SnapshotTake, type TakeResult } from './snapshotTake.ts'
import type { Spill } from './spill.ts'
import type { Store, StoreWatcher } from './store.ts'
import type { Turnstile } from './turnstile.ts'
import type { Users } from './users.ts'

/** What all partitions of a node share. */
export interface SharedSnapshots {
  readonly store: SnapshotStore
  readonly everyMs: number
  /** Captured and not yet written. */
  readonly limitBytes: number
  /** The partition whose snapshot is under way. */
  taking: number | undefined
  /** Partitions whose turn it is next, in the order in which they fell due. */
  readonly waiting: Set<number>
}

export interface ScheduleParts {
  readonly state: JoinState
  readonly users: Users
  readonly store: Store
  readonly spill: Spill
  readonly turnstile: Turnstile
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
    if (batchNumber === this.takenBatch || clock.monotonicMs() < this.dueMs) {
      shared.waiting.delete(partition)
      return
    }
    shared.waiting.add(partition)
    const [next] = shared.waiting
    if (shared.taking !== undefined || next !== partition) return
    shared.waiting.delete(partition)
    shared.taking = partition
    this.dueMs = clock.monotonicMs() + shared.everyMs
    this.parts.store.isHeld = true
    const take = new SnapshotTake({ ...this.options, ...this.parts, shared }, capture)
    this.take = take
    // Where nothing has changed no commit will come: the one that there is says the same.
    if (batchNumber === this.acknowledgedBatch) take.answered(true)
    this.parts.users.beforeTurn = (user) => take.before(user)
    this.running = this.run(take, batchNumber, shared)
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

  async stop(): Promise<void> {
    this.isStopped = true
    this.options.snapshots?.waiting.delete(this.options.partition)
    this.take?.cancel()
    await this.running
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
    } finally {
      this.take = undefined
      this.parts.users.beforeTurn = undefined
      this.parts.store.isHeld = false
      shared.taking = undefined
    }
  }
}
