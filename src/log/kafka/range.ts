/**
 * Reads [from, to) of one partition outside any group, one fetch ahead of its reader.
 *
 * Invariants: chunks ascend and together cover the range; the last ends at `to` exactly, also where what lies before it
 * is no record (control batches, aborted transactions). At most two fetches are held.
 *
 * How it fails: OUT_OF_RANGE with what is missing, where the log begins after `from` or ends before `to`; FAILED where it
 * does not move for STALL_MS (an open transaction below `to`).
 */
import type { RawChunk } from '../chunk.ts'
import { LogError } from '../port.ts'
import { type Decode, decodeKafkaJs, decodeOwn } from './decode.ts'
import { dropFrame } from './frames.ts'
import type { Lookup } from './lookup.ts'
import { rangeError } from './reader.ts'

const STALL_MS = 30_000

export interface Range {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
  readonly maxInflatedBytes: number
  readonly decode: Decode
  readonly fetchBytes?: number
}

export async function* readRange(lookup: Lookup, range: Range): AsyncGenerator<RawChunk> {
  if (range.from >= range.to) return
  let next: Promise<RawChunk> | null = fetchSome(lookup, range, range.from)
  while (next !== null) {
    const chunk: RawChunk = await next
    next = chunk.nextOffset < range.to ? fetchSome(lookup, range, chunk.nextOffset) : null
    // Where the reader stops here, nobody waits for the fetch ahead.
    next?.catch(() => {})
    yield cutAt(chunk, range.to)
  }
}

/** Some records from `from` on: at least the position moves. */
async function fetchSome(lookup: Lookup, range: Range, from: number): Promise<RawChunk> {
  const { topic, partition, maxInflatedBytes } = range
  const deadlineMs = performance.now() + STALL_MS
  for (;;) {
    const fetched = await lookup
      .fetch(topic, partition, from, range.fetchBytes)
      .catch((error) => explain(lookup, range, from, error))
    const highWatermark = Number(fetched.highWatermark)
    if (range.to > highWatermark) throw rangeError(topic, partition, range.to, 0, highWatermark)
    const [message] = fetched.messages
    if (message !== undefined) {
      const aborted = fetched.abortedTransactions ?? []
      const parts = { topic, partition, raw: message.raw, from, highWatermark, maxInflatedBytes, aborted }
      const chunk = range.decode === 'own' ? decodeOwn(parts) : await decodeKafkaJs(parts, Number(message.offset))
      dropFrame(message.raw)
      if (chunk.nextOffset > from) return chunk
    }
    if (performance.now() > deadlineMs) {
      throw new LogError(
        'FAILED',
        `${topic}/${partition} gives nothing at ${from}, below its end ${highWatermark}: is a transaction open there?`,
      )
    }
  }
}

async function explain(lookup: Lookup, { topic, partition }: Range, from: number, error: unknown): Promise<never> {
  if (!(error instanceof LogError) || error.code !== 'OUT_OF_RANGE') throw error
  const end = (await lookup.ends([topic], 'led')).find((each) => each.partition === partition)
  throw end === undefined ? error : rangeError(topic, partition, from, end.low, end.high)
}

function cutAt(chunk: RawChunk, to: number): RawChunk {
  if (chunk.nextOffset <= to) return chunk
  let count = chunk.count
  while (count > 0 && chunk.offset[count - 1] >= to) count--
  return { ...chunk, count, nextOffset: to }
}
