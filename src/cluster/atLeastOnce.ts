/**
 * At least once: output is flushed, then offsets are committed with the group (committer.ts). After a crash the output
 * since the last commit is made again, with the same ids and bytes.
 */
import type { CommitEntry, Committed, Log, Writer } from '../log/port.ts'
import { Committer } from './committer.ts'
import type { Delivery, DeliveryOptions } from './delivery.ts'
import { LastCommits } from './lastCommits.ts'

export interface AtLeastOnceOptions extends DeliveryOptions {
  readonly log: Log
  readonly group: string
  readonly commit: (entries: readonly CommitEntry[]) => Promise<void>
}

export class AtLeastOnce implements Delivery {
  readonly writer: Writer
  private readonly options: AtLeastOnceOptions
  private readonly committer: Committer
  private readonly lastCommits = new LastCommits()

  static async open(options: AtLeastOnceOptions): Promise<AtLeastOnce> {
    return new AtLeastOnce(options, await options.log.writer())
  }

  private constructor(options: AtLeastOnceOptions, writer: Writer) {
    this.options = options
    this.writer = writer
    const commit = (entries: readonly CommitEntry[]) => this.commitFirst(entries)
    this.committer = new Committer({ ...options, commit })
  }

  get commits(): number {
    return this.committer.commits
  }

  start(): void {
    this.committer.start()
  }

  stop(): void {
    this.committer.stop()
  }

  commitSoon(): void {
    this.committer.commitSoon()
  }

  commitNow(patienceMs: number): Promise<boolean> {
    return this.committer.commitNow(patienceMs)
  }

  /** The group's own fencing is all there is: a zombie can repeat samples, and commit nothing. */
  async takeOver(): Promise<void> {}

  async keep(partitions: readonly number[]): Promise<readonly number[]> {
    if (partitions.length === 0) return partitions
    const committed = await this.readCommits()
    return partitions.filter((partition) => this.lastCommits.isOwn(partition, committed))
  }

  async committed(partitions: readonly number[]): Promise<readonly Committed[]> {
    const committed = await this.readCommits()
    for (const partition of partitions) this.lastCommits.found(partition, committed)
    return committed
  }

  commitFirst(entries: readonly CommitEntry[]): Promise<void> {
    return this.lastCommits.commit(entries, this.options)
  }

  async giveUp(): Promise<void> {}

  private readCommits(): Promise<readonly Committed[]> {
    return this.options.log.committed(this.options.group, this.options.topics)
  }

  close(): Promise<void> {
    return this.writer.close()
  }
}
