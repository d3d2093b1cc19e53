/**
 * From the bytes of a fetched partition to a chunk: by our own reader (the default), or by kafkajs's decoder, record by
 * record, into the same columns. The second is the reference that the first is held to, and a way out if it fails.
 */
import type { RawChunk } from '../chunk.ts'
import { LogError } from '../port.ts'
import { InflateError } from '../recordBatch/bounds.ts'
import { readRecordBatches } from '../recordBatch/reader.ts'
import { sizeOfVarint, writeVarint } from '../recordBatch/varint.ts'
import type { AbortedTransaction, FetchedMessage } from './internals.ts'
import { decodeByKafkaJs, filterAborted } from './patch.ts'

export type Decode = 'own' | 'kafkajs'

export interface Fetched {
  readonly topic: string
  readonly partition: number
  readonly raw: Buffer
  /** Records below it are left out. */
  readonly from: number
  readonly highWatermark: number
  readonly maxInflatedBytes: number
  readonly aborted: readonly AbortedTransaction[]
}

export function decodeOwn(fetched: Fetched): RawChunk {
  const { topic, partition, from, highWatermark, maxInflatedBytes } = fetched
  const abortedTransactions = fetched.aborted.map(({ producerId, firstOffset }) => ({
    producerId: BigInt(producerId),
    firstOffset: Number(firstOffset),
  }))
  return readRecordBatches(fetched.raw, {
    topic,
    partition,
    fromOffset: from,
    highWatermark,
    maxInflatedBytes,
    abortedTransactions,
  })
}

export async function decodeKafkaJs(fetched: Fetched, lastOffset: number): Promise<RawChunk> {
  const all = await decodeByKafkaJs(fetched.raw).catch((error: Error) => {
    const code = error instanceof InflateError ? error.code : 'CORRUPT'
    throw new LogError(
      code,
      `topic ${fetched.topic}, partition ${fetched.partition}, from offset ${fetched.from}: ${error.message}`,
    )
  })
  const messages = filterAborted({ messages: all, abortedTransactions: fetched.aborted }).filter(
    ({ offset, isControlRecord }) => !isControlRecord && Number(offset) >= fetched.from,
  )
  const { topic, partition, highWatermark, from } = fetched
  return { topic, partition, highWatermark, nextOffset: Math.max(from, lastOffset + 1), ...columnsOf(messages) }
}

function columnsOf(
  messages: readonly FetchedMessage[],
): Omit<RawChunk, 'topic' | 'partition' | 'highWatermark' | 'nextOffset'> {
  const count = messages.length
  const parts: Buffer[] = []
  let sizeBytes = 0
  const put = (part: Buffer | null, at: Int32Array, length: Int32Array, i: number) => {
    at[i] = sizeBytes
    length[i] = part === null ? -1 : part.length
    if (part === null) return
    parts.push(part)
    sizeBytes += part.length
  }
  const ints = () => new Int32Array(count)
  const columns = {
    keyAt: ints(),
    keyLength: ints(),
    valueAt: ints(),
    valueLength: ints(),
    headersAt: ints(),
    headersLength: ints(),
  }
  const offset = new Float64Array(count)
  const stampMs = new Float64Array(count)
  messages.forEach((message, i) => {
    offset[i] = Number(message.offset)
    stampMs[i] = Number(message.timestamp)
    put(message.key, columns.keyAt, columns.keyLength, i)
    put(message.value, columns.valueAt, columns.valueLength, i)
    put(encodeHeaders(message.headers), columns.headersAt, columns.headersLength, i)
  })
  return { count, bytes: Buffer.concat(parts), offset, stampMs, ...columns }
}

/** As Kafka encodes them; empty where there are none. */
function encodeHeaders(headers: FetchedMessage['headers']): Buffer {
  const entries = Object.entries(headers ?? {}).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  )
  if (entries.length === 0) return Buffer.alloc(0)
  const parts = [varint(entries.length)]
  for (const [name, value] of entries) {
    const key = Buffer.from(name)
    parts.push(varint(key.length), key)
    if (value === undefined || value === null) parts.push(varint(-1))
    else parts.push(varint(Buffer.byteLength(value)), Buffer.from(value))
  }
  return Buffer.concat(parts)
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(sizeOfVarint(value))
  writeVarint(bytes, 0, value)
  return bytes
}
