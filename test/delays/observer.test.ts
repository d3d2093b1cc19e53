/** Observed delays against a full count of the same events: real ones, and made ones with all that the rules tell apart. */
import { describe, expect, test } from 'vitest'
import { groupsOf } from '../../src/delays/groups.ts'
import { addUp, DelayHistograms, stepsOf } from '../../src/delays/histograms.ts'
import { DelayObserver } from '../../src/delays/observer.ts'
import type { LabelRule } from '../../src/join/rules.ts'
import { type OracleConfig, type OracleEvent, PureJoin, rulesOf } from '../support/pureJoin.ts'
import { Random } from '../support/random.ts'
import { readTaobao } from '../support/taobao.ts'
import { tempDir } from '../support/tempDir.ts'
import { fullCount } from './fullCount.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** Values that the histogram does not tell apart differ by less than this. */
const PRECISION = 1 / 1000

const label = (name: string, on: string, withinMs: number, fold: LabelRule['fold'] = 'any'): LabelRule => {
  return { name, on, withinMs, fold, default: 0 }
}

const BASE: OracleConfig = {
  partitions: 1,
  sources: ['views', 'engagements'],
  basis: 'event',
  outOfOrdernessMs: 5000,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 2 * MINUTE,
  maxClockSkewMs: null,
  unseen: 'skip',
  labels: [],
}

/** Runs the events through the join, in batches of one source each, and returns the observed first delays per group. */
function observed(config: OracleConfig, events: readonly OracleEvent[], horizonMs: number, memoryBytes = 2 ** 20) {
  const rules = rulesOf(config)
  const groups = groupsOf(rules)
  const histograms = new DelayHistograms(groups, horizonMs)
  const observer = new DelayObserver(rules, histograms, horizonMs, memoryBytes)
  const join = new PureJoin(config)
  let leastReachMs = Number.POSITIVE_INFINITY
  join.observe = (state) => {
    for (let k = 0; k < state.sealed.length; k++) observer.sealed(state, k)
    for (let k = 0; k < state.gaveUp.length; k++) observer.gaveUp(state, k)
    observer.done(state)
    leastReachMs = Math.min(leastReachMs, observer.reachMs)
  }
  const random = new Random(7)
  for (let from = 0; from < events.length; ) {
    let to = from + 1
    const most = from + 1 + random.below(40)
    while (to < most && to < events.length && events[to].source === events[from].source) to++
    join.take(events.slice(from, to))
    from = to
  }
  const lastMs = Math.max(...events.map((event) => event.time!))
  join.watermark(lastMs + 3 * HOUR)
  return {
    groups,
    steps: histograms.encode().map(({ histogram }) => stepsOf(addUp([histogram]))),
    leastReachMs,
  }
}

function expectEqual(steps: readonly { valueMs: number; count: number }[], counted: readonly number[]): void {
  const values = steps.flatMap(({ valueMs, count }) => Array.from({ length: count }, () => valueMs))
  expect(values.length).toBe(counted.length)
  const off = values.filter((value, k) => Math.abs(value - counted[k]) > counted[k] * PRECISION + 1)
  expect(off).toEqual([])
}

function numbered(events: readonly OracleEvent[]): OracleEvent[] {
  const next = [0, 0]
  return events.map((event) => ({ ...event, offset: next[event.source!]++ }))
}

/** Views and engagements after delays from a second to hours, out of order within the bound, some twice. */
function made(seed: number, withIds: boolean): OracleEvent[] {
  const random = new Random(seed)
  const events: OracleEvent[] = []
  for (let v = 0; v < 3000; v++) {
    const viewMs = random.below(6 * HOUR)
    const user = `u${random.below(40)}`
    const item = `i${random.below(30)}`
    const viewId = withIds ? `v${v}` : null
    events.push({ source: 0, user, item, viewId, time: viewMs })
    for (const type of ['click', 'watch', 'share']) {
      for (let n = random.below(3); n > 0; n--) {
        const time = viewMs + Math.floor(1000 * 2 ** (random.next() * 13))
        const value = random.chance(0.5) ? random.below(100) : null
        const named = withIds && random.chance(0.7) ? viewId : null
        events.push({ source: 1, user, item, viewId: named, time, type, value })
      }
    }
  }
  const copies = events.filter(() => random.chance(0.05)).map((event) => ({ ...event }))
  const arrivals = [...events, ...copies].map((event) => ({ event, atMs: event.time! + random.below(4900) }))
  return numbered(arrivals.sort((a, b) => a.atMs - b.atMs).map(({ event }) => event))
}

describe('observed delays are those of a full count', () => {
  const labels = [
    label('click', 'click', 10 * MINUTE),
    label('click_soon', 'click', MINUTE),
    label('watch_ms', 'watch', 30 * MINUTE, 'max'),
    label('watched', 'watch', 5 * MINUTE),
  ]

  test.each([
    ['with view ids', true, 0],
    ['by item alone', false, 0],
    ['with a tolerance for clocks', true, 2000],
  ])('over a generated set, %s', (_, withIds, clockSkewToleranceMs) => {
    const config = { ...BASE, labels, clockSkewToleranceMs }
    const events = made(11, withIds)
    const { groups, steps } = observed(config, events, HOUR)
    expect(groups.map(({ on, needsValue }) => `${on} ${needsValue}`)).toEqual([
      'click false',
      'watch true',
      'watch false',
    ])
    const counted = fullCount(events, groups, clockSkewToleranceMs, HOUR)
    for (const [g, delays] of counted.entries()) {
      expect(delays.length).toBeGreaterThan(500)
      expect(delays.filter((ms) => ms > 40 * MINUTE).length).toBeGreaterThan(20)
      expectEqual(steps[g], delays)
    }
  })

  test('over the real events', async () => {
    const dir = await tempDir()
    const taobao = readTaobao(dir.path)
    const of = (source: number) => (event: (typeof taobao.views)[number]) => {
      return { source, user: event.user, item: event.item, viewId: null, time: event.timeMs, type: event.type }
    }
    const all = [...taobao.views.map(of(0)), ...taobao.engagements.map(of(1))]
    const events = numbered(all.sort((a, b) => a.time - b.time))
    await dir.remove()
    const names = ['cart', 'fav', 'buy']
    const config = { ...BASE, labels: names.map((name) => label(name, name, 5 * MINUTE)) }
    const { groups, steps } = observed(config, events, 2 * HOUR, 8 * 2 ** 20)
    const counted = fullCount(events, groups, 0, 2 * HOUR)
    expect(counted.flat().length).toBeGreaterThan(100)
    expect(counted.flat().filter((ms) => ms > 5 * MINUTE).length).toBeGreaterThan(20)
    for (const [g, delays] of counted.entries()) expectEqual(steps[g], delays)
  })
})

test('where memory ends before the horizon, the reach says so and what is seen is still right', () => {
  const labels = [label('click', 'click', 10 * MINUTE)]
  const events = made(12, true)
  const { steps, groups, leastReachMs } = observed({ ...BASE, labels }, events, 2 * HOUR, 40 * 500)
  expect(leastReachMs).toBeLessThan(2 * HOUR)
  const counted = fullCount(events, groups, 0, 2 * HOUR)[0]
  const seen = steps[0].reduce((total, step) => total + step.count, 0)
  expect(seen).toBeLessThan(counted.length)
  expect(seen).toBeGreaterThanOrEqual(counted.filter((ms) => ms <= 10 * MINUTE).length)
})
