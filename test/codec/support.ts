/** Chunks, sources and batches for the codec's tests. */
import type { SourceReader } from '../../src/codec/port.ts'
import type { AvroSchema, DecodeLimits, FieldMap, Format, Label, Pipeline, Source } from '../../src/config/model.ts'
import { EventBatch, REFUSED } from '../../src/join/event.ts'
import type { RawChunk } from '../../src/log/chunk.ts'

export const LIMITS: DecodeLimits = {
  inflatedBytes: 1 << 26,
  recordBytes: 1 << 20,
  items: 10_000,
  depth: 32,
  stringBytes: 1 << 16,
}

export const VIEW_FIELDS: FieldMap = {
  viewId: ['view_id'],
  userId: ['user_id'],
  itemId: ['item_id'],
  time: { path: ['at'] },
}

export function chunkOf(values: readonly (Buffer | null)[], topic = 'topic'): RawChunk {
  const count = values.length
  // Bytes around the values: a read beyond a record must not find zeros.
  const parts: Buffer[] = [Buffer.alloc(7, 0xff)]
  const valueAt = new Int32Array(count)
  const valueLength = new Int32Array(count).fill(-1)
  let end = 7
  values.forEach((value, i) => {
    if (value === null) return
    valueAt[i] = end
    valueLength[i] = value.length
    parts.push(value, Buffer.alloc(3, 0xff))
    end += value.length + 3
  })
  const empty = () => new Int32Array(count)
  return {
    topic,
    partition: 0,
    highWatermark: count,
    nextOffset: count,
    count,
    bytes: Buffer.concat(parts),
    offset: Float64Array.from({ length: count }, (_, k) => 100 + k),
    stampMs: Float64Array.from({ length: count }, (_, k) => 1000 + k),
    keyAt: empty(),
    keyLength: empty().fill(-1),
    valueAt,
    valueLength,
    headersAt: empty(),
    headersLength: empty(),
  }
}

export function avroFormat(schema: AvroSchema): Format {
  return { type: 'avro', schema, schemaFile: 'test.avsc' }
}

export function viewSource(format: Format, fields: FieldMap = VIEW_FIELDS): Source {
  return { role: 'views', topic: 'views', format, fields }
}

export function engagementSource(format: Format, fields: FieldMap): Source {
  return { role: 'engagements', topic: 'engagements', format, fields }
}

/** An event as the columns have it. */
export interface Event {
  readonly viewId: string | null
  readonly user: string | null
  readonly item: string | null
  readonly engagementId: string | null
  readonly type: string | null
  readonly timeMs: number
  readonly value: number | null
  readonly payload: Buffer
  readonly writer: number
}

/** An event, or the reason for which it was refused. */
export function eventAt(batch: EventBatch, i: number): Event | string {
  if (batch.kind[i] === REFUSED) return batch.refusals.get(i) ?? 'refused without a reason'
  const text = (at: Int32Array, length: Int32Array) =>
    length[i] < 0 ? null : batch.text.toString('utf8', at[i], at[i] + length[i])
  return {
    viewId: text(batch.viewIdAt, batch.viewIdLength),
    user: text(batch.userAt, batch.userLength),
    item: text(batch.itemAt, batch.itemLength),
    engagementId: text(batch.engagementIdAt, batch.engagementIdLength),
    type: text(batch.typeAt, batch.typeLength),
    timeMs: batch.timeMs[i],
    value: Number.isNaN(batch.value[i]) ? null : batch.value[i],
    payload: Buffer.from(batch.payload.subarray(batch.payloadAt[i], batch.payloadAt[i] + batch.payloadLength[i])),
    writer: batch.writer[i],
  }
}

export async function readAll(reader: SourceReader, values: readonly (Buffer | null)[]): Promise<(Event | string)[]> {
  const chunk = chunkOf(values)
  const batch = new EventBatch()
  await reader.prepare(chunk)
  reader.read(chunk, batch)
  return values.map((_, i) => eventAt(batch, i))
}

export async function readOne(reader: SourceReader, value: Buffer | null): Promise<Event | string> {
  return (await readAll(reader, [value]))[0]
}

export function accepted(event: Event | string): Event {
  if (typeof event === 'string') throw new Error(`refused: ${event}`)
  return event
}

export function pipelineOf(views: Source, labels: readonly Label[]): Pipeline {
  return { name: 'test', sources: [views], labels, limits: LIMITS } as unknown as Pipeline
}

export function label(name: string, fold: Label['fold'] = 'any', value: number | null = 0): Label {
  return { name, on: name, withinMs: 1000, fold, default: value }
}

export function record(name: string, fields: Readonly<Record<string, unknown>>): AvroSchema {
  return { type: 'record', name, fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })) }
}

/** Zig-zag varint of any 64-bit integer. */
export function varint(n: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(n) << 1n) ^ (BigInt(n) >> 63n))
  const bytes: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

export function avroString(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([varint(bytes.length), bytes])
}
