/** The ledgers that travel with a group's commits, by partition: of the whole cluster, whether a node runs or none. */
import { decodeMetadata } from '../actors/position.ts'
import type { Log } from '../log/port.ts'

export async function committedLedgers(
  log: Log,
  group: string,
  topics: readonly string[],
): Promise<Map<number, readonly number[]>> {
  const existing = (await log.topics(topics)).map((info) => info.topic)
  const ledgers = new Map<number, readonly number[]>()
  for (const { topic, partition, offset, metadata } of await log.committed(group, existing)) {
    if (offset < 0 || ledgers.has(partition)) continue
    ledgers.set(partition, decodeMetadata(metadata, new Map([[topic, offset]])).ledger)
  }
  return ledgers
}
