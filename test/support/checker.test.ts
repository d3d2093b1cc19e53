import { expect, test } from 'vitest'
import type { OracleSample } from '../oracle/run.ts'
import { type CheckedSample, Digest, differences } from './checker.ts'
import { arrivals, userOfEach } from './loadEvents.ts'
import { Random } from './random.ts'

const VIEW = Buffer.from('the view')

function sample(id: string): OracleSample {
  return {
    sample_id: id,
    user_id: 'u',
    item_id: 'i',
    view_time: 1,
    labels: { click: 1 },
    delays_ms: { click: 5 },
    late_view: false,
    partition: 0,
    offset: 0,
  }
}

function written(id: string, changes: Partial<CheckedSample> = {}): CheckedSample {
  const { offset: _, ...rest } = sample(id)
  return { ...rest, revision: 0, weight: 1, key: 'u', bytes: Buffer.concat([Buffer.from('head'), VIEW]), ...changes }
}

const found = (...samples: CheckedSample[]) => differences(samples, [sample('a'), sample('b')], () => VIEW).length

test('samples that are the expected ones differ in nothing', () => {
  expect(found(written('a'), written('b'))).toBe(0)
})

test('every way in which samples may be wrong is seen', () => {
  expect(found(written('a'))).toBe(1)
  expect(found(written('a'), written('b'), written('b'))).toBe(1)
  expect(found(written('b'), written('a'))).toBe(2)
  for (const changes of [
    { labels: { click: 0 } },
    { delays_ms: { click: null } },
    { late_view: true },
    { weight: 2 },
    { revision: 1 },
    { key: 'v' },
    { view_time: 2 },
    { bytes: Buffer.from('another view') },
  ]) {
    expect([changes, found(written('a'), written('b', changes))]).toEqual([changes, 1])
  }
  expect(found(written('a'), written('b', { partition: 1 }))).toBeGreaterThan(0)
})

test('the digest is that of the specification, over distinct samples', () => {
  const digest = new Digest()
  digest.add(7, { click: 1, like: 0, share: 1, watch_ms: 100 })
  digest.add(8, { click: 0, like: 1, share: 0, watch_ms: 0 })
  digest.add(8, { click: 0, like: 1, share: 0, watch_ms: 0 })
  digest.add(-1, { click: 1, like: 1, share: 1, watch_ms: 1 })
  expect(digest.value).toBe(String(7 * 31 + 1 + 4 + 100 + 8 * 31 + 2))
  expect([digest.distinct, digest.duplicates, digest.conflicts]).toEqual([2, 1, 0])
  digest.add(7, { click: 0, like: 0, share: 1, watch_ms: 100 })
  expect([digest.distinct, digest.duplicates, digest.conflicts]).toEqual([2, 2, 1])
})

test('events arrive in disorder and twice, yet within the bound, and the same for the same seed', () => {
  const events = Array.from({ length: 2_000 }, (_, i) => ({ user: 'u', item: 'i', timeMs: i * 10 }))
  const arrange = (seed: number) => arrivals(events, { random: new Random(seed), boundMs: 500, duplicates: 0.1 })
  const arrived = arrange(1)
  let highest = 0
  let backwards = 0
  for (const { timeMs } of arrived) {
    expect(timeMs).toBeGreaterThan(highest - 500)
    if (timeMs < highest) backwards++
    highest = Math.max(highest, timeMs)
  }
  expect(backwards).toBeGreaterThan(500)
  expect(arrived.length).toBeGreaterThan(2_100)
  expect(new Set(arrived).size).toBe(2_000)
  expect(arrange(1)).toEqual(arrived)
  expect(arrange(2)).not.toEqual(arrived)
})

test('a user is found for each partition', () => {
  expect(new Set(userOfEach(4, String)).size).toBe(4)
})
