import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Label } from '../../src/config/model.ts'
import { closingEvents } from '../../src/generate/closing.ts'
import { type Answer, ENGAGEMENTS, type GeneratedEvent, type GenerateOptions, VIEWS } from '../../src/generate/event.ts'
import { generateEvents } from '../../src/generate/events.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { type OracleConfig, PureJoin } from '../support/pureJoin.ts'

const FOLDS = ['any', 'first', 'last', 'max', 'sum', 'count'] as const

const LABELS: Label[] = [
  { name: 'click', on: 'click', withinMs: 600_000, fold: 'any', default: 0 },
  { name: 'clicks', on: 'click', withinMs: 60_000, fold: 'count', default: null },
  ...FOLDS.map((fold, i) => ({
    name: `watch_${fold}`,
    on: 'watch',
    withinMs: 300_000 + i,
    fold,
    default: i % 2 ? null : 0,
  })),
]

const BASE: GenerateOptions = {
  views: 400,
  users: 20,
  seed: 7,
  startMs: 1_700_000_000_000,
  spanMs: 3_600_000,
  labels: LABELS,
  types: [
    { name: 'click', rate: 0.5, namedShare: 0.7, valuedShare: 0 },
    { name: 'watch', rate: 0.5, namedShare: 0.7, valuedShare: 0.9 },
    { name: 'skip', rate: 0.1, namedShare: 0.7, valuedShare: 0.9 },
  ],
  clockSkewToleranceMs: 0,
  disorderMs: 5000,
  duplicates: 0.2,
  repeats: 0.3,
  viewIds: true,
  numericIds: false,
  resolutionMs: 1,
}

const RULES = { partitions: 3, types: ['click'], outOfOrdernessMs: 5000, allowedLatenessMs: 15_000 }

function answersOf(events: readonly GeneratedEvent[]): Answer[] {
  return events.flatMap((event) => event.answer ?? [])
}

/** What the project's join makes of the events, with as much disorder allowed as they have. */
function joined(options: GenerateOptions, events: readonly GeneratedEvent[], allowedLatenessMs: number): PureJoin {
  const config: OracleConfig = {
    partitions: 1,
    sources: ['views', 'engagements'],
    basis: 'event',
    outOfOrdernessMs: options.disorderMs,
    allowedLatenessMs,
    clockSkewToleranceMs: options.clockSkewToleranceMs,
    rememberSealedMs: 60_000,
    maxClockSkewMs: null,
    unseen: 'hold',
    labels: [...options.labels],
  }
  const join = new PureJoin(config)
  const offsets = [0, 0]
  for (const { source, user, timeMs, fields } of events) {
    const { viewId, itemId, type, value } = fields
    const kind = source === VIEWS ? {} : { type, value }
    join.take([{ source, offset: offsets[source]++, user, item: itemId, viewId, time: timeMs, ...kind }])
  }
  join.end()
  return join
}

function comparable(answer: Answer) {
  return {
    sample_id: answer.sampleId,
    user_id: answer.userId,
    item_id: answer.itemId,
    view_time: answer.timeMs,
    labels: Object.fromEntries(answer.labels),
    delays_ms: Object.fromEntries(answer.delaysMs),
    late_view: false,
  }
}

function byId<T extends { sample_id: string }>(samples: readonly T[]): T[] {
  return [...samples].sort((a, b) => (a.sample_id < b.sample_id ? -1 : 1))
}

/** Its generator once drew a value of -0. */
const MINUS_ZERO = {
  seed: 1_073_189_820,
  viewIds: true,
  namedShare: 0,
  clockSkewToleranceMs: 0,
  resolutionMs: 1,
  disorderMs: 0,
  allowedLatenessMs: 0,
  spanMs: 60_000,
}

test('the known answer is what the join makes of the events, with every fold, disorder and copies', () => {
  const choices = fc.record({
    seed: fc.nat(),
    viewIds: fc.boolean(),
    namedShare: fc.constantFrom(0, 0.5, 1),
    clockSkewToleranceMs: fc.constantFrom(0, 2000),
    resolutionMs: fc.constantFrom(1, 1000),
    disorderMs: fc.constantFrom(0, 5000, 60_000),
    allowedLatenessMs: fc.constantFrom(0, 15_000),
    spanMs: fc.constantFrom(60_000, 36_000_000),
  })
  fc.assert(
    fc.property(choices, ({ namedShare, allowedLatenessMs, ...some }) => {
      const types = BASE.types.map((type) => ({ ...type, namedShare }))
      const options = { ...BASE, ...some, types, views: 150 }
      const events = [...generateEvents(options)]
      const join = joined(options, events, allowedLatenessMs)
      const samples = join.samples.map(({ offset: _o, view: _v, ...sample }) => sample)
      expect(byId(samples)).toEqual(byId(answersOf(events).map(comparable)))
      expect(join.ledger).toMatchObject({ conflicts: 0, lateViews: 0 })
    }),
    { numRuns: 60, examples: [[MINUS_ZERO]] },
  )
})

describe('generated events', () => {
  const events = [...generateEvents(BASE)]

  test('follow from the seed', () => {
    expect([...generateEvents(BASE)]).toEqual(events)
    expect([...generateEvents({ ...BASE, seed: 8 })]).not.toEqual(events)
  })

  test('have as many distinct views as were asked for, each with its answer once', () => {
    const ids = answersOf(events).map((answer) => answer.sampleId)
    expect(ids).toHaveLength(BASE.views)
    expect(new Set(ids).size).toBe(BASE.views)
  })

  test('come in the order of arrival, none further behind than the disorder', () => {
    const highest = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
    let lastMs = 0
    let behind = 0
    for (const event of events) {
      expect(event.arrivalMs).toBeGreaterThanOrEqual(lastMs)
      lastMs = event.arrivalMs
      expect(event.timeMs).toBeGreaterThanOrEqual(highest[event.source] - BASE.disorderMs)
      if (event.timeMs < highest[event.source]) behind++
      highest[event.source] = Math.max(highest[event.source], event.timeMs)
    }
    expect(behind).toBeGreaterThan(10)
  })

  test('have copies, repeated views, engagements with and without view ids and values, and orphans', () => {
    const copies = events.length - new Set(events.map((event) => event.number)).size
    expect(copies / events.length).toBeGreaterThan(0.1)
    const views = events.filter((event) => event.answer !== undefined)
    expect(new Set(views.map((event) => `${event.user} ${event.fields.itemId}`)).size).toBeLessThan(BASE.views * 0.9)
    const engagements = events.filter((event) => event.source === ENGAGEMENTS)
    expect(new Set(engagements.map((event) => event.fields.type))).toEqual(new Set(['click', 'watch', 'skip']))
    for (const field of ['viewId', 'value'] as const) {
      expect(new Set(engagements.map((event) => event.fields[field] === null))).toEqual(new Set([true, false]))
    }
    const viewed = new Set(views.map((event) => `${event.user} ${event.fields.itemId}`))
    expect(engagements.some((event) => !viewed.has(`${event.user} ${event.fields.itemId}`))).toBe(true)
  })

  test('give every label both outcomes, and values at the very end of windows', () => {
    const answers = answersOf([...generateEvents({ ...BASE, views: 5000, users: 500 })])
    for (const label of LABELS) {
      const delays = answers.map((answer) => answer.delaysMs.get(label.name)!)
      expect(delays).toContain(null)
      expect(delays.some((delay) => delay !== null)).toBe(true)
    }
    const longest = answers.map((answer) => answer.delaysMs.get('click'))
    expect(longest).toContain(600_000)
  })

  test('without view ids are known by user, item and time', () => {
    const without = [...generateEvents({ ...BASE, viewIds: false })]
    expect(without.every((event) => event.fields.viewId === null)).toBe(true)
    const view = without.find((event) => event.answer !== undefined)!
    expect(view.answer!.sampleId).toBe(`${view.user}:${view.fields.itemId}:${view.timeMs}`)
  })

  test('have ids that fit an int where they must be numbers', () => {
    const closing = closingEvents({ ...BASE, numericIds: true }, RULES, 0)
    const numeric = [...generateEvents({ ...BASE, numericIds: true }), ...closing]
    for (const { user, fields } of numeric) {
      for (const id of [user, fields.itemId, fields.viewId ?? '0']) {
        expect(String(Number(id) | 0)).toBe(id)
      }
    }
  })
})

describe('closing events', () => {
  const events = [...generateEvents(BASE)]
  const lastMs = Math.max(...events.map((event) => event.timeMs))
  const closing = [...closingEvents(BASE, RULES, lastMs)]

  test('are one view and one engagement in each partition', () => {
    const partitionsOf = (source: number) =>
      closing
        .filter((event) => event.source === source)
        .map(({ key }) => partitionOf(murmur2(Buffer.from(key), 0, key.length), RULES.partitions))
    expect(partitionsOf(VIEWS)).toEqual([0, 1, 2])
    expect(partitionsOf(ENGAGEMENTS)).toEqual([0, 1, 2])
  })

  test('let the watermark pass the deadline of every other view, and not their own', () => {
    const watermarkMs = closing[0].timeMs - RULES.outOfOrdernessMs
    expect(watermarkMs).toBeGreaterThan(lastMs + 600_000 + RULES.allowedLatenessMs)
    expect(closing.filter((event) => event.answer?.isClosing)).toHaveLength(3)
  })
})
