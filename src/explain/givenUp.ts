/**
 * What the side outputs say of a user's engagements: that they were given up live, and why. Looked up where the log alone
 * would say otherwise: a clock that a silent source had advanced is in no record, but what it led to is written down.
 */
import type { LedgerBucket } from '../inspect/explanation.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Log } from '../log/port.ts'
import { endsOfPartition } from './ends.ts'

/** The newest of each topic's partition. */
const MOST_RECORDS = 200_000
const READ_BYTES = 1 << 20

export interface GivenUpNotes {
  /** By `topic/offset` of the engagement. */
  readonly reasons: ReadonlyMap<string, LedgerBucket>
  readonly recordsRead: number
}

export async function readGivenUp(
  log: Log,
  topics: readonly string[],
  partition: number,
  user: Buffer,
): Promise<GivenUpNotes> {
  const reasons = new Map<string, LedgerBucket>()
  let recordsRead = 0
  for (const end of await endsOfPartition(log, topics, partition)) {
    const from = Math.max(end.low, end.high - MOST_RECORDS)
    if (from >= end.high) continue
    for await (const chunk of log.readRange(end.topic, partition, from, end.high, READ_BYTES)) {
      recordsRead += chunk.count
      for (let i = 0; i < chunk.count; i++) if (isOf(chunk, i, user)) addReason(reasons, chunk, i)
    }
  }
  return { reasons, recordsRead }
}

function isOf(chunk: RawChunk, i: number, user: Buffer): boolean {
  const at = chunk.keyAt[i]
  return chunk.keyLength[i] === user.length && user.compare(chunk.bytes, at, at + user.length) === 0
}

/** Somebody else may have written to the topic: what a node did not write says nothing. */
function addReason(reasons: Map<string, LedgerBucket>, chunk: RawChunk, i: number): void {
  const at = chunk.valueAt[i]
  const text = chunk.bytes.toString('utf8', at, at + Math.max(0, chunk.valueLength[i]))
  try {
    const { topic, offset, reason } = JSON.parse(text) as { topic: string; offset: number; reason: LedgerBucket }
    reasons.set(`${topic}/${offset}`, reason)
  } catch {
    // A tombstone, or no JSON.
  }
}
