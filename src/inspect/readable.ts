/** What of a topic can be read now: an answer of what there is is worth more than none, and says what it lacks. */
import { endIn } from '../log/leaderless.ts'
import type { Log, PartitionEnds } from '../log/port.ts'

export interface Readable {
  /** Of the partitions that have a leader. */
  readonly ends: readonly PartitionEnds[]
  /** All there are. */
  readonly partitions: number
  /** Those without a leader: the brokers that have them are away. */
  readonly away: readonly number[]
}

export async function readableOf(log: Log, topic: string): Promise<Readable> {
  const [ends, infos] = await Promise.all([log.ends([topic], 'led'), log.topics([topic])])
  const partitions = infos[0]?.partitions ?? ends.length
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  return { ends, partitions, away: all.filter((partition) => endIn(ends, { topic, partition }) === undefined) }
}
