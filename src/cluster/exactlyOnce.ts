/**
 * Exactly once: of each partition and commit interval one transaction, with its samples, side outputs, dead letters,
 * offsets and metadata. Readers of committed records see each sample once, however often nodes are killed.
 *
 * Invariants:
 * 1. The cut: a capture ends the transaction in the partition's own turn, between two batches. Output made later belongs
 *    to the next one, and so do the offsets that stand for it.
 * 2. The order: taking over (InitProducerId) is followed by the reading of the commit, that by recovery, that by output.
 *    It is the same on assignment, after a fence and after an unknown outcome, since there is only one way back: the
 *    partition is given up, and the group's next assignment brings it.
 * 3. Partitions do not wait for each other.
 *
 * How it fails: a partition whose transaction is fenced or is no longer this member's, or whose outcome is not known, is
 * told to `onLost`, and nothing of it is taken for granted any more. Output that the log refuses for good is told to `onFailed`.
 */
import type { Partition } from '../actors/partition.ts'
import { isDamage } from '../journal/port.ts'
import { type CommitEntry, type Committed, LogError, type TransactionalWriter } from '../log/port.ts'
import { within } from '../time/within.ts'
import { capturedEntries, type Delivery, type DeliveryOptions } from './delivery.ts'

/** Beyond it the broker aborts a transaction: well above what a commit may take, and the sessions of the group. */
const TRANSACTION_TIMEOUT_MS = 60_000
/** The broker's own default for the longest. */
const LONGEST_TIMEOUT_MS = 900_000

export interface ExactlyOnceOptions extends DeliveryOptions {
  readonly transactionalWriter: (timeoutMs: number) => Promise<TransactionalWriter>
  /** What the partition holds is no longer true: it is to be given up until the next assignment. */
  readonly onLost: (partition: Partition, error: LogError) => void
}

export class ExactlyOnce implements Delivery {
  readonly writer: TransactionalWriter
  commits = 0
  private readonly options: ExactlyOnceOptions
  private timer: NodeJS.Timeout | undefined
  /** Of each partition, its last commit, which the next one follows. */
  private readonly current = new WeakMap<Partition, Promise<boolean>>()
  private readonly busy = new Set<Partition>()
  private readonly lastBatch = new WeakMap<Partition, number>()

  static async open(options: ExactlyOnceOptions): Promise<ExactlyOnce> {
    const timeoutMs = Math.min(TRANSACTION_TIMEOUT_MS + options.everyMs, LONGEST_TIMEOUT_MS)
    return new ExactlyOnce(options, await options.transactionalWriter(timeoutMs))
  }

  private constructor(options: ExactlyOnceOptions, writer: TransactionalWriter) {
    this.options = options
    this.writer = writer
  }

  start(): void {
    this.timer = setInterval(() => this.commitSoon(), this.options.everyMs)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  commitSoon(): void {
    for (const partition of this.live()) if (!this.busy.has(partition)) void this.commit(partition)
  }

  async commitNow(patienceMs: number): Promise<boolean> {
    const done = Promise.all(this.live().map((partition) => this.commit(partition)))
    return (await within(done, patienceMs))?.every(Boolean) ?? false
  }

  /** Whoever had one meanwhile has fenced it: the next append or commit tells. */
  async keep(partitions: readonly number[]): Promise<readonly number[]> {
    return partitions
  }

  async takeOver(partitions: readonly number[]): Promise<void> {
    await Promise.all(partitions.map((partition) => this.writer.open(partition)))
  }

  committed(partitions: readonly number[]): Promise<readonly Committed[]> {
    return this.writer.committed(this.options.topics, partitions)
  }

  async commitFirst(entries: readonly CommitEntry[]): Promise<void> {
    const partitions = new Set(entries.map(({ partition }) => partition))
    const own = (partition: number) => entries.filter((entry) => entry.partition === partition)
    await Promise.all([...partitions].map((partition) => this.writer.commit(partition, () => own(partition))))
  }

  giveUp(partition: number): Promise<void> {
    return this.writer.release(partition)
  }

  close(): Promise<void> {
    return this.writer.close()
  }

  private live(): Partition[] {
    return this.options.partitions().filter((partition) => partition.isLive)
  }

  private commit(partition: Partition): Promise<boolean> {
    const before = this.current.get(partition) ?? Promise.resolve(true)
    const done = before.then(async () => {
      this.busy.add(partition)
      return this.run(partition).finally(() => this.busy.delete(partition))
    })
    this.current.set(partition, done)
    return done
  }

  private async run(partition: Partition): Promise<boolean> {
    if (!this.options.partitions().includes(partition)) return false
    const startedMs = performance.now()
    try {
      const isNew = ({ batchNumber }: { batchNumber: number }) => this.lastBatch.get(partition) !== batchNumber
      const capture = await partition.capture((made) => {
        if (isNew(made)) this.writer.cut(partition.index)
      })
      if (!isNew(capture)) {
        partition.abandoned(capture)
        return true
      }
      const { times } = this.options
      await this.writer.commit(partition.index, () => {
        times.flushTimes.add(performance.now() - startedMs)
        return capturedEntries(partition, capture)
      })
      times.commitTimes.add(performance.now() - startedMs)
      this.lastBatch.set(partition, capture.batchNumber)
      this.commits++
      await partition.acknowledged(capture)
      return true
    } catch (error) {
      this.refused(partition, error as Error)
      return false
    }
  }

  private refused(partition: Partition, error: Error): void {
    if (isLost(error)) this.options.onLost(partition, error)
    // A damage is told by the partition itself, which cannot go on as it is.
    else if (!isClosed(error) && !isDamage(error)) this.options.onFailed(error)
  }
}

/** The partition was given up meanwhile. */
export function isClosed(error: unknown): boolean {
  return error instanceof LogError && error.code === 'CLOSED'
}

const LOST: readonly string[] = ['FENCED', 'NOT_OWNER', 'UNKNOWN_OUTCOME']

/** Not the node's end: the partition's, until its next assignment. */
export function isLost(error: unknown): error is LogError {
  return error instanceof LogError && LOST.includes(error.code)
}
