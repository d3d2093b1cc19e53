/**
 * Where the partitions that came to a node start: from the group's commits, and where their topics begin and end.
 *
 * Invariants:
 * 1. A partition is taken over (delivery.ts) before its commit is read.
 * 2. A partition that has no leader in one of its topics is left to a later assignment, and holds up no other: what its
 *    last owner left open cannot be ended before, and what it would make could not be written.
 *
 * How it fails: as the log does, and with a RecoveryError where a commit cannot be gone on from (recovery.ts).
 */
import { type Start, startOf } from '../actors/recovery.ts'
import { endIn, Leaderless, ledEndIn } from '../log/leaderless.ts'
import type { Log, PartitionEnds } from '../log/port.ts'
import type { Delivery } from './delivery.ts'
import type { Logger } from './node.ts'

export interface StartsOptions {
  readonly log: Log
  /** What is joined. */
  readonly topics: readonly string[]
  /** What is written, the dead letters among it. */
  readonly outputs: readonly string[]
  readonly deadLetters: string
  /** Asks the group for the assignment again. */
  readonly rejoin: () => void
  readonly logger: Logger
}

export interface FoundStart {
  readonly index: number
  readonly start: Start
  readonly deadLetters: PartitionEnds
}

export class Starts {
  private readonly options: StartsOptions
  private readonly leaderless: Leaderless

  constructor(options: StartsOptions) {
    this.options = options
    this.leaderless = new Leaderless(options)
  }

  /** Takes over those of these that can be built; the others are asked for again when they can. */
  async of(
    numbers: readonly number[],
    delivery: Pick<Delivery, 'takeOver' | 'committed'>,
  ): Promise<readonly FoundStart[]> {
    const led = await this.ledOf(numbers)
    if (led.length === 0) return []
    const { log, topics, deadLetters } = this.options
    await delivery.takeOver(led)
    const [committed, ends, deadEnds] = await Promise.all([
      delivery.committed(led),
      log.ends(topics, 'led'),
      log.ends([deadLetters], 'led'),
    ])
    return led.map((partition) => {
      for (const topic of topics) ledEndIn(ends, { topic, partition })
      const deadEnd = ledEndIn(deadEnds, { topic: deadLetters, partition })
      const start = startOf({ partition, topics, committed, ends, deadLettersEnd: deadEnd.high })
      return { index: partition, start, deadLetters: deadEnd }
    })
  }

  /** Nothing is waited for any more: another assignment is under way, or none will be. */
  forget(): void {
    this.leaderless.wait([])
  }

  private async ledOf(numbers: readonly number[]): Promise<readonly number[]> {
    const { log, topics, outputs, logger } = this.options
    const all = [...new Set([...topics, ...outputs])]
    const ends = await log.ends(all, 'led')
    const missing = all
      .flatMap((topic) => numbers.map((partition) => ({ topic, partition })))
      .filter((place) => endIn(ends, place) === undefined)
    const leaderless = missing.map(({ topic, partition }) => `${topic}/${partition}`)
    if (missing.length > 0) logger.warn({ leaderless }, 'partitions wait until these have a leader')
    this.leaderless.wait(missing)
    const left = new Set(missing.map(({ partition }) => partition))
    return numbers.filter((partition) => !left.has(partition))
  }
}
