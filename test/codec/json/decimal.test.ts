import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fitsInt64, numberOf, shiftedFloor } from '../../../src/codec/json/decimal.ts'

const shifted = (text: string, shift: number) => shiftedFloor(Buffer.from(text), 0, text.length, shift)

describe('numbers from their text', () => {
  test('64 bits are told by the digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }), (n) => {
        const text = Buffer.from(n.toString())
        expect(fitsInt64(text, 0, text.length)).toBe(n >= -(2n ** 63n) && n < 2n ** 63n)
      }),
      { numRuns: 2000 },
    )
    for (const n of [2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n]) {
      const text = Buffer.from(n.toString())
      expect(fitsInt64(text, 0, text.length)).toBe(BigInt.asIntN(64, n) === n)
    }
  })

  test('a number is what Number makes of it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()), (n) => {
        const text = JSON.stringify(n)
        expect(numberOf(Buffer.from(text), 0, text.length, /^-?\d+$/.test(text))).toBe(Number(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('a decimal shifted and floored is exact', () => {
    const fraction = fc.stringMatching(/^[0-9]{1,9}$/)
    fc.assert(
      fc.property(
        fc.integer(),
        fraction,
        fc.constantFrom(3, 0, -3),
        fc.integer({ min: -4, max: 4 }),
        (whole, digits, shift, exponent) => {
          const text = `${whole}.${digits}e${exponent}`
          const scaled = BigInt(text.split('e')[0].replace('.', '')) * 10n ** 20n
          const divisor = 10n ** BigInt(20 + digits.length - shift - exponent)
          const floor = scaled / divisor - (scaled % divisor < 0n ? 1n : 0n)
          expect(shifted(text, shift)).toBe(Number.isSafeInteger(Number(floor)) ? Number(floor) : Number.NaN)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test.each([
    ['1700000000', 3, 1_700_000_000_000],
    ['1700000000.123', 3, 1_700_000_000_123],
    ['1700000000.1239', 3, 1_700_000_000_123],
    ['1.7000000001E12', 0, 1_700_000_000_100],
    ['1700000000123456', -3, 1_700_000_000_123],
    ['-1', -3, -1],
    ['-0.5', 0, -1],
    ['-0', 0, 0],
    ['0e999999999999', 0, 0],
    ['1e-999999999999', 0, 0],
    ['9007199254740991', 0, Number.MAX_SAFE_INTEGER],
  ])('%s shifted by %i is %i', (text, shift, ms) => {
    expect(shifted(text, shift)).toBe(ms)
  })

  test.each(['9007199254740992', '1e16', '1e999999999999', '9'.repeat(400)])('%s is beyond 2^53', (text) => {
    expect(shifted(text, 0)).toBeNaN()
  })
})
