import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../../src/codec/error.ts'
import { JsonTape } from '../../../src/codec/json/tape.ts'
import { tapeToValue } from '../../../src/codec/json/value.ts'
import type { DecodeLimits } from '../../../src/config/model.ts'
import { LIMITS } from '../support.ts'

/** The value, or the reason of the refusal as text in brackets. */
function scan(text: string | Buffer, limits: Partial<DecodeLimits> = {}): unknown {
  const bytes = Buffer.from(text as string)
  const padded = Buffer.concat([Buffer.from('9"'), bytes, Buffer.from('9"]}')])
  const tape = new JsonTape({ ...LIMITS, ...limits })
  try {
    tape.scan(padded, 2, 2 + bytes.length)
  } catch (error) {
    if (error instanceof Refusal) return `[${error.reason}]`
    throw error
  }
  return tapeToValue(tape)
}

/** An integer that JSON.parse may have rounded stands as its digits; from 10^21 on it is written with an exponent. */
function withDigits(_key: string, value: unknown): unknown {
  const isInteger = Number.isInteger(value) && Math.abs(value as number) < 1e21
  return isInteger && !Number.isSafeInteger(value) ? String(value) : value
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Text that is nearly JSON: its tokens in random order. */
const tokens = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"a"',
  '""',
  '"\\u00e4"',
  '"\\x"',
  '"',
  '0',
  '-1',
  '01',
  '1.5',
  '1.',
  '1e5',
  '1e',
  '-',
  '.5',
]
const words = [
  'true',
  'false',
  'null',
  'nul',
  'NaN',
  ' ',
  '\n',
  '\t',
  '\f',
  '"\u0001"',
  '"\ud83d\ude00"',
  '\\',
  '+1',
  '//',
  "'a'",
]
const nearlyJson = fc.array(fc.constantFrom(...tokens, ...words), { maxLength: 12 }).map((list) => list.join(''))

describe('the grammar', () => {
  test('any value is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        expect(JSON.stringify(scan(text))).toBe(JSON.stringify(JSON.parse(text), withDigits))
      }),
      { numRuns: 2000 },
    )
  })

  test('what JSON.parse refuses is refused, and nothing else', () => {
    let good = 0
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const result = scan(text)
        const refused = typeof result === 'string' && /^\[(not JSON|the JSON ends)/.test(result)
        if (!refused) good++
        expect(refused).toBe(!isJson(text))
      }),
      { numRuns: 20_000 },
    )
    expect(good).toBeGreaterThan(500)
  })

  test('any string of bytes is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (array) => {
        const bytes = Buffer.concat([Buffer.from('"'), array, Buffer.from('"')])
        const result = scan(bytes)
        if (!isUtf8(bytes) || !isJson(bytes.toString())) expect(result).toMatch(/^\[.*(JSON)/)
        else expect(result).toBe(JSON.parse(bytes.toString()))
      }),
      { numRuns: 3000 },
    )
  })

  test.each([
    ['', '[the JSON ends too early]'],
    ['{"a":1', '[the JSON ends too early]'],
    ['"abc', '[the JSON ends too early]'],
    ['{"a":1}x', '[not JSON: unexpected byte 0x78 at 7]'],
    ['{"a":01}', '[not JSON: unexpected byte 0x31 at 6]'],
    ['{a:1}', '[not JSON: unexpected byte 0x61 at 1]'],
    ['"\\q"', '[not JSON: unexpected byte 0x5c at 1]'],
    ['"\\u12g4"', '[not JSON: unexpected byte 0x5c at 1]'],
    ['\ufeff{}', '[not JSON: unexpected byte 0xef at 0]'],
    ['tru', '[not JSON: unexpected byte 0x74 at 0]'],
  ])('%j gives %s', (text, reason) => {
    expect(scan(text)).toBe(reason)
  })

  test('text that is not UTF-8 is refused', () => {
    expect(scan(Buffer.from([0x22, 0xff, 0x22]))).toBe('[the JSON is not UTF-8]')
  })
})

describe('values', () => {
  test('numbers that would be rounded keep their digits', () => {
    expect(scan('[9007199254740991,9007199254740993,-9223372036854775808,1e400,0.1,-0]')).toEqual([
      9007199254740991,
      '9007199254740993',
      '-9223372036854775808',
      '1e400',
      0.1,
      -0,
    ])
  })

  test('a key __proto__ is a key, and of a key that is there twice the last stands', () => {
    const value = scan('{"__proto__":{"polluted":1},"a":1,"a":2}') as object
    expect(Object.getOwnPropertyNames(value)).toEqual(['__proto__', 'a'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":1},"a":2}')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe('limits', () => {
  test('depth, items, texts and size', () => {
    expect(scan('['.repeat(1e6), { recordBytes: 1e7 })).toBe('[it is nested deeper than the limit of 32]')
    expect(scan('{"a":'.repeat(33))).toBe('[it is nested deeper than the limit of 32]')
    expect(scan(`${'['.repeat(32)}${']'.repeat(32)}`)).toEqual(expect.any(Array))
    expect(scan('[1,2,3]', { items: 2 })).toBe('[it has more items than the limit of 2]')
    expect(scan('{"a":1,"b":2,"c":3}', { items: 2 })).toBe('[it has more items than the limit of 2]')
    expect(scan('{"a":1,"b":2}', { items: 2 })).toEqual({ a: 1, b: 2 })
    expect(scan('"12345"', { stringBytes: 4 })).toBe('[a text is longer than the limit of 4 bytes]')
    expect(scan('{"12345":1}', { stringBytes: 4 })).toBe('[a text is longer than the limit of 4 bytes]')
    expect(scan('"12345"', { recordBytes: 6 })).toBe('[a record of 7 bytes is over the limit of 6]')
  })
})
