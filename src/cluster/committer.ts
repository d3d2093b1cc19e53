/**
 * Commits: every `everyMs`, what all partitions have brought to an end, in one request.
 *
 * Invariants:
 * 1. A partition's offsets are committed only after all output made from records below them is durable: the capture
 *    comes first, then the flush, then the commit.
 * 2. One commit is under way at a time.
 * 3. What a rebalance has taken away since it was captured is not committed, nor what it has left open.
 *
 * How it fails: a commit that the group refuses since a rebalance is under way is dropped (the new owner starts from the
 * last one); any other failure is kept for `onTrouble` and tried again next time. A flush that fails is the partition's
 * own end, told by `onFailed`.
 */
import type { Partition } from '../actors/partition.ts'
import type { Capture } from '../actors/partitionOptions.ts'
import { type CommitEntry, LogError } from '../log/port.ts'
import { type DeliveryOptions, entriesOf } from './delivery.ts'

export interface CommitterOptions extends DeliveryOptions {
  readonly commit: (entries: readonly CommitEntry[]) => Promise<void>
}

export class Committer {
  commits = 0
  private readonly options: CommitterOptions
  private timer: NodeJS.Timeout | undefined
  private current: Promise<void> = Promise.resolve()
  private readonly lastBatch = new WeakMap<Partition, number>()
  private troubles = 0
  private isSoon = false

  constructor(options: CommitterOptions) {
    this.options = options
  }

  start(): void {
    this.timer = setTimeout(() => {
      void this.commitNow().finally(() => {
        if (this.timer !== undefined) this.start()
      })
    }, this.options.everyMs)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** Commits before the next tick of the clock: somebody waits for it. */
  commitSoon(): void {
    if (this.isSoon) return
    this.isSoon = true
    void this.commitNow().finally(() => {
      this.isSoon = false
    })
  }

  /** Commits what is joined by now. Never rejects; resolves true if all of it was committed. */
  commitNow(): Promise<boolean> {
    const done = this.current.then(() => this.run())
    this.current = done.then(() => {})
    return done
  }

  private async run(): Promise<boolean> {
    const startedMs = performance.now()
    const live = this.options.partitions().filter((partition) => partition.isLive)
    const captured = await this.capture(live)
    if (captured === undefined) return false
    const present = new Set(this.options.partitions())
    const captures = captured.filter(([partition]) => present.has(partition))
    for (const [partition, capture] of captured) if (!present.has(partition)) partition.abandoned(capture)
    if (captures.length === 0) return true
    try {
      await this.options.commit(
        captures.flatMap(([partition, capture]) => entriesOf(partition, capture, this.options.topics)),
      )
    } catch (error) {
      for (const [partition, capture] of captures) partition.abandoned(capture)
      return this.refused(error as Error)
    }
    this.troubles = 0
    this.commits++
    this.options.times.commitTimes.add(performance.now() - startedMs)
    for (const [partition, capture] of captures) {
      this.lastBatch.set(partition, capture.batchNumber)
      await partition.acknowledged(capture).catch((error: Error) => this.options.onFailed(error))
    }
    return true
  }

  /** What changed since the last commit, once it is durable; undefined where that failed. */
  private async capture(live: readonly Partition[]): Promise<(readonly [Partition, Capture])[] | undefined> {
    try {
      const captured = await Promise.all(live.map(async (p) => [p, await p.capture()] as const))
      const changed = captured.filter(([p, capture]) => this.lastBatch.get(p) !== capture.batchNumber)
      for (const [p, capture] of captured) if (this.lastBatch.get(p) === capture.batchNumber) p.abandoned(capture)
      const startedMs = performance.now()
      await Promise.all(changed.map(([p]) => p.flushed()))
      if (changed.length > 0) this.options.times.flushTimes.add(performance.now() - startedMs)
      return changed
    } catch (error) {
      this.options.onFailed(error as Error)
      return undefined
    }
  }

  private refused(error: Error): boolean {
    const isRebalance = error instanceof LogError && error.code === 'NOT_OWNER'
    this.options.onTrouble(error, isRebalance ? 0 : ++this.troubles)
    return false
  }
}
