/**
 * The partitions that a node holds: those that it has built, of those that the group gave it.
 *
 * Invariants:
 * 1. A partition that is given up is out of sight at once, and gone when `settled` resolves: its delivery first, so that
 *    nothing of it can be sent any more, then what it has in hand, then what of its output was never durable.
 * 2. What the group gave and is not held (given up in between) is asked for again.
 *
 * How it fails: a partition that cannot be ended in order is told to `onFailed`.
 */
import type { Partition } from '../actors/partition.ts'

export interface HoldingsOptions {
  /** Ends the partition. */
  readonly leave: (partition: Partition) => Promise<void>
  /** Asks the group for the assignment again. */
  readonly rejoin: () => void
  readonly onFailed: (error: Error) => void
}

/** Whoever took a partition is most likely its new owner, of which this node hears in a moment. */
const ASK_AGAIN_AFTER_MS = 1_000

export class Holdings {
  private readonly options: HoldingsOptions
  private readonly held = new Map<number, Partition>()
  private readonly leaving = new Map<number, Promise<void>>()
  private given: readonly number[] = []

  constructor(options: HoldingsOptions) {
    this.options = options
  }

  get all(): readonly Partition[] {
    return [...this.held.values()]
  }

  get numbers(): readonly number[] {
    return [...this.held.keys()]
  }

  get(index: number): Partition | undefined {
    return this.held.get(index)
  }

  has(index: number): boolean {
    return this.held.has(index)
  }

  /** Those of these that are held. */
  among(numbers: readonly number[]): readonly number[] {
    return numbers.filter((index) => this.held.has(index))
  }

  hold(partition: Partition): void {
    this.held.set(partition.index, partition)
  }

  /** A new assignment, of which some stay. Resolves when all others are gone. */
  assign(numbers: readonly number[], stay: readonly number[]): Promise<void> {
    this.given = numbers
    for (const partition of this.all) if (!stay.includes(partition.index)) this.giveUp(partition)
    return this.settled()
  }

  giveUp(partition: Partition): void {
    const { index } = partition
    if (this.held.get(index) !== partition) return
    this.held.delete(index)
    const left = this.options
      .leave(partition)
      .catch((error: Error) => this.options.onFailed(error))
      .finally(() => this.leaving.delete(index))
    this.leaving.set(index, left)
  }

  async giveUpAll(): Promise<void> {
    for (const partition of this.all) this.giveUp(partition)
    await this.settled()
  }

  /** Gives partitions up, though the group may go on giving them. */
  lose(partitions: readonly Partition[]): void {
    for (const partition of partitions) this.giveUp(partition)
    setTimeout(() => {
      if (this.given.some((index) => !this.held.has(index))) this.options.rejoin()
    }, ASK_AGAIN_AFTER_MS).unref()
  }

  /** Resolves when all that was given up is gone. */
  async settled(): Promise<void> {
    await Promise.all(this.leaving.values())
  }
}
