/** A consolidated topic read back: each record as its own source's reader reads it, whatever lies between. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { openSourceReader } from '../../src/codec/source.ts'
import type { Source } from '../../src/config/model.ts'
import { CLOCK, ENGAGEMENT, EventBatch, REFUSED, VIEW } from '../../src/join/event.ts'
import { LEFT_OUT, ToldClocks } from '../../src/join/toldClocks.ts'
import { RecordBatchBuilder, type RecordHeader } from '../../src/log/recordBatch/builder.ts'
import { readRecordBatches } from '../../src/log/recordBatch/reader.ts'
import { ConsolidatedReader } from '../../src/repartition/consolidatedReader.ts'
import { CLOCKS, decodeOrigin, encodeClocks, encodeOrigin, ORIGIN, schemaNames } from '../../src/repartition/origin.ts'
import { rulesOf } from '../support/pureJoin.ts'
import { exactType } from '../support/testSource.ts'

const LIMITS = { inflatedBytes: 1 << 26, recordBytes: 1 << 20, items: 1000, depth: 16, stringBytes: 1 << 16 }
const RULES = rulesOf({
  partitions: 1,
  sources: ['all'],
  basis: 'event',
  outOfOrdernessMs: 0,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 0,
  maxClockSkewMs: null,
  labels: [{ name: 'click', on: 'click', withinMs: 1, fold: 'any', default: 0 }],
})
const VIEW_SCHEMA = {
  type: 'record',
  name: 'V',
  fields: ['id', 'user', 'item'].map((name) => ({ name, type: 'string' })).concat([{ name: 'at', type: 'long' }]),
}
const views: Source = {
  role: 'views',
  topic: 'views',
  format: { type: 'avro', schema: VIEW_SCHEMA, schemaFile: '' },
  fields: { viewId: ['id'], userId: ['user'], itemId: ['item'], time: { path: ['at'] } },
}
const clicks: Source = {
  role: 'engagements',
  topic: 'clicks',
  format: { type: 'json' },
  fields: { userId: ['u'], itemId: ['i'], time: { path: ['t'] }, type: { const: 'click' } },
}

const view = (id: string, at: bigint): Buffer => exactType(VIEW_SCHEMA).toBuffer({ id, user: 'ü', item: `i${id}`, at })
const click = (text: object): Buffer => Buffer.from(JSON.stringify(text))

function chunkOf(records: readonly (readonly [headers: readonly RecordHeader[], value: Buffer | null])[]) {
  const builder = new RecordBatchBuilder({ compression: 'lz4' })
  for (const [headers, value] of records) builder.add(5, null, 0, -1, value, 0, value?.length ?? -1, headers)
  const { bytes } = builder.finish()
  const options = { topic: 'all', partition: 0, fromOffset: 0, highWatermark: 9, maxInflatedBytes: 1 << 20 }
  return readRecordBatches(bytes, options)
}

const from = (source: Source, offset: number): RecordHeader[] => {
  const name = schemaNames(source.format)(chunkOf([[[], null]]), 0)
  return [[ORIGIN, encodeOrigin({ topic: source.topic, partition: 1, offset }, name)]]
}

async function reader(): Promise<ConsolidatedReader> {
  const inner = await Promise.all([views, clicks].map((source) => openSourceReader(source, LIMITS)))
  return new ConsolidatedReader(['views', 'clicks'], inner)
}

test('events of several sources and formats, clocks and what is of no source, each in its place', async () => {
  const told = [
    { name: 'views 0', clockMs: 17 },
    { name: 'clicks 1', clockMs: LEFT_OUT },
  ]
  const chunk = chunkOf([
    [from(clicks, 3), click({ u: 'a', i: 'x', t: 9 })],
    [from(views, 7), view('v1', 11n)],
    [[[CLOCKS, Buffer.alloc(0)]], encodeClocks(told)],
    [from(views, 8), Buffer.from([1])],
    [[], view('v2', 12n)],
    [from(clicks, 4), click({ u: 'b', i: 'y', t: 10 })],
    [[[CLOCKS, Buffer.alloc(0)]], Buffer.from('views 0 soon')],
    [[[ORIGIN, Buffer.from('elsewhere 0 1 json')]], click({})],
  ])
  const batch = new EventBatch()
  const consolidated = await reader()
  expect(consolidated.prepare(chunk)).toBeUndefined()
  // Twice: nothing of the first reading is left in the second.
  for (let times = 0; times < 2; times++) consolidated.read(chunk, batch)
  const text = (at: Int32Array, length: Int32Array, i: number) => batch.text.toString('utf8', at[i], at[i] + length[i])
  expect([...batch.kind.subarray(0, chunk.count)]).toEqual([
    ENGAGEMENT,
    VIEW,
    CLOCK,
    REFUSED,
    REFUSED,
    ENGAGEMENT,
    REFUSED,
    REFUSED,
  ])
  expect([0, 1, 5].map((i) => text(batch.userAt, batch.userLength, i))).toEqual(['a', 'ü', 'b'])
  expect([0, 1, 5].map((i) => text(batch.itemAt, batch.itemLength, i))).toEqual(['x', 'iv1', 'y'])
  expect([0, 1, 5].map((i) => batch.timeMs[i])).toEqual([9, 11, 10])
  expect(text(batch.viewIdAt, batch.viewIdLength, 1)).toBe('v1')
  expect(batch.told.get(2)).toEqual(told)
  expect(batch.refusals.get(4)).toContain('of no source')
  expect(batch.refusals.get(6)).toBe('its clocks cannot be read')
  expect(batch.refusals.get(7)).toContain('of no source')
  const payload = batch.payload.subarray(batch.payloadAt[1], batch.payloadAt[1] + batch.payloadLength[1])
  expect(payload.equals(view('v1', 11n))).toBe(true)
  expect(consolidated.toJson(payload, batch.writer[1])).toMatchObject({ id: 'v1', user: 'ü' })
  expect(consolidated.schemaOf(batch.writer[1])).toEqual(VIEW_SCHEMA)
  expect(consolidated.schemaOf(batch.writer[0])).toBeNull()
})

test('a topic that is no source any more holds no clock back, and a partition that a source was given does', async () => {
  const names = ['views 0', 'clicks 0']
  const records = [
    [{ name: 'taps 0', clockMs: 5 }],
    [
      { name: 'views 0', clockMs: 40 },
      { name: 'taps 0', clockMs: 5 },
      { name: 'clicks 0', clockMs: 30 },
    ],
    [{ name: 'clicks 1', clockMs: 20 }],
    [{ name: 'clicks 0', clockMs: 50 }],
  ]
  const chunk = chunkOf(records.map((told) => [[[CLOCKS, Buffer.alloc(0)]], encodeClocks(told)]))
  const batch = new EventBatch()
  const consolidated = await reader()
  consolidated.read(chunk, batch)
  expect([...batch.kind.subarray(0, chunk.count)]).toEqual([CLOCK, CLOCK, CLOCK, CLOCK])
  const clocks = new ToldClocks(RULES, names)
  const watermarks = records.map((_, i) => {
    clocks.tell(batch.told.get(i)!)
    return clocks.watermarkMs
  })
  expect(watermarks).toEqual([Number.NEGATIVE_INFINITY, 30, 30, 30])
  expect(clocks.slowest()).toEqual([['clicks 1', 20]])
})

test('an engagement is kept with where it came from, and read as if it were not', async () => {
  // A value that ends as the header begins, and one that looks as if it had one.
  const tricky = click({ u: 'a', i: 'x', t: 9, more: '\x02\x0corigin' })
  const chunk = chunkOf([
    [from(clicks, 3), tricky],
    [from(views, 7), view('\x02\x0corigin', 11n)],
  ])
  const batch = new EventBatch()
  const consolidated = await reader()
  consolidated.read(chunk, batch)
  const payloads = [0, 1].map((i) =>
    batch.payload.subarray(batch.payloadAt[i], batch.payloadAt[i] + batch.payloadLength[i]),
  )
  const [split, bare] = payloads.map((payload) => consolidated.origins.ofPayload(payload))
  expect(split.value.equals(tricky)).toBe(true)
  expect(split.place).toEqual({ topic: 'clicks', partition: 1, offset: 3 })
  expect(consolidated.toJson(payloads[0], batch.writer[0])).toMatchObject({ u: 'a', more: '\x02\x0corigin' })
  expect(payloads[1].equals(view('\x02\x0corigin', 11n))).toBe(true)
  expect(bare).toEqual({ value: payloads[1], place: undefined })
  expect(consolidated.toJson(payloads[1], batch.writer[1])).toMatchObject({ id: '\x02\x0corigin' })
  expect(consolidated.origins.ofRecord(chunk, 1)).toEqual({ topic: 'views', partition: 1, offset: 7 })
})

test('records that their readers encode anew are kept as those, beside what lies in the chunk', async () => {
  const declared: Source = { ...views, topic: 'declared', format: { type: 'json', schema: VIEW_SCHEMA } }
  const clickSchema = {
    type: 'record',
    name: 'C',
    fields: ['u', 'i'].map((name) => ({ name, type: 'string' })).concat([{ name: 't', type: 'long' }]),
  }
  const taps: Source = { ...clicks, topic: 'taps', format: { type: 'json', schema: clickSchema } }
  const sources = [views, clicks, declared, taps]
  const inner = await Promise.all(sources.map((source) => openSourceReader(source, LIMITS)))
  const consolidated = new ConsolidatedReader(
    sources.map(({ topic }) => topic),
    inner,
  )
  const json = (id: string) => Buffer.from(JSON.stringify({ at: 12, item: `i${id}`, user: 'ü', id }))
  const chunk = chunkOf([
    [from(taps, 1), click({ t: 9, u: 'a', i: 'x' })],
    [from(views, 2), view('v1', 11n)],
    [from(declared, 3), json('v2')],
    [from(declared, 4), click({ id: 'no record' })],
    [from(clicks, 5), click({ u: 'b', i: 'y', t: 10 })],
    [from(declared, 6), json('v3'.repeat(300))],
    [from(taps, 7), click({ t: 13, u: 'c', i: 'z' })],
  ])
  const batch = new EventBatch()
  for (let times = 0; times < 2; times++) consolidated.read(chunk, batch)
  const kept = (i: number) => {
    const payload = batch.payload.subarray(batch.payloadAt[i], batch.payloadAt[i] + batch.payloadLength[i])
    const { value, place } = consolidated.origins.ofPayload(payload)
    return { value, record: consolidated.toJson(payload, batch.writer[i]), offset: place?.offset }
  }
  expect(batch.refusals.has(3)).toBe(true)
  expect(kept(0)).toMatchObject({ record: { u: 'a', i: 'x', t: 9 }, offset: 1 })
  expect(kept(1)).toEqual({ value: view('v1', 11n), record: { id: 'v1', user: 'ü', item: 'iv1', at: 11 } })
  expect(kept(2)).toEqual({ value: view('v2', 12n), record: { id: 'v2', user: 'ü', item: 'iv2', at: 12 } })
  expect(kept(4)).toMatchObject({ record: { u: 'b', i: 'y', t: 10 }, offset: 5 })
  expect(kept(5).value).toEqual(view('v3'.repeat(300), 12n))
  expect(kept(6)).toMatchObject({ record: { u: 'c', i: 'z', t: 13 }, offset: 7 })
})

test('an origin says where a record came from', () => {
  const origin = { topic: 'some.topic-1', partition: 12, offset: 2 ** 53 - 1 }
  expect(decodeOrigin(encodeOrigin(origin, 'json'))).toEqual(origin)
  // As those before wrote it, whose word named no schema.
  expect(decodeOrigin(Buffer.from('views 3 17 avro'))).toEqual({ topic: 'views', partition: 3, offset: 17 })
  expect(decodeOrigin(Buffer.from('nonsense'))).toBeUndefined()
})

test('an origin names the schema: of a file by its fingerprint, of a registry by its id', () => {
  const wire = (id: number): Buffer => Buffer.from([0, 0, 0, 1, id, 7])
  const values = [wire(2), wire(9), Buffer.from('none')]
  const chunk = chunkOf(values.map((value) => [[], value]))
  const namesOf = (format: Source['format']): string[] => values.map((_, i) => schemaNames(format)(chunk, i))
  expect(namesOf({ type: 'json' })).toEqual(['json', 'json', 'json'])
  const registry = { url: 'http://localhost' }
  expect(namesOf({ type: 'avro', registry })).toEqual(['registry:258', 'registry:265', 'registry'])
  // The parsing canonical form of Avro's specification.
  const fields = [...['id', 'user', 'item'].map((name) => ({ name, type: 'string' })), { name: 'at', type: 'long' }]
  const form = JSON.stringify({ name: 'V', type: 'record', fields })
  const name = `avro:${createHash('sha256').update(form).digest('hex').slice(0, 16)}`
  for (const schema of [VIEW_SCHEMA, { ...VIEW_SCHEMA, doc: 'what changes no byte' }]) {
    expect(namesOf({ type: 'avro', schema, schemaFile: '' })).toEqual([name, name, name])
  }
})
