/** What reading events and encoding samples cost, on views and engagements of the anchor workload's shape. */
import avro from 'avsc'
import { newByteBuffer } from '../src/codec/byteBuffer.ts'
import type { SampleRow } from '../src/codec/port.ts'
import { openSampleEncoder } from '../src/codec/sample.ts'
import { openSourceReader } from '../src/codec/source.ts'
import type { Pipeline, Source } from '../src/config/model.ts'
import { EventBatch } from '../src/join/event.ts'
import type { RawChunk } from '../src/log/chunk.ts'

const EVENTS = 10_000
const ROUNDS = 200
const limits = { inflatedBytes: 1 << 26, recordBytes: 1 << 20, items: 100_000, depth: 64, stringBytes: 1 << 20 }

const instant = { type: 'long', logicalType: 'timestamp-millis' }
const ids = ['view_id', 'user_id', 'item_id'].map((name) => ({ name, type: 'long' }))
const viewSchema = {
  type: 'record',
  name: 'View',
  namespace: 'bench',
  fields: [
    ...ids,
    { name: 'event_time', type: instant },
    { name: 'position', type: 'int' },
    ...['surface', 'device', 'session_id', 'country'].map((name) => ({ name, type: 'string' })),
    { name: 'scores', type: { type: 'array', items: 'float' } },
  ],
}
const engagementSchema = {
  type: 'record',
  name: 'Engagement',
  namespace: 'bench',
  fields: [
    ...ids,
    { name: 'event_time', type: instant },
    { name: 'type', type: { type: 'enum', name: 'EngagementType', symbols: ['click', 'like', 'share', 'watch'] } },
    { name: 'value', type: 'double' },
  ],
}

function chunkOf(values: readonly Buffer[]): RawChunk {
  const count = values.length
  const column = () => new Int32Array(count)
  const chunk = {
    topic: 'bench',
    partition: 0,
    highWatermark: count,
    nextOffset: count,
    count,
    bytes: Buffer.concat(values),
    offset: Float64Array.from({ length: count }, (_, k) => k),
    stampMs: new Float64Array(count),
    keyAt: column(),
    keyLength: column().fill(-1),
    valueAt: column(),
    valueLength: column(),
    headersAt: column(),
    headersLength: column(),
  }
  let at = 0
  for (let k = 0; k < count; k++) {
    chunk.valueAt[k] = at
    chunk.valueLength[k] = values[k].length
    at += values[k].length
  }
  return chunk
}

const view = (k: number, id: number) => ({
  view_id: id,
  user_id: 1_000_000 + k,
  item_id: 5_000_000 + k * 7,
  event_time: 1_700_000_000_000 + k,
  position: k % 50,
  surface: 'feed',
  device: 'android-13',
  session_id: `s-${k}-abcdefghijklmnop`,
  country: 'DE',
  scores: [0.5, 0.25, 0.125, 0.75],
})
const engagement = (k: number) => ({
  view_id: k,
  user_id: 1_000_000 + k,
  item_id: 5_000_000 + k * 7,
  event_time: 1_700_000_000_000 + k,
  type: ['click', 'like', 'share', 'watch'][k % 4],
  value: k,
})

/** CPU time, which other work on the machine does not stretch. */
function time(what: string, events: number, run: () => void): void {
  for (let k = 0; k < 20; k++) run()
  const before = process.cpuUsage()
  for (let k = 0; k < ROUNDS; k++) run()
  const { user, system } = process.cpuUsage(before)
  console.log(`${what}: ${(((user + system) * 1000) / (events * ROUNDS)).toFixed(0)} ns`)
}

function makeSource(role: Source['role'], format: Source['format']): Source {
  const ids = { viewId: ['view_id'], userId: ['user_id'], itemId: ['item_id'], time: { path: ['event_time'] } }
  const fields = role === 'views' ? ids : { ...ids, type: { path: ['type'] }, value: ['value'] }
  return { role, topic: role, format, fields }
}

async function benchSource(source: Source, what: string, values: readonly Buffer[]): Promise<EventBatch> {
  const reader = await openSourceReader(source, limits)
  const chunk = chunkOf(values)
  const batch = new EventBatch()
  time(what, EVENTS, () => reader.read(chunk, batch))
  if (batch.refusals.size > 0) throw new Error([...batch.refusals.values()][0])
  return batch
}

const indices = Array.from({ length: EVENTS }, (_, k) => k)
const viewType = avro.Type.forSchema(viewSchema as avro.Schema)
const engagementType = avro.Type.forSchema(engagementSchema as avro.Schema)
const avroViews = makeSource('views', { type: 'avro', schema: viewSchema, schemaFile: '' })
const jsonViews = makeSource('views', { type: 'json' })
const declaredViews = makeSource('views', { type: 'json', schema: viewSchema })
const avroEngagements = makeSource('engagements', { type: 'avro', schema: engagementSchema, schemaFile: '' })

const views = indices.map((k) => viewType.toBuffer(view(k, k)))
console.log(`a view has ${views[0].length} bytes`)
const batch = await benchSource(avroViews, 'avro view', views)
await benchSource(
  avroViews,
  'avro view, 16-digit ids',
  indices.map((k) => viewType.toBuffer(view(k, 7_000_000_000_000_000 + k))),
)
await benchSource(
  avroEngagements,
  'avro engagement',
  indices.map((k) => engagementType.toBuffer(engagement(k))),
)
const texts = indices.map((k) => Buffer.from(JSON.stringify(view(k, k))))
console.log(`a JSON view has ${texts[0].length} bytes`)
await benchSource(jsonViews, 'json view', texts)
await benchSource(declaredViews, 'json view with a schema', texts)

const pipeline = {
  sources: [avroViews, avroEngagements],
  labels: [
    { name: 'click', on: 'click', withinMs: 1, fold: 'any', default: 0 },
    { name: 'like', on: 'like', withinMs: 1, fold: 'any', default: 0 },
    { name: 'share', on: 'share', withinMs: 1, fold: 'any', default: 0 },
    { name: 'watch_ms', on: 'watch', withinMs: 1, fold: 'max', default: 0 },
  ],
} as unknown as Pipeline
const encoder = await openSampleEncoder(pipeline, { type: 'avro' }, await openSourceReader(avroViews, limits), limits)
const out = newByteBuffer()
const row: SampleRow = {
  bytes: batch.text,
  idAt: 0,
  idLength: 0,
  userAt: 0,
  userLength: 0,
  itemAt: 0,
  itemLength: 0,
  timeMs: 0,
  late: false,
  revision: 0,
  weight: 1,
  payload: batch.payload,
  payloadAt: 0,
  payloadLength: 0,
  writer: 0,
  labels: Float64Array.of(1, 0, 0, 1234),
  delays: Float64Array.of(1000, Number.NaN, Number.NaN, 70_000),
  labelsAt: 0,
}
await encoder.prepare(row)
time('avro sample', EVENTS, () => {
  out.end = 0
  for (let k = 0; k < EVENTS; k++) {
    row.idAt = batch.viewIdAt[k]
    row.idLength = batch.viewIdLength[k]
    row.userAt = batch.userAt[k]
    row.userLength = batch.userLength[k]
    row.itemAt = batch.itemAt[k]
    row.itemLength = batch.itemLength[k]
    row.timeMs = batch.timeMs[k]
    row.payloadAt = batch.payloadAt[k]
    row.payloadLength = batch.payloadLength[k]
    encoder.encode(row, out)
  }
})
