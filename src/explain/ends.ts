/** Ends of one partition of topics that may not exist yet: no node has made the pipeline's outputs before the first start. */
import { type Log, LogError, type PartitionEnds } from '../log/port.ts'

/** Of those of the topics that exist, in the order of `topics`. */
export async function endsOfPartition(
  log: Log,
  topics: readonly string[],
  partition: number,
): Promise<readonly PartitionEnds[]> {
  const ends = await Promise.all(topics.map((topic) => endsIfThere(log, topic)))
  return ends.flat().filter((end) => end.partition === partition)
}

async function endsIfThere(log: Log, topic: string): Promise<readonly PartitionEnds[]> {
  try {
    return await log.ends([topic])
  } catch (error) {
    if (error instanceof LogError && error.code === 'UNKNOWN_TOPIC') return []
    throw error
  }
}
