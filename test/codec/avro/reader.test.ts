import { describe, expect, test } from 'vitest'
import { avscType } from '../../../src/codec/avro/transcode.ts'
import { openSourceReader } from '../../../src/codec/source.ts'
import type { AvroSchema, FieldMap } from '../../../src/config/model.ts'
import { EventBatch } from '../../../src/join/event.ts'
import {
  avroFormat,
  chunkOf,
  engagementSource,
  eventAt,
  LIMITS,
  readAll,
  readOne,
  record,
  viewSource,
} from '../support.ts'

const fields = { view_id: ['null', 'long'], user_id: 'long', item_id: 'string', at: 'long' }
const good = { view_id: { long: 1n }, user_id: 2n, item_id: 'i', at: 3n }

async function read(schema: AvroSchema, value: unknown, more: Partial<FieldMap> = {}) {
  const map = { viewId: ['view_id'], userId: ['user_id'], itemId: ['item_id'], time: { path: ['at'] }, ...more }
  const reader = await openSourceReader(engagementSource(avroFormat(schema), map), LIMITS)
  return readOne(reader, avscType(schema).toBuffer(value))
}

describe('ids', () => {
  test.each([
    0n,
    -1n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    -(2n ** 53n) - 1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    7_311_234_567_890_123_456n,
  ])('the long %s is its exact digits', async (id) => {
    expect(await read(record('V', fields), { ...good, user_id: id })).toMatchObject({ user: id.toString() })
  })

  test('texts are as they are, long ones, empty ones and ones beyond ASCII too', async () => {
    for (const text of ['', 'a', 'ÄÖ', '😀'.repeat(30), 'x'.repeat(5000), '__proto__']) {
      expect(await read(record('V', fields), { ...good, item_id: text })).toMatchObject({ item: text })
    }
  })

  test('a text that is not UTF-8 is refused: it could not be told from another', async () => {
    const schema = record('V', { ...fields, item_id: 'bytes' })
    const reader = await openSourceReader(
      viewSource(avroFormat(record('V', fields)), {
        userId: ['user_id'],
        itemId: ['item_id'],
        time: { path: ['at'] },
      }),
      LIMITS,
    )
    for (const bytes of [Buffer.of(0xff), Buffer.concat([Buffer.alloc(60, 0x61), Buffer.of(0xc3)])]) {
      const value = avscType(schema).toBuffer({ ...good, item_id: bytes })
      expect(await readOne(reader, value)).toBe('item_id: the text is not UTF-8')
    }
  })

  test('a null view id is none, a null user id is a refusal', async () => {
    expect(await read(record('V', fields), { ...good, view_id: null })).toMatchObject({ viewId: null })
    const nullable = record('V', {
      ...fields,
      user_id: ['null', 'long'],
      item_id: ['string', 'null'],
      at: ['null', 'long'],
    })
    const value = { view_id: null, user_id: { long: 1n }, item_id: { string: 'i' }, at: { long: 1n } }
    expect(await read(nullable, value)).toMatchObject({ user: '1' })
    expect(await read(nullable, { ...value, user_id: null })).toBe('user_id: the user id is null')
    expect(await read(nullable, { ...value, item_id: null })).toBe('item_id: the item id is null')
    expect(await read(nullable, { ...value, at: null })).toBe('at: the time is null')
  })

  test('one field may be two ids', async () => {
    const more = { engagementId: ['view_id'], itemId: ['user_id'] }
    expect(await read(record('V', fields), good, more)).toMatchObject({
      viewId: '1',
      engagementId: '1',
      user: '2',
      item: '2',
    })
  })

  test('fields lie in nested records, also behind a null', async () => {
    const meta = record('M', { a: 'string', user: 'long', ids: ['null', record('I', { view: 'int', z: 'double' })] })
    const schema = record('V', { meta, item_id: 'string', at: 'long' })
    const more = { userId: ['meta', 'user'], viewId: ['meta', 'ids', 'view'] }
    const value = { meta: { a: 'x', user: 5n, ids: { I: { view: 7, z: 1 } } }, item_id: 'i', at: 1n }
    expect(await read(schema, value, more)).toMatchObject({ user: '5', viewId: '7' })
    const without = { ...value, meta: { a: 'x', user: 5n, ids: null } }
    expect(await read(schema, without, more)).toMatchObject({ user: '5', viewId: null })
  })
})

describe('times', () => {
  const millis = { type: 'long', logicalType: 'timestamp-millis' }
  const micros = { type: 'long', logicalType: 'timestamp-micros' }
  test.each<[unknown, 's' | 'ms' | 'us' | undefined, unknown, number]>([
    [millis, undefined, 1_700_000_000_123n, 1_700_000_000_123],
    [micros, undefined, 1_700_000_000_123_999n, 1_700_000_000_123],
    [micros, undefined, -1n, -1],
    [micros, undefined, 2n ** 62n + 999n, Number((2n ** 62n + 999n) / 1000n)],
    [micros, undefined, -(2n ** 62n) - 1n, -Number((2n ** 62n + 1n) / 1000n) - 1],
    ['long', undefined, 5n, 5],
    ['long', 's', 5n, 5000],
    ['long', 'us', 5999n, 5],
    ['int', 's', 1_700_000_000, 1_700_000_000_000],
    ['string', undefined, '2026-01-31T12:00:00.5+01:00', Date.parse('2026-01-31T11:00:00.500Z')],
  ])('%j in unit %s: %s is %s ms', async (type, unit, at, timeMs) => {
    const schema = record('V', { ...fields, at: type })
    expect(await read(schema, { ...good, at }, { time: { path: ['at'], unit } })).toMatchObject({ timeMs })
  })

  test.each<[unknown, 's' | undefined, unknown, string]>([
    ['long', undefined, 2n ** 53n, 'at: the time is beyond 2^53 milliseconds'],
    ['long', 's', 2n ** 50n, 'at: the time is beyond 2^53 milliseconds'],
    [micros, undefined, 2n ** 63n - 1n, 'at: the time is beyond 2^53 milliseconds'],
    ['string', undefined, '2026-01-31T12:00:00', 'at: the time is not an ISO-8601 instant with a zone'],
  ])('%j in unit %s: %s is refused', async (type, unit, at, reason) => {
    const schema = record('V', { ...fields, at: type })
    expect(await read(schema, { ...good, at }, { time: { path: ['at'], unit } })).toBe(reason)
  })
})

describe('types and values', () => {
  test('a type is text, a symbol or a constant', async () => {
    const kind = { type: 'enum', name: 'Kind', symbols: ['click', 'like'] }
    const schema = record('V', { ...fields, kind, word: 'string' })
    const value = { ...good, kind: 'like', word: 'share' }
    expect(await read(schema, value, { type: { path: ['kind'] } })).toMatchObject({ type: 'like' })
    expect(await read(schema, value, { type: { path: ['word'] } })).toMatchObject({ type: 'share' })
    expect(await read(schema, value, { type: { const: 'clíck' } })).toMatchObject({ type: 'clíck' })
    expect(await read(schema, value)).toMatchObject({ type: null })
  })

  test('a null type is refused', async () => {
    const schema = record('V', { ...fields, kind: ['null', 'string'] })
    expect(await read(schema, { ...good, kind: null }, { type: { path: ['kind'] } })).toBe('kind: the type is null')
  })

  test.each<[string, unknown, number]>([
    ['int', -7, -7],
    ['long', 2n ** 60n + 1n, 2 ** 60],
    ['float', 0.5, 0.5],
    ['double', Number.MAX_VALUE, Number.MAX_VALUE],
  ])('a value may be a %s', async (type, v, value) => {
    expect(await read(record('V', { ...fields, v: type }), { ...good, v }, { value: ['v'] })).toMatchObject({ value })
  })

  test('a null value is none, one that is not finite is refused', async () => {
    const schema = record('V', { ...fields, v: ['null', 'double'] })
    const more = { value: ['v'] }
    expect(await read(schema, { ...good, v: null }, more)).toMatchObject({ value: null })
    for (const v of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(await read(schema, { ...good, v: { double: v } }, more)).toBe('v: the value is not finite')
    }
  })
})

describe('batches', () => {
  const schema = record('V', fields)
  const bytes = avscType(schema).toBuffer(good)

  test('a refused record leaves its neighbours whole, and no text behind', async () => {
    const reader = await openSourceReader(
      viewSource(avroFormat(schema), {
        viewId: ['view_id'],
        userId: ['user_id'],
        itemId: ['item_id'],
        time: { path: ['at'] },
      }),
      LIMITS,
    )
    const values = [bytes, null, bytes.subarray(0, bytes.length - 1), bytes]
    const chunk = chunkOf(values)
    const batch = new EventBatch()
    reader.read(chunk, batch)
    expect(values.map((_, i) => typeof eventAt(batch, i))).toEqual(['object', 'string', 'string', 'object'])
    expect(eventAt(batch, 1)).toBe('no value (tombstone)')
    expect(eventAt(batch, 3)).toMatchObject({ viewId: '1', user: '2', item: 'i', timeMs: 3, payload: bytes })
    expect([...batch.offset.subarray(0, 4)]).toEqual([100, 101, 102, 103])
    expect([...batch.stampMs.subarray(0, 4)]).toEqual([1000, 1001, 1002, 1003])
    expect(batch.payload).toBe(chunk.bytes)
    expect(batch.text.toString('utf8', 0, batch.textEnd)).toBe('12i12i')
    reader.read(chunkOf([bytes]), batch)
    expect(batch.refusals.size).toBe(0)
  })

  test('a view has no engagement columns, whatever is mapped', async () => {
    const source = viewSource(avroFormat(schema), {
      userId: ['user_id'],
      itemId: ['item_id'],
      time: { path: ['at'] },
      engagementId: ['nowhere'],
      type: { const: 'x' },
    })
    const [event] = await readAll(await openSourceReader(source, LIMITS), [bytes])
    expect(event).toMatchObject({ viewId: null, engagementId: null, type: null, value: null })
  })
})
