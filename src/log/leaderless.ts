/**
 * Topic partitions without a leader: the brokers that have them are away. Whoever was given them by a group goes on with
 * its others, and asks for the assignment again when one of these has a leader.
 *
 * Owns: those that are waited for, and the timer with which they are looked for.
 *
 * Invariant: the group is asked again only when that brings something, since it costs all its members a rebalance.
 */
import { type Log, LogError, type PartitionEnds, type TopicPartition } from './port.ts'

const LOOK_EVERY_MS = 1_000

export interface LeaderlessOptions {
  readonly log: Log
  readonly rejoin: () => void
}

export class Leaderless {
  private readonly options: LeaderlessOptions
  private waiting: readonly TopicPartition[] = []
  private timer: NodeJS.Timeout | undefined

  constructor(options: LeaderlessOptions) {
    this.options = options
  }

  /** For these, and no longer for those before. */
  wait(partitions: readonly TopicPartition[]): void {
    clearTimeout(this.timer)
    this.waiting = partitions
    if (partitions.length > 0) this.timer = setTimeout(() => void this.look(partitions), LOOK_EVERY_MS).unref()
  }

  private async look(partitions: readonly TopicPartition[]): Promise<void> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    // What the log does not answer now it answers the next time.
    const ends = await this.options.log.ends(topics, 'led').catch(() => [])
    if (this.waiting !== partitions) return
    if (isOneBack(partitions, ends)) this.options.rejoin()
    else this.wait(partitions)
  }
}

/** A partition number is of use once it has a leader in every topic where it had none. */
function isOneBack(partitions: readonly TopicPartition[], ends: readonly PartitionEnds[]): boolean {
  const away = partitions.filter((place) => endIn(ends, place) === undefined)
  return partitions.some(({ partition }) => away.every((other) => other.partition !== partition))
}

export function endIn(ends: readonly PartitionEnds[], { topic, partition }: TopicPartition): PartitionEnds | undefined {
  return ends.find((end) => end.topic === topic && end.partition === partition)
}

/** Of one partition, whether others have a leader or not. */
export async function endOf(log: Log, topic: string, partition: number): Promise<PartitionEnds> {
  return ledEndIn(await log.ends([topic], 'led'), { topic, partition })
}

/** Throws where it is not among them. */
export function ledEndIn(ends: readonly PartitionEnds[], place: TopicPartition): PartitionEnds {
  const end = endIn(ends, place)
  if (end === undefined) throw noLeader(place)
  return end
}

export function noLeader({ topic, partition }: TopicPartition): LogError {
  return new LogError('FAILED', `${topic}/${partition} has no leader`, { passes: true })
}
