import { describe, expect, test } from 'vitest'
import { openSourceReader } from '../../../src/codec/source.ts'
import type { DecodeLimits, FieldMap } from '../../../src/config/model.ts'
import { accepted, engagementSource, LIMITS, readAll, readOne, VIEW_FIELDS, viewSource } from '../support.ts'

async function read(text: string, more: Partial<FieldMap> = {}, limits: Partial<DecodeLimits> = {}) {
  const fields = { ...VIEW_FIELDS, engagementId: ['id'], type: { path: ['type'] }, value: ['value'], ...more }
  const reader = await openSourceReader(engagementSource({ type: 'json' }, fields), { ...LIMITS, ...limits })
  return readOne(reader, Buffer.from(text))
}

const event = (more: string) => `{"user_id":"u","item_id":"i","at":1,"type":"click"${more}}`

describe('ids', () => {
  test.each([
    ['"abc"', 'abc'],
    ['""', ''],
    ['"\\u0041\\n\\ud83d\\ude00"', 'A\n😀'],
    ['"ÄÖ"', 'ÄÖ'],
    ['12', '12'],
    ['-0', '0'],
    ['-7', '-7'],
    ['9007199254740993', '9007199254740993'],
    ['9223372036854775807', '9223372036854775807'],
    ['-9223372036854775808', '-9223372036854775808'],
  ])('%s is %j', async (json, text) => {
    expect(accepted(await read(`{"user_id":${json},"item_id":"i","at":1,"type":"x"}`)).user).toBe(text)
  })

  test.each([
    ['9223372036854775808', 'user_id: the integer is beyond 64 bits'],
    ['1.0', 'user_id: an id must be a text or an integer'],
    ['1e3', 'user_id: an id must be a text or an integer'],
    ['true', 'user_id: an id must be a text or an integer'],
    ['["u"]', 'user_id: an id must be a text or an integer'],
    ['{"u":1}', 'user_id: an id must be a text or an integer'],
    ['"\\ud800"', 'user_id: the text is not well-formed Unicode'],
    ['null', 'user_id: is null'],
  ])('%s is refused', async (json, reason) => {
    expect(await read(`{"user_id":${json},"item_id":"i","at":1,"type":"x"}`)).toBe(reason)
  })

  test('what need not be there may be missing or null', async () => {
    const none = { viewId: null, engagementId: null, value: null }
    expect(await read(event(''))).toMatchObject(none)
    expect(await read(event(',"view_id":null,"id":null,"value":null'))).toMatchObject(none)
    expect(await read(event(',"view_id":5,"id":"e","value":2.5'))).toMatchObject({
      viewId: '5',
      engagementId: 'e',
      value: 2.5,
    })
  })

  test('what must be there may not', async () => {
    expect(await read('{"item_id":"i","at":1,"type":"x"}')).toBe('user_id: is missing')
    expect(await read('{"user_id":"u","at":1,"type":"x"}')).toBe('item_id: is missing')
    expect(await read('{"user_id":"u","item_id":"i","type":"x"}')).toBe('at: is missing')
    expect(await read('{"user_id":"u","item_id":"i","at":1}')).toBe('type: is missing')
    expect(await read('[1]')).toBe('the record is not a JSON object')
    expect(await read('{"user_id"')).toBe('the JSON ends too early')
  })
})

describe('paths', () => {
  const more = { userId: ['meta', 'user'], viewId: ['meta', 'ids', 'view'] }

  test('lead through objects', async () => {
    const text = '{"meta":{"user":1,"ids":{"view":2}},"item_id":"i","at":1,"type":"x"}'
    expect(await read(text, more)).toMatchObject({ user: '1', viewId: '2' })
    expect(await read('{"meta":{"user":1,"ids":null},"item_id":"i","at":1,"type":"x"}', more)).toMatchObject({
      viewId: null,
    })
    expect(await read('{"meta":{"user":1},"item_id":"i","at":1,"type":"x"}', more)).toMatchObject({ viewId: null })
  })

  test('lead through nothing else', async () => {
    const reason = 'meta.ids.view: its path leads through something that is no object'
    expect(await read('{"meta":{"user":1,"ids":7},"item_id":"i","at":1,"type":"x"}', more)).toBe(reason)
    expect(await read('{"meta":null,"item_id":"i","at":1,"type":"x"}', more)).toBe('meta.user: is missing')
  })

  test('of a key that is there twice the last one stands, for a path through it too', async () => {
    const twice = '{"meta":{"user":1,"ids":{"view":2}},"meta":{"user":3},"item_id":"i","item_id":"j","at":1,"type":"x"}'
    expect(await read(twice, more)).toMatchObject({ user: '3', viewId: null, item: 'j' })
  })

  test('match a key that is written with escapes, and are not moved by __proto__', async () => {
    const text = '{"__proto__":{"user_id":"evil"},"user\\u005fid":"u","item_id":"i","at":1,"type":"x"}'
    expect(await read(text)).toMatchObject({ user: 'u' })
    expect(await read('{"__proto__":{"user_id":"evil"},"item_id":"i","at":1,"type":"x"}')).toBe('user_id: is missing')
    expect(await read(text, { userId: ['constructor', 'name'] })).toBe('constructor.name: is missing')
    expect(await read(text, { userId: ['__proto__', 'user_id'] })).toMatchObject({ user: 'evil' })
  })
})

describe('times', () => {
  test.each<[string, 's' | 'ms' | 'us' | undefined, number]>([
    ['1700000000123', undefined, 1_700_000_000_123],
    ['1700000000', 's', 1_700_000_000_000],
    ['1700000000.123', 's', 1_700_000_000_123],
    ['1700000000123999', 'us', 1_700_000_000_123],
    ['1.7E12', undefined, 1_700_000_000_000],
    ['"2026-01-31T12:00:00Z"', undefined, Date.UTC(2026, 0, 31, 12)],
    ['"2026-01-31T12:00:00\\u002B01:00"', 's', Date.UTC(2026, 0, 31, 11)],
  ])('%s in unit %s is %i', async (at, unit, timeMs) => {
    const text = `{"user_id":"u","item_id":"i","at":${at},"type":"x"}`
    expect(await read(text, { time: { path: ['at'], unit } })).toMatchObject({ timeMs })
  })

  test.each([
    ['"2026-01-31T12:00:00"', 'at: the time is not an ISO-8601 instant with a zone'],
    ['"1700000000123"', 'at: the time is not an ISO-8601 instant with a zone'],
    ['1e16', 'at: the time is beyond 2^53 milliseconds'],
    ['true', 'at: the time must be a number or an ISO-8601 text'],
    ['null', 'at: is null'],
  ])('%s is refused', async (at, reason) => {
    expect(await read(`{"user_id":"u","item_id":"i","at":${at},"type":"x"}`)).toBe(reason)
  })
})

describe('types, values and payloads', () => {
  test('a type is a text or a constant, a value a finite number', async () => {
    expect(await read(event(''), { type: { const: 'like' } })).toMatchObject({ type: 'like' })
    expect(await read('{"user_id":"u","item_id":"i","at":1,"type":5}')).toBe('type: the type must be a text')
    expect(await read(event(',"value":-1e3'))).toMatchObject({ value: -1000 })
    expect(await read(event(',"value":"1"'))).toBe('value: the value is not a number')
    expect(await read(event(',"value":1e999'))).toBe('value: the value is not finite')
    expect(await read(event(',"value":NaN'))).toMatch(/^not JSON: unexpected byte 0x4e/)
  })

  test('the payload is the text as it came, and as a value keeps its digits', async () => {
    const reader = await openSourceReader(viewSource({ type: 'json' }), LIMITS)
    const text = Buffer.from(' {"user_id" : 9007199254740993, "item_id":"i", "at":1}\n')
    const [view, none, bad, again] = await readAll(reader, [text, null, Buffer.from('{'), text])
    expect(accepted(view).payload).toEqual(text)
    expect([none, bad]).toEqual(['no value (tombstone)', 'the JSON ends too early'])
    expect(again).toEqual(view)
    expect(reader.toJson(text, 0)).toEqual({ user_id: '9007199254740993', item_id: 'i', at: 1 })
    expect(() => reader.toJson(Buffer.from('{'), 0)).toThrow('the JSON ends too early')
  })
})
