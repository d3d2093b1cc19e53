/**
 * Explanations against the oracle: for every sample of generated sets, what is said to have counted gives exactly the
 * labels and delays of the sample, and every engagement is told in the bucket that the oracle has it in.
 */
import { describe, expect, test } from 'vitest'
import { Rerun } from '../../src/explain/rerun.ts'
import { concerning, tellEngagement, tellLabels } from '../../src/explain/tell.ts'
import type { SeenView } from '../../src/explain/witness.ts'
import type { ExplainedEngagement, ExplainedLabel } from '../../src/inspect/explanation.ts'
import { EventBatch } from '../../src/join/event.ts'
import { type Generated, generate, type OracleSample, runOracle } from '../oracle/run.ts'
import { identityOf } from '../support/joinStreams.ts'
import { fillBatch, type OracleConfig, type OracleEvent, rulesOf } from '../support/pureJoin.ts'
import { Random } from '../support/random.ts'

interface Stream {
  readonly name: string
  readonly options: Readonly<Record<string, number>>
  readonly change?: (stream: Generated, random: Random) => Generated
}

const VIEWS = { views: 220, users: 6 }
const STREAMS: readonly Stream[] = [
  { name: 'with copies', options: { ...VIEWS, copies: 0.3 } },
  { name: 'beyond the bound', options: { ...VIEWS, beyond: 0.2 } },
  {
    name: 'of few users, items and of many sources',
    options: { ...VIEWS, users: 2, items: 2, sources: 4, beyond: 0.1 },
  },
  { name: 'with ticks and events ahead of the clock', options: { ...VIEWS, beyond: 0.05 }, change: withTicks },
]

function withTicks({ config, events }: Generated, random: Random): Generated {
  return {
    config: { ...config, maxClockSkewMs: 60_000 },
    events: events.flatMap((e): OracleEvent[] => {
      if (e.end === true) return [e]
      const time = random.chance(0.03) ? e.time! + 20_000_000 : e.time!
      const tick = random.chance(0.03) ? [{ watermark: e.time! + random.below(60_000) - 50_000, partition: 0 }] : []
      return [{ ...e, time, now: 5_000_000 }, ...tick]
    }),
  }
}

const placeOf = (e: { source?: number; offset?: number }): string => `${e.source}:${e.offset}`

function rerunUser(config: OracleConfig, events: readonly OracleEvent[], user: string, batchSize: number): Rerun {
  const aheadMs = config.maxClockSkewMs
  const quarantined = new Set(
    events.filter((e) => aheadMs !== null && e.time! > (e.now ?? 0) + aheadMs).map((e) => placeOf(e)),
  )
  const rerun = new Rerun({
    rules: rulesOf(config),
    sources: config.sources.length,
    partition: 0,
    partitions: 1,
    user: Buffer.from(user),
    isQuarantined: (source, offset) => quarantined.has(placeOf({ source, offset })),
    highestMs: config.sources.map(() => Number.POSITIVE_INFINITY),
  })
  const batch = new EventBatch()
  let waiting: OracleEvent[] = []
  const flush = (): void => {
    if (waiting.length === 0) return
    fillBatch(batch, waiting)
    rerun.take(waiting[0].source!, batch)
    waiting = []
  }
  for (const e of events) {
    if (waiting.length >= batchSize || (waiting.length > 0 && waiting[0].source !== e.source)) flush()
    if (e.end === true) rerun.tick(Number.POSITIVE_INFINITY)
    else if (e.watermark !== undefined) rerun.tick(e.watermark)
    else waiting.push(e)
  }
  return rerun
}

/** The fold of SEMANTICS.md section 2 over what the explanation says has counted, apart from the join's own. */
function foldAgain(label: ExplainedLabel, fallback: number | null, counted: readonly ExplainedEngagement[]) {
  if (counted.length === 0) return { value: fallback, delayMs: null }
  const values = counted.map(({ value }) => (value ?? Number.NaN) + 0)
  const by: Record<string, () => number> = {
    any: () => 1,
    count: () => counted.length,
    max: () => Math.max(...values),
    sum: () => values.slice(1).reduce((sum, value) => sum + value, values[0]),
  }
  // `first` and `last` at a tie hang on identities: whatever is there at that time may stand.
  const edge = label.fold === 'first' ? counted[0].timeMs : counted.at(-1)!.timeMs
  const atEdge = counted.filter(({ timeMs }) => timeMs === edge).map(({ value }) => value)
  const value =
    by[label.fold] === undefined ? (atEdge.includes(label.value) ? label.value : atEdge[0]) : by[label.fold]()
  return { value, delayMs: Math.max(0, Math.min(...counted.map(({ delayMs }) => delayMs))) }
}

describe.each(STREAMS.map((stream, i) => ({ ...stream, seed: 40 + i })))('a stream $name', (stream) => {
  const made = generate(stream.seed, stream.options)
  const { config, events } = stream.change?.(made, new Random(stream.seed)) ?? made
  const expected = runOracle(config, events)
  const users = [...new Set(events.flatMap((e) => (e.user === undefined ? [] : [e.user])))]
  const reruns = new Map(users.map((user, i) => [user, rerunUser(config, events, user, [1, 7, 500][i % 3])]))
  const options = { rules: rulesOf(config), topics: config.sources, partition: 0, cutMs: null }
  const explained = (sample: OracleSample) => {
    const { witness } = reruns.get(sample.user_id)!
    const view = witness.views.find(({ offset }) => offset === sample.offset) as SeenView
    const { shown } = concerning(view, witness.engagements)
    return { view, labels: tellLabels(view, view.seal!.values, shown, options), shown, witness }
  }

  test('every sample is explained, with its labels and delays', () => {
    expect(expected.samples.length).toBeGreaterThan(180)
    for (const sample of expected.samples) {
      const { view, labels } = explained(sample)
      expect(view.sampleId).toBe(sample.sample_id)
      expect(view.late).toBe(sample.late_view)
      expect(Object.fromEntries(labels.map(({ name, value }) => [name, value]))).toEqual(sample.labels)
      expect(Object.fromEntries(labels.map(({ name, delayMs }) => [name, delayMs]))).toEqual(sample.delays_ms)
    }
  })

  test('what is said to have counted gives these labels and delays, and no other does', () => {
    let counted = 0
    for (const sample of expected.samples) {
      const { view, labels, shown } = explained(sample)
      const told = shown.map((e) => tellEngagement(e, view, options))
      labels.forEach((label, k) => {
        const own = label.counted.map((i) => told[i])
        counted += own.length
        expect(own.every(({ outcome }) => outcome === 'counted')).toBe(true)
        const { value, delayMs } = foldAgain(label, config.labels[k].default, own)
        if (label.fold === 'sum') expect(label.value).toBeCloseTo(value ?? Number.NaN, 6)
        else expect(label.value).toBe(value)
        expect(label.delayMs).toBe(delayMs)
      })
    }
    expect(counted).toBeGreaterThan(50)
  })

  test('every engagement is in the bucket that the oracle has it in', () => {
    const seen = [...reruns.values()].flatMap(({ witness }) => witness.engagements)
    const side = new Map(expected.side.map((e) => [placeOf(e), e.reason]))
    const aside = seen.filter(({ bucket }) => ['late', 'orphan', 'outside'].includes(bucket!))
    expect(aside.map((e) => `${placeOf(e)} ${e.bucket}`).sort()).toEqual(
      [...side].map(([place, reason]) => `${place} ${reason}`).sort(),
    )
    const count = (bucket: string | null): number => seen.filter((e) => e.bucket === bucket).length
    const { engagements, views } = expected.ledger.total
    expect(seen.length).toBe(engagements.in)
    expect({ bound: count('bound'), unused: count('unused'), quarantined: count('quarantined') }).toEqual({
      bound: engagements.bound,
      unused: engagements.unused,
      quarantined: engagements.quarantined,
    })
    expect(count('duplicate')).toBe(engagements.duplicates)
    expect(count(null)).toBe(engagements.undecided)
    const copies = [...reruns.values()].flatMap(({ witness }) => witness.views.flatMap((view) => view.copies))
    expect(copies.length).toBe(views.duplicates)
    expect(copies.filter(({ conflict }) => conflict).length).toBe(views.conflicts)
  })

  test('a copy names the record that it is a copy of', () => {
    const events_ = new Map(events.map((e) => [placeOf(e), e]))
    const copies = [...reruns.values()].flatMap(({ witness }) =>
      witness.engagements.filter(({ bucket }) => bucket === 'duplicate'),
    )
    for (const copy of copies) {
      expect(copy.duplicateOf).not.toBeNull()
      const first = events_.get(placeOf(copy.duplicateOf!))!
      expect(identityOf({ engagementId: null, viewId: null, ...first })).toBe(
        identityOf({ engagementId: null, viewId: null, ...events_.get(placeOf(copy))! }),
      )
    }
    expect(copies.length > 0 || (stream.options.copies ?? 0.1) === 0).toBe(true)
  })

  test('every engagement is told with a sentence, an outcome and, where weighed, its labels', () => {
    const outcomes = new Set<string>()
    for (const sample of expected.samples) {
      const { view, shown } = explained(sample)
      for (const e of shown) {
        const told = tellEngagement(e, view, options)
        outcomes.add(told.outcome)
        expect(told.reason.length).toBeGreaterThan(10)
        expect(told.reason).not.toMatch(/undefined|NaN|null/)
        if (told.outcome === 'counted') expect(told.labels.some(({ verdict }) => verdict === 'counts')).toBe(true)
        if (told.outcome === 'outside') expect(told.labels.some(({ verdict }) => verdict === 'counts')).toBe(false)
      }
    }
    for (const outcome of ['counted', 'outside', 'otherView', 'unused', 'orphan', 'duplicate']) {
      expect(outcomes).toContain(outcome)
    }
  })
})
