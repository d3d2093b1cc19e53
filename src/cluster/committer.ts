/**
 * Commits: every `everyMs`, what all partitions have brought to an end, in one request.
 *
 * Invariants:
 * 1. A partition's offsets are committed only after all output made from records below them is durable: the capture
 *    comes first, then the flush, then the commit.
 * 2. One commit is under way at a time, and of each partition one capture.
 * 3. What a rebalance has taken away since it was captured is not committed, nor what it has left open.
 * 4. A partition whose output is held up (the leader of one output partition is away) holds up no other's commit for
 *    longer than it is waited for; neither does one whose turn an acknowledgement waits for.
 *
 * How it fails: a commit that the group refuses since a rebalance is under way is dropped (the new owner starts from the
 * last one); any other failure is kept for `onTrouble` and tried again next time. A flush that fails is the partition's
 * own end, told by `onFailed`.
 */
import type { Partition } from '../actors/partition.ts'
import { type CommitEntry, LogError } from '../log/port.ts'
import { within } from '../time/within.ts'
import { capturedEntries, type DeliveryOptions } from './delivery.ts'
import { FlushedCapture } from './flushedCapture.ts'

/** Output that is not durable after it is waited for in the next commits. */
const PATIENCE_MS = 1_000

export interface CommitterOptions extends DeliveryOptions {
  readonly commit: (entries: readonly CommitEntry[]) => Promise<void>
}

export class Committer {
  commits = 0
  private readonly options: CommitterOptions
  private timer: NodeJS.Timeout | undefined
  private current: Promise<void> = Promise.resolve()
  private readonly lastBatch = new WeakMap<Partition, number>()
  /** Captured, and not committed yet. */
  private readonly captured = new Map<Partition, FlushedCapture>()
  private troubles = 0
  private isSoon = false

  constructor(options: CommitterOptions) {
    this.options = options
  }

  start(): void {
    this.timer = setTimeout(() => {
      void this.next(() => this.run(PATIENCE_MS)).finally(() => {
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
    void this.next(() => this.run(PATIENCE_MS)).finally(() => {
      this.isSoon = false
    })
  }

  /** Commits what is joined by now, as far as it is durable in time. Never rejects; resolves true if it was all. */
  commitNow(patienceMs: number): Promise<boolean> {
    return this.next(async () => {
      const untilMs = performance.now() + patienceMs
      // What was captured before stands for less than is joined by now.
      if (this.captured.size > 0) await this.run(patienceMs / 2, true)
      return this.run(Math.max(0, untilMs - performance.now()), true)
    })
  }

  private next(run: () => Promise<boolean>): Promise<boolean> {
    const done = this.current.then(run)
    this.current = done.then(() => {})
    return done
  }

  /** `isLast`: what was waited for in earlier runs is waited for again. */
  private async run(patienceMs: number, isLast = false): Promise<boolean> {
    const startedMs = performance.now()
    const before = new Set(this.captured.values())
    const all = this.capture()
    const awaited = isLast ? all : all.filter((one) => !before.has(one))
    await within(Promise.all(awaited.map((one) => one.settled)), patienceMs)
    const ready = this.takeReady(all)
    const isAll = all.every((one) => one.isDurable)
    if (ready.length === 0) return isAll
    try {
      await this.options.commit(ready.flatMap(({ partition, capture }) => capturedEntries(partition, capture!)))
    } catch (error) {
      for (const { partition, capture } of ready) partition.abandoned(capture!)
      return this.refused(error as Error)
    }
    this.troubles = 0
    this.commits++
    this.options.times.commitTimes.add(performance.now() - startedMs)
    this.options.times.flushTimes.add(Math.max(...ready.map(({ flushMs }) => flushMs)))
    for (const { partition, capture } of ready) {
      this.lastBatch.set(partition, capture!.batchNumber)
      // Not awaited: its turn may be one that waits for its output. The next capture comes behind it.
      partition.acknowledged(capture!).catch((error: Error) => this.failed(partition, error))
    }
    return isAll
  }

  /** Of every partition: what it was captured at before and is not committed yet, else as of now. */
  private capture(): readonly FlushedCapture[] {
    const live = this.forgetAbsent().filter((partition) => partition.isLive)
    for (const partition of live) {
      if (this.captured.has(partition)) continue
      const onFailed = (error: Error): void => this.failed(partition, error)
      this.captured.set(partition, new FlushedCapture(partition, this.lastBatch.get(partition), onFailed))
    }
    return [...this.captured.values()]
  }

  /** Those that may be committed. */
  private takeReady(all: readonly FlushedCapture[]): readonly FlushedCapture[] {
    this.forgetAbsent()
    return all.filter(({ partition, capture, isDurable, isOver }) => {
      if (!this.captured.has(partition) || !(isDurable || isOver)) return false
      this.captured.delete(partition)
      return isDurable && capture !== undefined
    })
  }

  /** What a rebalance has taken away is not waited for. Gives who is there. */
  private forgetAbsent(): readonly Partition[] {
    const present = this.options.partitions()
    for (const [partition, one] of this.captured) {
      if (present.includes(partition)) continue
      this.captured.delete(partition)
      one.abandon()
    }
    return present
  }

  /** Of one that was given up nothing counts any more. */
  private failed(partition: Partition, error: Error): void {
    if (this.options.partitions().includes(partition)) this.options.onFailed(error)
  }

  private refused(error: Error): boolean {
    const isRebalance = error instanceof LogError && error.code === 'NOT_OWNER'
    this.options.onTrouble(error, isRebalance ? 0 : ++this.troubles)
    return false
  }
}
