import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { avscType } from '../../../src/codec/avro/transcode.ts'
import { AvroWireSource } from '../../../src/codec/avro/wireSource.ts'
import { ABSENT_MS, RegistryClient } from '../../../src/codec/registry.ts'
import { openSourceReader, viewSchemaOf } from '../../../src/codec/source.ts'
import { EventBatch } from '../../../src/join/event.ts'
import { FakeRegistry, wire } from '../fakeRegistry.ts'
import { accepted, chunkOf, eventAt, LIMITS, readAll, record, VIEW_FIELDS, viewSource } from '../support.ts'

const first = record('View', { view_id: 'long', user_id: 'long', item_id: 'string', at: 'long' })
const second = record('View', {
  extra: 'string',
  at: 'long',
  item_id: 'string',
  user_id: 'string',
  view_id: ['null', 'string'],
})
const one = avscType(first).toBuffer({ view_id: 1n, user_id: 2n, item_id: 'i', at: 3n })
const two = avscType(second).toBuffer({ view_id: null, user_id: 'u', item_id: 'j', at: 4n, extra: 'x' })

let server: FakeRegistry
beforeEach(async () => {
  server = new FakeRegistry()
  await server.start()
  server.set(11, first)
  server.set(12, second)
})
afterEach(() => server.stop())

const open = () => openSourceReader(viewSource({ type: 'avro', registry: { url: server.url } }), LIMITS)

describe('records in wire format', () => {
  test('of several writers on one topic are read, each with its own schema, asked for once', async () => {
    const reader = await open()
    const values = [wire(11, one), wire(12, two), wire(11, one), wire(12, two)]
    const [a, b, c] = await readAll(reader, values)
    expect(a).toMatchObject({ viewId: '1', user: '2', item: 'i', timeMs: 3, writer: 11, payload: one })
    expect(b).toMatchObject({ viewId: null, user: 'u', item: 'j', timeMs: 4, writer: 12, payload: two })
    expect(c).toEqual(a)
    expect(reader.prepare(chunkOf(values))).toBeUndefined()
    expect(server.requests.sort()).toEqual(['GET /schemas/ids/11', 'GET /schemas/ids/12'])
    expect(reader.writers).toEqual([
      { writer: 11, schema: first },
      { writer: 12, schema: second },
    ])
    expect(reader.schemaOf(12)).toEqual(second)
    expect(reader.toJson(accepted(b).payload, 12)).toEqual({
      extra: 'x',
      at: 4,
      item_id: 'j',
      user_id: 'u',
      view_id: null,
    })
  })

  test('of so many made-up ids that some are forgotten are refused all the same: what a chunk needs is there when it is prepared', async () => {
    const registry = { schemaOf: async (id: number) => ({ reason: `no schema ${id}` }) } as unknown as RegistryClient
    const reader = new AvroWireSource(viewSource({ type: 'avro', registry: { url: server.url } }), registry, LIMITS)
    const made = Array.from({ length: 99_999 }, (_, k) => wire(1_000 + k, one))
    await reader.prepare(chunkOf(made))
    // Room for the others is made by forgetting, of all, the first, which this chunk needs too.
    const chunk = chunkOf([wire(1_000, one), wire(1, one), wire(2, one)])
    await reader.prepare(chunk)
    const batch = new EventBatch()
    reader.read(chunk, batch)
    expect([0, 1, 2].map((i) => batch.refusals.get(i))).toEqual(['no schema 1000', 'no schema 1', 'no schema 2'])
  })

  test('of a schema that was not there yet are read once it is', async () => {
    let nowMs = 5
    const monotonicMs = () => nowMs
    const client = new RegistryClient({ url: server.url }, { monotonicMs })
    const reader = new AvroWireSource(
      viewSource({ type: 'avro', registry: { url: server.url } }),
      client,
      LIMITS,
      monotonicMs,
    )
    const absent = 'the schema registry has no schema 21'
    expect(await readAll(reader, [wire(21, one)])).toEqual([absent])
    server.set(21, first)
    nowMs += ABSENT_MS - 1
    expect(await readAll(reader, [wire(21, one)])).toEqual([absent])
    // In hand already, and prepared: its turn comes later.
    const inHand = chunkOf([wire(21, one)])
    expect(reader.prepare(inHand)).toBeUndefined()
    nowMs++
    expect(await readAll(reader, [wire(21, one)])).toMatchObject([{ user: '2', writer: 21 }])
    const batch = new EventBatch()
    reader.read(inHand, batch)
    expect(eventAt(batch, 0)).toMatchObject({ user: '2' })
    expect(server.requests).toHaveLength(2)
  })

  test('of ids that take longer to ask for than an answer is believed are refused, each asked for once', async () => {
    let nowMs = 0
    let asked = 0
    const schemaOf = async (id: number) => {
      nowMs += ABSENT_MS
      if (++asked > 100) throw new Error('asked without end')
      return { reason: `no schema ${id}` }
    }
    const registry = { schemaOf } as unknown as RegistryClient
    const source = viewSource({ type: 'avro', registry: { url: server.url } })
    const reader = new AvroWireSource(source, registry, LIMITS, () => nowMs)
    const chunk = chunkOf(Array.from({ length: 20 }, (_, k) => wire(k, one)))
    await reader.prepare(chunk)
    // As a consolidated topic's reader asks: of the chunk's parts, made anew.
    expect(reader.prepare({ ...chunk })).toBeUndefined()
    const batch = new EventBatch()
    reader.read(chunk, batch)
    expect(batch.refusals.size).toBe(20)
    expect(asked).toBe(20)
    await reader.prepare(chunkOf([wire(0, one)]))
    expect(asked).toBe(21)
  })

  test('that are none are refused with the reason', async () => {
    server.set(13, record('Other', { a: 'int' }))
    server.set(14, { type: 'lnog' })
    const reader = await open()
    const noHeader = 'the value is not in wire format: it does not begin with a zero byte and a schema id'
    const cases: [Buffer | null, string | RegExp][] = [
      [null, 'no value (tombstone)'],
      [Buffer.alloc(0), noHeader],
      [Buffer.of(0, 0, 0, 0), noHeader],
      [Buffer.concat([Buffer.of(1), wire(11, one).subarray(1)]), noHeader],
      [wire(-1, one), noHeader],
      [wire(99, one), 'the schema registry has no schema 99'],
      [wire(13, one), /^writer schema 13: schema Other, field view_id: record Other has no field view_id/],
      [wire(14, one), 'writer schema 14: unknown type "lnog"'],
      [wire(11, Buffer.alloc(0)), 'view_id: the record ends too early'],
      [wire(11, Buffer.concat([one, one])), /bytes are left after the record/],
    ]
    const events = await readAll(
      reader,
      cases.map(([value]) => value),
    )
    events.forEach((event, k) => {
      if (typeof cases[k][1] === 'string') expect(event).toBe(cases[k][1])
      else expect(event).toMatch(cases[k][1])
    })
    await readAll(
      reader,
      cases.map(([value]) => value),
    )
    expect(server.requests.filter((request) => request.endsWith('/99'))).toHaveLength(1)
  })

  test('wait for a registry that cannot be reached, and are read when it can', async () => {
    const reader = await open()
    const chunk = chunkOf([wire(11, one)])
    server.fault = (_, response) => {
      response.writeHead(500).end()
      return true
    }
    await expect(reader.prepare(chunk)).rejects.toThrow('the schema registry answered 500')
    server.fault = undefined
    await reader.prepare(chunk)
    const batch = new EventBatch()
    reader.read(chunk, batch)
    expect(eventAt(batch, 0)).toMatchObject({ user: '2' })
  })

  test('of a writer that only state of an earlier run names can be made ready', async () => {
    const reader = await open()
    expect(() => reader.toJson(two, 12)).toThrow('the writer schema 12 was not prepared')
    await reader.ensure(12)
    await reader.ensure(99)
    expect(reader.ensure(99)).toBeUndefined()
    expect(() => reader.toJson(two, 99)).toThrow('the schema registry has no schema 99')
    expect(reader.ensure(12)).toBeUndefined()
    expect(reader.toJson(two, 12)).toMatchObject({ user_id: 'u' })
  })

  test('with hostile ids ask for each id once, a few at a time', async () => {
    const reader = await open()
    let open_ = 0
    let most = 0
    server.fault = (request, response) => {
      most = Math.max(most, ++open_)
      setTimeout(() => {
        open_--
        response.writeHead(404).end('{}')
      }, 1)
      return request.method === 'GET'
    }
    const values = Array.from({ length: 600 }, (_, k) => wire(1000 + (k % 300), one))
    const events = await readAll(reader, values)
    expect(events.every((event) => typeof event === 'string' && event.startsWith('the schema registry has no'))).toBe(
      true,
    )
    expect(server.requests).toHaveLength(300)
    expect(most).toBeLessThanOrEqual(8)
  })
})

test("the pipeline's view schema is the newest of the topic's subject", async () => {
  const source = viewSource({ type: 'avro', registry: { url: server.url } }, VIEW_FIELDS)
  await expect(viewSchemaOf(source)).rejects.toThrow('the schema registry has no schema under views-value')
  server.addVersion('views-value', JSON.stringify(first))
  server.addVersion('views-value', JSON.stringify(second))
  expect(await viewSchemaOf(source)).toEqual(second)
})
