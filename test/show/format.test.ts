import { expect, it } from 'vitest'
import { formatBytes, formatCount, formatDuration, formatTime } from '../../src/show/format.ts'

it('writes counts in groups of three', () => {
  expect(formatCount(1234567)).toBe('1,234,567')
  expect(formatCount(null)).toBe('-')
})

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [512 * 1024 * 1024, '512 MiB'],
])('writes %d bytes as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

it.each([
  [0, '0ms'],
  [999, '999ms'],
  [1250, '1.3s'],
  [61_000, '1m 1s'],
  [7_320_000, '2h 2m'],
  [90_000_000, '1d 1h'],
  [-1500, '-1.5s'],
])('writes %d ms as %s', (ms, text) => expect(formatDuration(ms)).toBe(text))

it('writes times as instants, and what is beyond them as a number', () => {
  expect(formatTime(0)).toBe('1970-01-01T00:00:00.000Z')
  expect(formatTime(1e17)).toBe('100000000000000000')
  expect(formatTime(null)).toBe('-')
})
