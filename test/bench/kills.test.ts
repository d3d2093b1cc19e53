/** What the benchmark makes of its kills. */
import { expect, test } from 'vitest'
import { figuresOf } from '../../bench/kills.mjs'

test('a kill takes as long as its last partition, and none of twenty is left out of the 99th percentile', () => {
  const takeovers = Array.from({ length: 20 }, (_, k) => ({
    seconds: k === 7 ? 16 : 11 + k / 100,
    taken: [{ from: 'log' }, { from: k === 3 ? 'journal' : 'log' }],
  }))
  const { kills, p50S, p99S, maxS, boundS, from } = figuresOf(takeovers)
  expect({ kills, p50S, p99S, maxS, boundS, from }).toEqual({
    kills: 20,
    p50S: 11.11,
    p99S: 16,
    maxS: 16,
    boundS: 15,
    from: { log: 39, journal: 1 },
  })
})
