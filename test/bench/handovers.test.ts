/** What the benchmark makes of its hand-overs. */
import { expect, test } from 'vitest'
import { figuresOf } from '../../bench/handovers.mjs'

test('of each hand-over counts the last partition, and the longest time without samples that touches it', () => {
  const moves = [
    { what: 'SIGTERM', fromMs: 10_000, toMs: 12_000, seconds: 2 },
    { what: 'start', fromMs: 20_000, toMs: 24_000, seconds: 4 },
    { what: 'SIGTERM', fromMs: 30_000, toMs: 36_000, seconds: 6 },
  ] as const
  const stamps = [
    [1_000, 9_000, 9_900, 13_000, 20_000, 23_000],
    [9_000, 11_000, 12_500, 19_000, 21_000, 31_000, 31_500],
  ]
  const { drained, started, boundS } = figuresOf(moves, stamps)
  expect(drained).toEqual({
    count: 2,
    live: { p50S: 6, p99S: 6, maxS: 6 },
    gap: { p50S: 10, p99S: 10, maxS: 10 },
  })
  expect(started).toEqual({ count: 1, live: { p50S: 4, p99S: 4, maxS: 4 }, gap: { p50S: 10, p99S: 10, maxS: 10 } })
  expect(boundS).toBe(5)
  expect(figuresOf(moves.slice(0, 1), stamps).drained.gap.maxS).toBe(3.1)
})
