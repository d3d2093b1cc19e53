import { expect, test } from 'vitest'
import { parseCount, parseDuration, parseSize } from '../../src/config/units.ts'

test('durations have a unit and become milliseconds', () => {
  const cases: [unknown, number | undefined][] = [
    ['250ms', 250],
    ['5s', 5000],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['10 m', 600_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['0s', 0],
    ['0', 0],
    [0, 0],
    [5, undefined],
    ['5', undefined],
    ['5 minutes', undefined],
    ['-5s', undefined],
    ['', undefined],
    ['1e3s', undefined],
    ['s', undefined],
    [null, undefined],
    ['99999999999999999d', undefined],
  ]
  for (const [text, ms] of cases) expect([text, parseDuration(text)]).toEqual([text, ms])
})

test('sizes have a unit, binary with an i and decimal without', () => {
  expect(parseSize('512MiB')).toBe(512 * 1024 * 1024)
  expect(parseSize('64KiB')).toBe(65_536)
  expect(parseSize('1GB')).toBe(1_000_000_000)
  expect(parseSize('1.5KiB')).toBe(1536)
  expect(parseSize('10B')).toBe(10)
  expect(parseSize('64mib')).toBeUndefined()
  expect(parseSize(1024)).toBeUndefined()
})

test('counts may do without', () => {
  expect(parseCount(64)).toBe(64)
  expect(parseCount('64')).toBe(64)
  expect(parseCount('100k')).toBe(100_000)
  expect(parseCount('1M')).toBe(1_000_000)
  expect(parseCount(-1)).toBeUndefined()
  expect(parseCount('k')).toBeUndefined()
})
