/** A user's state: the soonest of each list whatever the order in which they came, and nothing made of the others. */
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { describeUser, type UserDescription } from '../../src/inspect/describeUser.ts'
import { Soonest } from '../../src/inspect/soonest.ts'
import { type OracleConfig, type OracleEvent, PureJoin } from '../support/pureJoin.ts'

const SHOWN = 200
const MANY = 3000

const CONFIG: OracleConfig = {
  partitions: 1,
  sources: ['views', 'engagements'],
  basis: 'event',
  outOfOrdernessMs: 10_000,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 1e9,
  maxClockSkewMs: null,
  labels: [{ name: 'click', on: 'click', withinMs: 100_000, fold: 'any', default: 0 }] as never,
}

const view = (offset: number, time: number): OracleEvent => {
  return { source: 0, offset, user: 'u', item: `i${offset}`, viewId: `v${offset}`, time, bytes: `${offset}` }
}
const click = (offset: number, time: number): OracleEvent => {
  return {
    source: 1,
    offset,
    user: 'u',
    item: 'i0',
    viewId: 'v0',
    type: 'click',
    engagementId: `e${offset}`,
    time,
    bytes: `${offset}`,
  }
}

function described({ state }: PureJoin): UserDescription {
  let user = 0
  state.users.forEach((block) => {
    user = block
  })
  return describeUser(state, user, { topics: CONFIG.sources, partition: 0, watermarkMs: state.lastWatermarkMs })
}

afterEach(() => {
  vi.restoreAllMocks()
})

/** What comes in is in the log's order; times are in another, and some are equal. */
const timeOf = (offset: number): number => (offset * 7919) % 1000

describe('a user of many views', () => {
  it('is told by the soonest of each list, with the counts of all', () => {
    const join = new PureJoin(CONFIG)
    const views = Array.from({ length: MANY }, (_, k) => view(k, timeOf(k)))
    const clicks = Array.from({ length: MANY }, (_, k) => click(k, 2000 + timeOf(k)))
    join.take(views)
    join.take(clicks)
    const told = described(join)
    const soonest = [...views.keys()].sort((a, b) => timeOf(a) - timeOf(b) || a - b).slice(0, SHOWN)
    expect(told).toMatchObject({ pendingCount: MANY, waitingCount: MANY, timersCount: 2 * MANY, rememberedCount: 0 })
    expect(told.pendingViews.map(({ offset }) => offset)).toEqual(soonest)
    expect(told.waiting.map(({ offset }) => offset)).toEqual(soonest)
    expect(told.timers).toHaveLength(SHOWN)
    const due = told.timers.map(({ dueMs }) => dueMs)
    expect(due).toEqual([...due].sort((a, b) => a - b))
    expect(due.at(-1)).toBeLessThanOrEqual(2000 + 1000 + 10_000)
  })

  it('has no text made of what is not shown', () => {
    const join = new PureJoin(CONFIG)
    join.take(Array.from({ length: MANY }, (_, k) => view(k, timeOf(k))))
    const made = vi.spyOn(Buffer.prototype, 'toString')
    expect(described(join).pendingCount).toBe(MANY)
    expect(made.mock.calls.length).toBeLessThanOrEqual(4 * SHOWN)
  })
})

describe('the soonest', () => {
  it('are those that sorting all of them would give', () => {
    const times = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 })
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 12 }), (all, limit) => {
        const soonest = new Soonest(limit)
        for (const [block, timeMs] of all.entries()) soonest.offer(block, timeMs, block % 3, -block)
        const sorted = [...all.keys()].sort((a, b) => all[a] - all[b] || (a % 3) - (b % 3) || b - a)
        expect(soonest.inOrder()).toEqual(sorted.slice(0, limit))
        expect(soonest.offered).toBe(all.length)
      }),
    )
  })
})
