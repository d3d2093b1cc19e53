/** Up to where a partition was joined, by what its group has committed. */
import { decodeMetadata } from '../actors/position.ts'
import type { Log } from '../log/port.ts'
import type { AsOf } from './range.ts'

/** Null where nothing is committed. */
export async function committedAsOf(
  log: Log,
  group: string,
  topics: readonly string[],
  partition: number,
): Promise<AsOf | null> {
  const committed = (await log.committed(group, topics)).filter((each) => each.partition === partition)
  const offsets = new Map(committed.flatMap(({ topic, offset }) => (offset < 0 ? [] : [[topic, offset] as const])))
  const told = committed.find(({ topic, offset }) => topic === topics[0] && offset >= 0)
  if (told === undefined) return null
  const commit = decodeMetadata(told.metadata, offsets)
  const { watermarkMs, sources } = commit
  return {
    offsets: topics.map((topic) => sources.get(topic)?.offset ?? 0),
    watermarkMs,
    highestMs: topics.map((topic) => sources.get(topic)?.highestMs ?? Number.POSITIVE_INFINITY),
    // A commit of another pipeline knows nothing of a source that is new.
    ...(topics.every((topic) => sources.has(topic)) && { believing: commit }),
  }
}
