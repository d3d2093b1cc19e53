import avro from 'avsc'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { avscType } from '../../src/codec/avro/transcode.ts'
import { newByteBuffer } from '../../src/codec/byteBuffer.ts'
import type { SampleEncoder, SourceReader } from '../../src/codec/port.ts'
import { decodeSample, openSampleEncoder, type SampleEncoderOptions, sampleSchema } from '../../src/codec/sample.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import type { AvroSchema, FieldMap, Format, Label, Pipeline, SampleFormat } from '../../src/config/model.ts'
import { FakeRegistry, wire } from './fakeRegistry.ts'
import { type RowOptions, rowOf } from './rows.ts'
import { accepted, avroFormat, LIMITS, label, pipelineOf, readOne, record, VIEW_FIELDS, viewSource } from './support.ts'

const labels = [label('click'), label('count', 'count', null), label('watch', 'max', null), label('total', 'sum')]
const view = record('View', {
  view_id: 'long',
  user_id: 'long',
  item_id: 'string',
  at: 'long',
  scores: { type: 'array', items: 'float' },
})
const viewValue = { view_id: 1n, user_id: 9_007_199_254_740_993n, item_id: 'i"1', at: 5n, scores: [0.5, 0.25] }

interface Opened {
  readonly pipeline: Pipeline
  readonly reader: SourceReader
  readonly encoder: SampleEncoder
}

async function open(
  format: Format,
  to: SampleFormat = { type: 'avro' },
  options: SampleEncoderOptions = {},
  fields: FieldMap = VIEW_FIELDS,
  with_: readonly Label[] = labels,
): Promise<Opened> {
  const pipeline = pipelineOf(viewSource(format, fields), with_)
  const reader = await openSourceReader(pipeline.sources[0], LIMITS)
  return { pipeline, reader, encoder: await openSampleEncoder(pipeline, to, reader, LIMITS, options) }
}

async function encode({ reader, encoder }: Opened, value: Buffer, options: RowOptions): Promise<Buffer> {
  const event = accepted(await readOne(reader, value))
  const row = rowOf(event, options)
  await encoder.prepare(row)
  expect(encoder.prepare(row)).toBeUndefined()
  const out = newByteBuffer(1)
  out.end = 1
  encoder.encode(row, out)
  return Buffer.from(out.buffer.subarray(1, out.end))
}

const folded = {
  labels: [1, Number.NaN, 2.5, -3],
  delays: [0, Number.NaN, 70_000, 2 ** 40],
  late: true,
  revision: 2,
  weight: 1.5,
}
const nothing = { labels: [0, 7, Number.NaN, 0], delays: Array(4).fill(Number.NaN) }

describe('Avro samples', () => {
  test('are the bytes that avsc writes of the same object', async () => {
    const opened = await open(avroFormat(view))
    const type = avscType(opened.encoder.schema as AvroSchema)
    const bytes = avscType(view).toBuffer(viewValue)
    const expected = {
      sample_id: '1',
      user_id: viewValue.user_id,
      item_id: 'i"1',
      view_time: 5n,
      labels: { click: 1, count: null, watch: { double: 2.5 }, total: -3 },
      delays_ms: { click: { long: 0n }, count: null, watch: { long: 70_000n }, total: { long: 2n ** 40n } },
      late_view: true,
      revision: 2,
      weight: 1.5,
      view: viewValue,
    }
    expect(await encode(opened, bytes, folded)).toEqual(type.toBuffer(expected))
    const zero = { ...expected, late_view: false, revision: 0, weight: 1 }
    const none = {
      labels: { click: 0, count: { int: 7 }, watch: null, total: 0 },
      delays_ms: { click: null, count: null, watch: null, total: null },
    }
    expect(await encode(opened, bytes, nothing)).toEqual(type.toBuffer({ ...zero, ...none }))
  })

  test.each<[unknown, unknown, unknown]>([
    ['int', -5, -5],
    ['long', 2n ** 63n - 1n, '9223372036854775807'],
    ['string', 'ü', 'ü'],
    [['null', 'long'], { long: -(2n ** 63n) }, '-9223372036854775808'],
    [['string', 'null'], { string: '' }, ''],
    [{ type: 'string', logicalType: 'uuid' }, 'f81d4fae', 'f81d4fae'],
    [{ type: 'enum', name: 'Who', symbols: ['me', 'you'] }, 'you', 'you'],
    [['null', { type: 'enum', name: 'Who', symbols: ['me', 'you'] }], { Who: 'you' }, 'you'],
  ])('have a user id of %j as the source has it', async (type, user, plain) => {
    const schema = record('View', { user_id: type, item_id: 'int', at: 'long' })
    const opened = await open(avroFormat(schema), undefined, {}, { ...VIEW_FIELDS, viewId: undefined })
    const bytes = await encode(opened, avscType(schema).toBuffer({ user_id: user, item_id: 3, at: 0n }), nothing)
    expect(decodeSample(opened.encoder.schema as AvroSchema, bytes)).toMatchObject({
      user_id: plain,
      item_id: 3,
      view: { user_id: plain },
    })
    expect(() => avro.Type.forSchema(opened.encoder.schema as avro.Schema)).not.toThrow()
  })

  test('take ids from nested records, with the type that they have there', async () => {
    const schema = record('View', {
      meta: ['null', record('Meta', { user: ['null', 'long'] })],
      item_id: 'string',
      at: 'long',
    })
    const fields = { ...VIEW_FIELDS, viewId: undefined, userId: ['meta', 'user'] }
    const opened = await open(avroFormat(schema), undefined, {}, fields)
    const value = avscType(schema).toBuffer({ meta: { Meta: { user: { long: 7n } } }, item_id: 'i', at: 0n })
    const bytes = await encode(opened, value, nothing)
    expect(decodeSample(opened.encoder.schema as AvroSchema, bytes)).toMatchObject({
      user_id: 7,
      view: { meta: { user: 7 } },
    })
  })

  test('of JSON views hold their text as it came, or the record that their schema declares', async () => {
    const text = Buffer.from('{ "view_id":1,"user_id":2,"item_id":"i",\n"at":3 }')
    const plain = await open({ type: 'json' })
    expect(decodeSample(plain.encoder.schema as AvroSchema, await encode(plain, text, folded))).toMatchObject({
      user_id: '2',
      item_id: 'i',
      view_time: 3,
      view: text.toString(),
    })
    const schema = record('View', { view_id: 'long', user_id: 'long', item_id: 'string', at: 'long' })
    const declared = await open({ type: 'json', schema })
    expect(decodeSample(declared.encoder.schema as AvroSchema, await encode(declared, text, folded))).toMatchObject({
      user_id: 2,
      view: { view_id: 1, user_id: 2, item_id: 'i', at: 3 },
    })
  })

  test('of a pipeline without labels have empty records', async () => {
    const opened = await open(avroFormat(view), undefined, {}, VIEW_FIELDS, [])
    const bytes = await encode(opened, avscType(view).toBuffer(viewValue), { labels: [], delays: [] })
    expect(decodeSample(opened.encoder.schema as AvroSchema, bytes)).toMatchObject({ labels: {}, delays_ms: {} })
  })
})

describe("the sample's schema", () => {
  const names = (schema: AvroSchema) => {
    const { name, namespace, fields } = schema as {
      name: string
      namespace?: string
      fields: { type: { name: string } }[]
    }
    return { name, namespace, labels: fields[4].type.name, delays: fields[5].type.name }
  }
  const derive = (schema: AvroSchema, name?: string) =>
    sampleSchema(pipelineOf(viewSource(avroFormat(schema)), labels), schema, name)

  test('has a namespace where the view has one', () => {
    const spaced = { ...(view as object), namespace: 'shop' }
    expect(names(derive(spaced))).toEqual({
      name: 'Sample',
      namespace: 'postview',
      labels: 'SampleLabels',
      delays: 'SampleDelays',
    })
    expect(names(derive(view, 'Row'))).toEqual({
      name: 'Row',
      namespace: undefined,
      labels: 'RowLabels',
      delays: 'RowDelays',
    })
  })

  test('keeps the names of the view, wherever they are declared', () => {
    const clash = { ...(view as { fields: object[] }), name: 'Sample', namespace: 'postview' }
    const nested = { ...clash, fields: [...clash.fields, { name: 'more', type: record('SampleLabels', { a: 'int' }) }] }
    const schema = derive(nested)
    expect(names(schema)).toEqual({
      name: 'Sample_',
      namespace: 'postview',
      labels: 'SampleLabels_',
      delays: 'SampleDelays',
    })
    const type = avro.Type.forSchema(schema as avro.Schema) as avro.types.RecordType
    expect((type.field('view').type as avro.types.RecordType).name).toBe('postview.Sample')
    const bare = avro.Type.forSchema(derive(view) as avro.Schema) as avro.types.RecordType
    expect((bare.field('view').type as avro.types.RecordType).name).toBe('View')
  })

  test('has the types of the labels, and the view as it is', () => {
    const { fields } = derive(view) as { fields: { name: string; type: { fields: object[] } }[] }
    expect(fields.map((field) => field.name)).toEqual([
      'sample_id',
      'user_id',
      'item_id',
      'view_time',
      'labels',
      'delays_ms',
      'late_view',
      'revision',
      'weight',
      'view',
    ])
    expect(fields[4].type.fields).toEqual([
      { name: 'click', type: 'int' },
      { name: 'count', type: ['null', 'int'], default: null },
      { name: 'watch', type: ['null', 'double'], default: null },
      { name: 'total', type: 'double' },
    ])
    expect(fields[9].type).toBe(view)
  })
})

describe('several writers', () => {
  const older = record('View', { view_id: 'long', user_id: 'long', item_id: 'string', at: 'long' })
  const newer = {
    ...(older as { fields: object[] }),
    fields: [...(older as { fields: object[] }).fields, { name: 'position', type: 'int', default: -1 }],
  } as AvroSchema
  const old = avscType(older).toBuffer({ view_id: 1n, user_id: 2n ** 60n, item_id: 'i', at: 3n })
  const young = avscType(newer).toBuffer({ view_id: 1n, user_id: 2n, item_id: 'i', at: 3n, position: 4 })
  let server: FakeRegistry
  beforeEach(async () => {
    server = new FakeRegistry()
    await server.start()
    server.set(1, older)
    server.set(2, newer)
    server.addVersion('views-value', JSON.stringify(newer))
  })
  afterEach(() => server.stop())
  const format = (): Format => ({ type: 'avro', registry: { url: server.url } })

  test('in wire format have a sample schema each, and their bytes as they came', async () => {
    const opened = await open(format(), { type: 'avro', registry: { url: server.url } }, { topic: 'samples' })
    const samples = [
      await encode(opened, wire(1, old), nothing),
      await encode(opened, wire(2, young), nothing),
      await encode(opened, wire(1, old), nothing),
    ]
    expect(samples[2]).toEqual(samples[0])
    const registered = new Map(server.registered('samples-value'))
    expect(registered.size).toBe(2)
    const [a, b] = samples.map((sample) => {
      expect(sample[0]).toBe(0)
      return decodeSample(registered.get(sample.readInt32BE(1)) as AvroSchema, sample.subarray(5))
    })
    expect(a.view).toEqual({ view_id: 1, user_id: '1152921504606846976', item_id: 'i', at: 3 })
    expect(b.view).toEqual({ view_id: 1, user_id: 2, item_id: 'i', at: 3, position: 4 })
    expect(samples[0].subarray(-old.length)).toEqual(old)
    expect(opened.encoder.transcoded).toBe(0)
    expect(server.requests.filter((request) => request.startsWith('POST'))).toHaveLength(2)
  })

  test("without it are rewritten to the pipeline's schema, and counted", async () => {
    const opened = await open(format())
    const schema = opened.encoder.schema as AvroSchema
    const a = decodeSample(schema, await encode(opened, wire(1, old), nothing))
    expect(opened.encoder.transcoded).toBe(1)
    const b = decodeSample(schema, await encode(opened, wire(2, young), nothing))
    expect(opened.encoder.transcoded).toBe(1)
    expect(a.view).toEqual({ view_id: 1, user_id: '1152921504606846976', item_id: 'i', at: 3, position: -1 })
    expect(a.user_id).toBe('1152921504606846976')
    expect(b.view).toMatchObject({ position: 4 })
  })

  test("that cannot be read with the pipeline's schema are refused with both names, and no others", async () => {
    server.set(3, record('View', { view_id: 'long', user_id: 'string', item_id: 'string', at: 'long' }))
    const opened = await open(format())
    const value = wire(
      3,
      avscType(record('View', { view_id: 'long', user_id: 'string', item_id: 'string', at: 'long' })).toBuffer({
        view_id: 1n,
        user_id: 'u',
        item_id: 'i',
        at: 3n,
      }),
    )
    await expect(encode(opened, value, nothing)).rejects.toMatchObject({
      reason: expect.stringMatching(/^views of schema View cannot be read with the pipeline's schema View: ./),
    })
    const good = decodeSample(opened.encoder.schema as AvroSchema, await encode(opened, wire(2, young), nothing))
    expect(good.view).toMatchObject({ position: 4 })
  })

  test('of an Avro file or JSON in wire format have the one sample schema', async () => {
    const to = { type: 'avro', registry: { url: server.url } } as const
    const opened = await open(avroFormat(newer), to, { topic: 'samples' })
    const sample = await encode(opened, young, nothing)
    expect(server.registered('samples-value')).toEqual([[sample.readInt32BE(1), opened.encoder.schema]])
    const json = await open({ type: 'json' }, to, { topic: 'json' })
    const text = await encode(json, Buffer.from('{"user_id":2,"item_id":"i","at":3}'), nothing)
    expect(decodeSample(server.registered('json-value')[0][1], text.subarray(5)).view).toBe(
      '{"user_id":2,"item_id":"i","at":3}',
    )
    await expect(open({ type: 'json' }, to)).rejects.toThrow('need a topic')
  })

  test('that cannot be registered make the row wait, and it is encoded later', async () => {
    const opened = await open(format(), { type: 'avro', registry: { url: server.url } }, { topic: 'samples' })
    const row = rowOf(accepted(await readOne(opened.reader, wire(1, old))), nothing)
    server.fault = (_, response) => {
      response.writeHead(500).end()
      return true
    }
    await expect(opened.encoder.prepare(row)).rejects.toThrow('the schema registry answered 500')
    expect(() => opened.encoder.encode(row, newByteBuffer())).toThrow('was not prepared')
    server.fault = undefined
    await opened.encoder.prepare(row)
    opened.encoder.encode(row, newByteBuffer())
  })
})

describe('JSON samples', () => {
  const common = {
    sample_id: '1',
    view_time: 5,
    labels: { click: 1, count: null, watch: 2.5, total: -3 },
    delays_ms: { click: 0, count: null, watch: 70_000, total: 2 ** 40 },
    late_view: true,
    revision: 2,
    weight: 1.5,
  }

  test('of Avro views have them in Avro JSON without wrappers, with exact integers', async () => {
    const schema = record('View', {
      view_id: 'long',
      user_id: 'long',
      item_id: 'string',
      at: 'long',
      raw: 'bytes',
      maybe: ['null', 'string'],
      nan: 'double',
    })
    const opened = await open(avroFormat(schema), { type: 'json' })
    const value = { ...viewValue, raw: Buffer.from([0, 0xff, 0x22]), maybe: { string: 'line\n' }, nan: Number.NaN }
    const text = (await encode(opened, avscType(schema).toBuffer(value), folded)).toString()
    expect(text).toContain('"user_id":9007199254740993,')
    expect(text).not.toContain('\n')
    const json = JSON.parse(text)
    expect(Object.keys(json)).toEqual([
      'sample_id',
      'user_id',
      'item_id',
      'view_time',
      'labels',
      'delays_ms',
      'late_view',
      'revision',
      'weight',
      'view',
    ])
    expect(json).toMatchObject({ ...common, item_id: 'i"1' })
    expect(json.view).toEqual({
      view_id: 1,
      user_id: Number('9007199254740993'),
      item_id: 'i"1',
      at: 5,
      raw: '\u0000\u00ff"',
      maybe: 'line\n',
      nan: 'NaN',
    })
  })

  test('of JSON views have their text, on one line, and ids as they were', async () => {
    const opened = await open({ type: 'json' }, { type: 'json' })
    const text = Buffer.from('{"view_id":"1",\r\n "user_id":9223372036854775807, "item_id":"7", "at":5, "s":"a\\nb" }')
    const sample = (await encode(opened, text, folded)).toString()
    expect(sample).toContain('"user_id":9223372036854775807,"item_id":"7"')
    expect(sample).toContain('"view":{"view_id":"1",   "user_id":9223372036854775807')
    expect(sample).not.toMatch(/[\r\n]/)
    expect(JSON.parse(sample)).toMatchObject({ ...common, view: { s: 'a\nb' } })
    expect(opened.encoder.schema).toBeNull()
  })
})
