/**
 * Rebuilds of the partitions that came to a node: beside what is live, some at a time, each told in the log when it is
 * through.
 *
 * Invariant: what their replays hold of the log together stays within `memory.inFlight`.
 */
import type { Partition } from '../actors/partition.ts'
import type { Position } from '../actors/position.ts'
import { readQuarantine } from '../actors/recovery.ts'
import type { Log, PartitionEnds } from '../log/port.ts'
import type { Clock } from '../time/clock.ts'
import type { Logger } from './node.ts'
import { Slots } from './slots.ts'
import { toldOf } from './told.ts'

/** What one partition's replay holds of the log: two fetches. */
const REPLAY_BYTES = 8 * 2 ** 20

export interface RestoresOptions {
  readonly log: Log
  readonly topics: readonly string[]
  readonly clock: Clock
  readonly logger: Logger
  readonly inFlightBytes: number
}

export class Restores {
  private readonly options: RestoresOptions
  private readonly slots: Slots

  constructor(options: RestoresOptions) {
    this.options = options
    this.slots = new Slots(Math.max(1, Math.floor(options.inFlightBytes / REPLAY_BYTES)))
  }

  /** Resolves when the partition is live, stopped or failed; it tells its failures itself. */
  async restore(partition: Partition, deadLetters: PartitionEnds, at: Position): Promise<void> {
    const { log, topics, clock, logger } = this.options
    const startedMs = clock.monotonicMs()
    try {
      await this.slots.run(async () => {
        const patience = {
          isStopped: () => partition.isStopped,
          onTrouble: toldOf(logger, topics, partition.index).onTrouble,
        }
        await partition.restore(await readQuarantine(log, topics, deadLetters, at, patience))
      })
    } catch (error) {
      partition.fail(error as Error)
    }
    if (!partition.isLive) return
    const { rates, recovered, index } = partition
    const tookMs = Math.round(clock.monotonicMs() - startedMs)
    logger.info({ partition: index, tookMs, recordsReplayed: rates.recordsReplayed, ...recovered }, 'partition live')
  }
}
