import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { avscType } from '../../../src/codec/avro/transcode.ts'
import { openSourceReader } from '../../../src/codec/source.ts'
import type { AvroSchema } from '../../../src/config/model.ts'
import { Random } from '../../support/random.ts'
import { randomEvent } from '../randomAvro.ts'
import { accepted, engagementSource, LIMITS, readAll, readOne, record, viewSource } from '../support.ts'

const fields = { userId: ['u'], itemId: ['u'], time: { path: ['t'] } }

async function encode(type: unknown, json: string, more: object = {}) {
  const schema = record('V', { u: 'long', t: 'long', x: type })
  const withMore = {
    ...(schema as object),
    fields: [...(schema as { fields: object[] }).fields.slice(0, 2), { name: 'x', type, ...more }],
  }
  const reader = await openSourceReader(viewSource({ type: 'json', schema: withMore }, fields), LIMITS)
  const read = await readOne(reader, Buffer.from(`{"u":1,"t":2${json === '' ? '' : `,"x":${json}`}}`))
  if (typeof read === 'string') return read
  const value = avscType(withMore).fromBuffer(read.payload) as { x: unknown }
  return value.x
}

const union = ['null', 'boolean', 'int', 'long', 'double', 'string', { type: 'array', items: 'int' }]
const inner = record('Inner', { a: 'int', b: ['null', 'string'] })
const symbols = { type: 'enum', name: 'E', symbols: ['A', 'B'] }
const fixed = { type: 'fixed', name: 'F', size: 2 }
const millis = { type: 'long', logicalType: 'timestamp-millis' }
const micros = { type: 'long', logicalType: 'timestamp-micros' }

describe('JSON with a declared schema becomes an Avro record', () => {
  test.each<[unknown, string, unknown]>([
    ['null', 'null', null],
    ['boolean', 'true', true],
    ['int', '-5', -5],
    ['long', '9223372036854775807', 2n ** 63n - 1n],
    ['long', '-9223372036854775808', -(2n ** 63n)],
    ['long', '-0', 0n],
    ['float', '0.5', 0.5],
    ['double', '7', 7],
    ['double', '1e300', 1e300],
    ['string', '"a\\u0042Ä"', 'aBÄ'],
    ['string', '"\\ud83d\\ude00\\ufffd"', '😀\ufffd'],
    ['bytes', '"\\u00ffA"', Buffer.from([0xff, 0x41])],
    [fixed, '"\\u0000z"', Buffer.from([0, 0x7a])],
    [symbols, '"B"', 'B'],
    [millis, '"1970-01-01T00:00:01Z"', 1000n],
    [millis, '1000', 1000n],
    [micros, '"1970-01-01T00:00:01.5Z"', 1_500_000n],
    [micros, '"9999-12-31T23:59:59Z"', BigInt(Date.parse('9999-12-31T23:59:59Z')) * 1000n],
    [{ type: 'array', items: 'int' }, '[1,2]', [1, 2]],
    [{ type: 'array', items: 'int' }, '[]', []],
    [{ type: 'map', values: 'int' }, '{"a":1,"b\\u0063":2}', { a: 1, bc: 2 }],
    [inner, '{"b":"y","a":1,"unknown":[{}]}', { a: 1, b: { string: 'y' } }],
    [inner, '{"a":1}', { a: 1, b: null }],
    [inner, '{"a":1,"a":2}', { a: 2, b: null }],
    [union, 'null', null],
    [union, 'false', { boolean: false }],
    [union, '5', { int: 5 }],
    [union, '3000000000', { long: 3_000_000_000n }],
    [union, '0.25', { double: 0.25 }],
    [union, '"s"', { string: 's' }],
    [union, '[1]', { array: [1] }],
    [union, '{"string":"s"}', { string: 's' }],
    [['null', inner], '{"a":1}', { Inner: { a: 1, b: null } }],
    [[inner, record('Other', { c: 'int' })], '{"Other":{"c":1}}', { Other: { c: 1 } }],
    [['null', symbols, 'string'], '"A"', { E: 'A' }],
    [['null', symbols, 'string'], '"Z"', { string: 'Z' }],
    [['null', millis], '"1970-01-01T00:00:01Z"', { long: 1000n }],
  ])('%j from %s', async (type, json, value) => {
    expect(await encode(type, json)).toEqual(value)
  })

  test.each<[unknown, string, string]>([
    ['int', '2147483648', 'x: the integer is beyond 32 bits'],
    ['int', '1.5', "x: it is not of the schema's type int"],
    ['long', '9223372036854775808', 'x: the integer is beyond 64 bits'],
    ['long', '"5"', "x: it is not of the schema's type long"],
    ['long', '1e3', "x: it is not of the schema's type long"],
    [millis, '"yesterday"', 'x: the time is not an ISO-8601 instant with a zone'],
    ['double', '1e999', 'x: the number is not finite'],
    ['float', '1e300', 'x: the number is not finite'],
    ['double', '"1"', "x: it is not of the schema's type double"],
    ['string', '1', "x: it is not of the schema's type string"],
    ['string', '"\\ud800"', 'x: the text is not well-formed Unicode'],
    ['string', '"a\\udc00\\ud800b"', 'x: the text is not well-formed Unicode'],
    [union, '"\\udfff"', 'x: the text is not well-formed Unicode'],
    [{ type: 'map', values: 'int' }, '{"\\ud800":1}', 'x: the text is not well-formed Unicode'],
    ['bytes', '"Ā"', 'x: a text that stands for bytes has a character above 255'],
    [fixed, '"a"', 'x: F must have 2 bytes'],
    [symbols, '"C"', 'x: it is no symbol of E'],
    ['boolean', 'null', "x: it is not of the schema's type boolean"],
    [inner, '{"b":"y"}', 'x.a: is missing'],
    [inner, '{"a":"y"}', "x.a: it is not of the schema's type int"],
    [['null', 'int'], '"a"', 'x: it is none of null, int'],
    [{ type: 'array', items: inner }, '[{"a":1},{"a":[]}]', "x.a: it is not of the schema's type int"],
    ['int', '', 'x: is missing'],
  ])('%j from %s is refused', async (type, json, reason) => {
    expect(await encode(type, json)).toBe(reason)
  })

  test('a missing field has its default', async () => {
    expect(await encode('int', '', { default: 7 })).toBe(7)
    expect(await encode(['null', 'int'], '', { default: null })).toBe(null)
    expect(await encode(['int', 'null'], '', { default: 7 })).toEqual({ int: 7 })
    expect(await encode(['int', 'null'], '')).toBe(null)
    expect(await encode(inner, '', { default: { a: 5, b: null } })).toEqual({ a: 5, b: null })
    expect(await encode('bytes', '', { default: '\u00ff' })).toEqual(Buffer.from([0xff]))
    const wrong = record('V', { u: 'long' }) as { fields: object[] }
    const schema = {
      ...wrong,
      fields: [
        { name: 'u', type: 'long' },
        { name: 't', type: 'long', default: 'x' },
      ],
    }
    await expect(openSourceReader(viewSource({ type: 'json', schema }, fields), LIMITS)).rejects.toThrow(
      /record V, field t: the default does not fit/,
    )
  })

  test('a batch has the encoded records in a buffer of its own', async () => {
    const schema = record('V', { u: 'long', t: 'long' })
    const reader = await openSourceReader(viewSource({ type: 'json', schema }, fields), LIMITS)
    const texts = ['{"u":1,"t":2}', '{"u":"x","t":2}', '{"t":5,"u":4}', '{'].map((text) => Buffer.from(text))
    const [a, b, c, d] = await readAll(reader, texts)
    expect(accepted(a).payload).toEqual(Buffer.from([2, 4]))
    expect(b).toBe("u: it is not of the schema's type long")
    expect(accepted(c)).toMatchObject({ user: '4', timeMs: 5, payload: Buffer.from([8, 10]) })
    expect(d).toBe('the JSON ends too early')
    expect(reader.toJson(accepted(c).payload, 0)).toEqual({ u: 4, t: 5 })
  })
})

test("any event's JSON becomes the bytes that avsc writes, whatever the order of its keys", async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 32 - 1 }), async (seed) => {
      const random = new Random(seed)
      const event = randomEvent(random)
      const type = avscType(event.schema)
      const json = jsonOf(event.schema, event.value, random)
      if (json === null) return
      compared++
      const reader = await openSourceReader(
        engagementSource({ type: 'json', schema: event.schema }, event.fields),
        LIMITS,
      )
      const read = accepted(await readOne(reader, Buffer.from(json)))
      // Maps may be in another order: compared as values.
      expect(type.fromBuffer(read.payload)).toEqual(type.fromBuffer(type.toBuffer(event.value)))
      expect(read).toMatchObject({ user: event.ids.userId, item: event.ids.itemId, timeMs: event.timeMs })
    }),
    { numRuns: 500 },
  )
  expect(compared).toBeGreaterThan(50)
})

/** The value as plain JSON; null where a union of it could be told apart only by wrappers. */
function jsonOf(schema: AvroSchema, value: unknown, random: Random): string | null {
  const names = new Map<string, Record<string, unknown>>()
  let ambiguous = false
  const write = (type: AvroSchema, v: unknown): string => {
    if (ambiguous) return 'null'
    if (Array.isArray(type)) return writeUnion(type, v)
    const json = (typeof type === 'string' ? (names.get(type) ?? { type }) : type) as Record<string, unknown>
    if (typeof json.name === 'string') names.set(json.name, json)
    switch (json.type) {
      case 'array':
        return `[${(v as unknown[]).map((item) => write(json.items as AvroSchema, item)).join(', ')}]`
      case 'map':
        return object(Object.entries(v as object).map(([key, item]) => [key, write(json.values as AvroSchema, item)]))
      case 'record': {
        const fields = json.fields as { name: string; type: AvroSchema }[]
        return object(fields.map((field) => [field.name, write(field.type, (v as never)[field.name])]))
      }
      case 'long':
        return String(v)
      case 'bytes':
      case 'fixed':
        return JSON.stringify((v as Buffer).toString('latin1'))
      default:
        return JSON.stringify(v)
    }
  }
  const writeUnion = (branches: readonly unknown[], v: unknown): string => {
    const real = branches.filter((branch) => branch !== 'null')
    if (real.length > 1) ambiguous = true
    if (v === null || ambiguous) return 'null'
    const [[, inner]] = Object.entries(v as object)
    return write(real[0] as AvroSchema, inner)
  }
  const object = (entries: string[][]): string => {
    const mixed = entries.map((entry) => ({ entry, rank: random.next() })).sort((a, b) => a.rank - b.rank)
    return `{${mixed.map(({ entry: [key, text] }) => `${JSON.stringify(key)}: ${text}`).join(',')}}`
  }
  // Types must be known before they are referred to, also in values that come first.
  const learn = (type: unknown): void => {
    if (Array.isArray(type)) for (const branch of type) learn(branch)
    else if (type !== null && typeof type === 'object') {
      const json = type as Record<string, unknown>
      if (typeof json.name === 'string' && json.type !== undefined && typeof json.type === 'string')
        names.set(json.name, json)
      for (const inner of [json.items, json.values, ...((json.fields as { type: unknown }[]) ?? []).map((f) => f.type)])
        learn(inner)
    }
  }
  learn(schema)
  const text = write(schema, value)
  return ambiguous ? null : text
}
