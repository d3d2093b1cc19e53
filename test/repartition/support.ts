/** Sources keyed by item: what the tests of repartitioning send, and the oracle's input made of what lies in the topics. */
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import type { OracleEvent } from '../support/pureJoin.ts'

/**
 * The oracle joins partitions of users: each event is given the partition of its user, and a place of its own there.
 * `sourceOf` maps topics that hold one source to its number.
 */
export function byUser(
  events: readonly OracleEvent[],
  partitions: number,
  sourceOf: (source: number) => number,
): OracleEvent[] {
  const next = new Map<string, number>()
  return events.map((event) => {
    const source = sourceOf(event.source!)
    const bytes = Buffer.from(event.user!)
    const partition = partitionOf(murmur2(bytes, 0, bytes.length), partitions)
    const lane = `${source} ${partition}`
    const offset = next.get(lane) ?? 0
    next.set(lane, offset + 1)
    return { ...event, source, partition, offset }
  })
}
