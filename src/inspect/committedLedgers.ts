/** The ledgers that travel with a group's commits, by partition: of the whole cluster, whether a node runs or none. */
import type { LostRange } from '../actors/loss.ts'
import { decodeMetadata } from '../actors/position.ts'
import type { Log } from '../log/port.ts'

export interface LostOf extends LostRange {
  readonly partition: number
}

export interface CommittedLedgers {
  readonly ledgers: Map<number, readonly number[]>
  /** Ranges that were declared as lost. */
  readonly lost: readonly LostOf[]
}

export async function committedLedgers(log: Log, group: string, topics: readonly string[]): Promise<CommittedLedgers> {
  const existing = (await log.topics(topics)).map((info) => info.topic)
  const ledgers = new Map<number, readonly number[]>()
  const lost: LostOf[] = []
  for (const { topic, partition, offset, metadata } of await log.committed(group, existing)) {
    if (offset < 0 || ledgers.has(partition)) continue
    const position = decodeMetadata(metadata, new Map([[topic, offset]]))
    ledgers.set(partition, position.ledger)
    for (const range of position.lost ?? []) lost.push({ partition, ...range })
  }
  return { ledgers, lost }
}
