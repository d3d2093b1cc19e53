import { expect, test } from 'vitest'
import { discard } from '../../../src/log/recordBatch/discard.ts'

test('what has its memory for itself is given back, with all that looks into it', () => {
  const bytes = Buffer.allocUnsafeSlow(100_000).fill(1)
  const part = bytes.subarray(10, 20)
  discard(bytes)
  expect([bytes.length, part.length, bytes.buffer.byteLength]).toEqual([0, 0, 0])
})

test('what shares its memory is left alone', () => {
  const small = Buffer.from('cut out of a buffer of many')
  const part = Buffer.alloc(100_000, 1).subarray(1)
  for (const bytes of [small, part]) discard(bytes)
  expect(small.toString()).toBe('cut out of a buffer of many')
  expect(part.equals(Buffer.alloc(99_999, 1))).toBe(true)
  expect(() => discard(Buffer.alloc(0))).not.toThrow()
})
