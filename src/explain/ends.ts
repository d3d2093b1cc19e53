/** Ends of one partition of topics that may not exist yet: no node has made the pipeline's outputs before the first start. */
import { endOf } from '../log/leaderless.ts'
import { type Log, LogError, type PartitionEnds } from '../log/port.ts'

/** Of those of the topics that exist, in the order of `topics`. */
export async function endsOfPartition(
  log: Log,
  topics: readonly string[],
  partition: number,
): Promise<readonly PartitionEnds[]> {
  return (await Promise.all(topics.map((topic) => endIfThere(log, topic, partition)))).flat()
}

async function endIfThere(log: Log, topic: string, partition: number): Promise<readonly PartitionEnds[]> {
  try {
    return [await endOf(log, topic, partition)]
  } catch (error) {
    if (error instanceof LogError && error.code === 'UNKNOWN_TOPIC') return []
    throw error
  }
}
