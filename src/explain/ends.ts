/** Ends of one partition of topics that may not exist yet: no node has made the pipeline's outputs before the first start. */
import type { Log, PartitionEnds } from '../log/port.ts'

/** Of those of the topics that exist, in the order of `topics`. */
export async function endsOfPartition(
  log: Log,
  topics: readonly string[],
  partition: number,
): Promise<readonly PartitionEnds[]> {
  const known = new Set((await log.topics(topics)).map(({ topic }) => topic))
  const there = topics.filter((topic) => known.has(topic))
  if (there.length === 0) return []
  const ends = await log.ends(there)
  return there.flatMap((topic) => ends.filter((end) => end.topic === topic && end.partition === partition))
}
