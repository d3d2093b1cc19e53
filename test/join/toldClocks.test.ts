import { expect, test } from 'vitest'
import { LEFT_OUT, ToldClocks } from '../../src/join/toldClocks.ts'
import { rulesOf } from '../support/pureJoin.ts'

const RULES = rulesOf({
  partitions: 1,
  sources: ['all'],
  basis: 'event',
  outOfOrdernessMs: 0,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 0,
  maxClockSkewMs: null,
  labels: [{ name: 'click', on: 'click', withinMs: 1, fold: 'any', default: 0 }],
})

test('the watermark is the least of all clocks, once each has been told', () => {
  const clocks = new ToldClocks(RULES, ['a 0', 'a 1', 'b 0'])
  clocks.tell([{ name: 'a 0', clockMs: 50 }])
  clocks.tell([{ name: 'b 0', clockMs: 70 }])
  expect(clocks.watermarkMs).toBe(Number.NEGATIVE_INFINITY)
  clocks.tell([{ name: 'a 1', clockMs: 60 }])
  expect(clocks.watermarkMs).toBe(50)
  expect(clocks.slowest()).toEqual([['a 0', 50]])
  clocks.tell([{ name: 'a 0', clockMs: 90 }])
  expect(clocks.watermarkMs).toBe(60)
})

test('it never goes back, whoever tells an old clock, and after a restart waits for all of them', () => {
  const clocks = new ToldClocks(RULES, ['a 0', 'b 0'])
  clocks.restore(40, [45])
  clocks.tell([{ name: 'a 0', clockMs: 100 }])
  expect(clocks.watermarkMs).toBe(40)
  clocks.tell([{ name: 'b 0', clockMs: 80 }])
  clocks.tell([{ name: 'b 0', clockMs: 20 }])
  expect(clocks.watermarkMs).toBe(80)
})

test('what one record tells holds together: who went on does not pass who came back in it', () => {
  const clocks = new ToldClocks(RULES, ['a 0', 'b 0'])
  clocks.tell([
    { name: 'a 0', clockMs: 10 },
    { name: 'b 0', clockMs: LEFT_OUT },
  ])
  expect(clocks.watermarkMs).toBe(10)
  clocks.tell([
    { name: 'a 0', clockMs: 90 },
    { name: 'b 0', clockMs: 20 },
  ])
  expect(clocks.watermarkMs).toBe(20)
})

test('who is left out holds nobody; where all are, nothing moves', () => {
  const clocks = new ToldClocks(RULES, ['a 0', 'b 0'])
  clocks.tell([{ name: 'a 0', clockMs: LEFT_OUT }])
  expect(clocks.watermarkMs).toBe(Number.NEGATIVE_INFINITY)
  clocks.tell([{ name: 'b 0', clockMs: LEFT_OUT }])
  expect(clocks.watermarkMs).toBe(Number.NEGATIVE_INFINITY)
  clocks.tell([{ name: 'b 0', clockMs: 30 }])
  expect(clocks.watermarkMs).toBe(30)
})

test('neither events nor silence nor being caught up move it', () => {
  const clocks = new ToldClocks(RULES, ['a 0'])
  clocks.tell([{ name: 'a 0', clockMs: 10 }])
  clocks.record(0, 1_000)
  clocks.heard()
  clocks.atEnd()
  expect(clocks.isAtEnd()).toBe(false)
  expect(clocks.watermarkMs).toBe(10)
  expect(clocks.highestMs[0]).toBe(1_000)
})

test('the furthest ahead is known once each has been told, and not while a silent one is left out', () => {
  const clocks = new ToldClocks(RULES, ['a 0', 'b 0', 'b 1'])
  clocks.tell([{ name: 'a 0', clockMs: 50 }])
  clocks.tell([{ name: 'b 0', clockMs: 70 }])
  expect(clocks.greatestMs()).toBe(Number.POSITIVE_INFINITY)
  // Following the wall clock, only one that never had an event is left out.
  clocks.tell([{ name: 'b 1', clockMs: LEFT_OUT }])
  expect(clocks.greatestMs()).toBe(70)
  const ignoring = new ToldClocks({ ...RULES, idle: 'ignore' }, ['a 0', 'b 0'])
  ignoring.tell([{ name: 'a 0', clockMs: 50 }])
  ignoring.tell([{ name: 'b 0', clockMs: LEFT_OUT }])
  expect(ignoring.greatestMs()).toBe(Number.POSITIVE_INFINITY)
  ignoring.tell([{ name: 'b 0', clockMs: 40 }])
  expect(ignoring.greatestMs()).toBe(50)
})
