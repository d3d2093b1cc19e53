/** What delays say of windows: by hand-made counts, over one node and two. */
import { expect, test } from 'vitest'
import { DelayHistograms } from '../../src/delays/histograms.ts'
import { type DelaysSnapshot, delaysReport } from '../../src/delays/report.ts'
import { renderDelays } from '../../src/show/delays.ts'

const MINUTE = 60_000
const GROUPS = [{ on: 'click', needsValue: false }]
const RULES = {
  labels: [
    { name: 'click', on: 'click', withinMs: 10 * MINUTE, needsValue: false },
    { name: 'buy', on: 'buy', withinMs: 20 * MINUTE, needsValue: false },
  ],
  latenessMs: 10 * MINUTE,
  outOfOrdernessMs: 5000,
}

function snapshot(delaysMs: readonly number[], pendingViews: number): DelaysSnapshot {
  const histograms = new DelayHistograms(GROUPS, 60 * MINUTE)
  for (const delayMs of delaysMs) histograms.record(0, delayMs)
  return {
    node: 'a',
    sinceMs: 1,
    horizonMs: 60 * MINUTE,
    reachMs: 60 * MINUTE,
    sealedViews: 100,
    pendingViews,
    stateBytes: pendingViews * 300,
    rules: RULES,
    groups: histograms.encode(),
  }
}

test('a window misses the views whose first engagement comes after it, on all nodes together', () => {
  const nodes = [snapshot([1000, 4 * MINUTE], 300), snapshot([15 * MINUTE, 50 * MINUTE], 600)]
  const [click, buy] = delaysReport(nodes, [5 * MINUTE, 10 * MINUTE, 60 * MINUTE]).labels
  expect(click.positives).toBe(4)
  expect(click.windows.map((window) => [window.missed, window.missedShare])).toEqual([
    [2, 0.5],
    [2, 0.5],
    [0, 0],
  ])
  expect(click.windows.map((window) => window.isCurrent)).toEqual([false, true, false])
  expect(buy.positives).toBe(0)
  expect(buy.p50Ms).toBeNull()
  expect(buy.windows.every((window) => window.missedShare === null)).toBe(true)
})

test('only a window beyond the longest one costs state and time', () => {
  const [click] = delaysReport([snapshot([1000], 900)], [5 * MINUTE, 60 * MINUTE]).labels
  const [shorter, longer] = click.windows
  expect([shorter.extraPendingViews, shorter.extraStateBytes, shorter.sampleDelayMs]).toEqual([
    0,
    0,
    30 * MINUTE + 5000,
  ])
  // What lay there for 30 minutes would lie there for 70.
  expect([longer.extraPendingViews, longer.extraStateBytes]).toEqual([1200, 360_000])
  expect(longer.sampleDelayMs).toBe(70 * MINUTE + 5000)
})

test('candidates are round windows around the current one, up to the horizon', () => {
  const [click] = delaysReport([snapshot([500, 3000, 40 * MINUTE], 10)]).labels
  const windows = click.windows.map((window) => window.windowMs)
  expect(windows).toContain(10 * MINUTE)
  expect(windows).toContain(60 * MINUTE)
  expect(Math.max(...windows)).toBeLessThanOrEqual(60 * MINUTE)
  expect(windows).toEqual([...windows].sort((a, b) => a - b))
  expect(click.buckets.reduce((total, bucket) => total + bucket.count, 0)).toBe(3)
})

test('people read a table, a curve and where the window stands', () => {
  const text = renderDelays(delaysReport([snapshot([1000, 30_000, 15 * MINUTE], 10)]))
  expect(text).toContain('click (on click, within 10m 0s): 3 positives')
  expect(text).toMatch(/10m 0s.*33\.33 %.*now/)
  expect(text).toContain('^ window')
  expect(text).toContain('100 %')
  expect(text).toContain('buy (on buy, within 20m 0s): 0 positives')
})
