import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newByteBuffer } from '../../src/codec/byteBuffer.ts'
import {
  MAX_DECIMAL_BYTES,
  writeDecimal,
  writeDecimalAsVarint,
  writeVarint,
  writeWideDecimal,
} from '../../src/codec/integer.ts'
import { varint } from './support.ts'

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }
const edges = [0n, 1n, -1n, 63n, 64n, -64n, -65n, 2n ** 31n, -(2n ** 31n), 2n ** 32n, 2n ** 53n, -(2n ** 53n)]
const more = [INT64.min, INT64.max, INT64.min + 1n, 999_999_999n, 1_000_000_000n, 10n ** 15n, 10n ** 18n, -(10n ** 18n)]
const int64 = fc.oneof(fc.bigInt(INT64), fc.bigInt({ min: -1000n, max: 1000n }), fc.constantFrom(...edges, ...more))

describe('64-bit integers', () => {
  test('a safe integer has the decimal text that String gives', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (n) => {
        const text = Buffer.alloc(MAX_DECIMAL_BYTES)
        expect(text.toString('latin1', 0, writeDecimal(text, 0, n))).toBe(String(n))
      }),
      { numRuns: 2000 },
    )
  })

  test('a magnitude of two words has its exact decimal text', () => {
    const wide = int64.filter((n) => !Number.isSafeInteger(Number(n)))
    fc.assert(
      fc.property(wide, (n) => {
        const magnitude = n < 0n ? -n : n
        const text = Buffer.alloc(MAX_DECIMAL_BYTES)
        const end = writeWideDecimal(text, 0, n < 0n, Number(magnitude >> 32n), Number(magnitude & 0xffffffffn))
        expect(text.toString('latin1', 0, end)).toBe(n.toString())
      }),
      { numRuns: 2000 },
    )
  })

  test('decimal text becomes the varint of the same integer', () => {
    fc.assert(
      fc.property(int64, (n) => {
        const out = newByteBuffer(16)
        const text = Buffer.from(`x${n}`)
        writeDecimalAsVarint(out, text, 1, text.length - 1)
        expect(out.buffer.subarray(0, out.end)).toEqual(varint(n))
      }),
      { numRuns: 5000 },
    )
  })

  test('a safe integer becomes its varint', () => {
    const ends = [0x3fff_ffff, 0x4000_0000, -0x4000_0000, -0x4000_0001, 2 ** 31, -(2 ** 31), 2 ** 32 - 1]
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(...ends)), (n) => {
        const out = newByteBuffer(16)
        writeVarint(out, n)
        expect(out.buffer.subarray(0, out.end)).toEqual(varint(n))
      }),
      { numRuns: 2000 },
    )
  })
})
