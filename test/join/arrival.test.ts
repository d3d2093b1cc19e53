/** The join is a function of sets: the order of arrival within the bound, and copies, change no sample. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  arrange,
  batchesOf,
  CALM,
  HARSH,
  identityOf,
  type JoinStream,
  joinStreams,
  propertyOptions,
  randomOf,
  runJoin,
} from '../support/joinStreams.ts'
import type { OracleEvent, PureSample } from '../support/pureJoin.ts'

describe('the order of arrival', () => {
  test('within the bound changes no sample, nor does any interleaving of the sources or any copy', () => {
    let samples = 0
    let labelled = 0
    fc.assert(
      fc.property(joinStreams(CALM), (stream) => {
        const expected = bySampleId(runJoin(stream.config, inTimeOrder(stream)).samples)
        for (const [salt, copies] of [
          [1, 0],
          [2, 0.5],
          [3, 0.5],
        ]) {
          const random = randomOf(stream, salt)
          const events = arrange(stream, random, { copies })
          const join = runJoin(
            stream.config,
            batchesOf(events, () => random.chance(0.3)),
          )
          expect(bySampleId(join.samples)).toEqual(expected)
          expect(join.ledger.late).toBeGreaterThanOrEqual(0)
          if (copies === 0) expect(join.ledger.late).toBe(0)
        }
        samples += expected.length
        labelled += expected.filter((sample) => Object.values(sample.delays_ms).some((delay) => delay !== null)).length
      }),
      propertyOptions(250),
    )
    expect(samples).toBeGreaterThan(500)
    expect(labelled).toBeGreaterThan(100)
  })

  test('beyond the bound changes no more than late views and labels: every view gives exactly one sample', () => {
    let late = 0
    fc.assert(
      fc.property(joinStreams({ ...HARSH, remembers: CALM.remembers }), (stream) => {
        const random = randomOf(stream, 1)
        const events = arrange(stream, random, { copies: 0.4, beyond: 0.4, ticks: 0.2, refused: 0.1 })
        const join = runJoin(
          stream.config,
          batchesOf(events, () => random.chance(0.3)),
        )
        expect(join.samples.map(keyOf).sort()).toEqual(viewKeys(stream.events))
        late += join.ledger.lateViews
      }),
      propertyOptions(200),
    )
    expect(late).toBeGreaterThan(100)
  })

  test('and copies beyond what is remembered repeat a sample under the same id, and make up none', () => {
    let repeated = 0
    fc.assert(
      fc.property(joinStreams({ ...HARSH, remembers: [0, 1, 20] }), (stream) => {
        const random = randomOf(stream, 1)
        const events = arrange(stream, random, { copies: 0.5, beyond: 0.3, ticks: 0.2 })
        const join = runJoin(
          stream.config,
          batchesOf(events, () => random.chance(0.3)),
        )
        expect([...new Set(join.samples.map(keyOf))].sort()).toEqual(viewKeys(stream.events))
        repeated += join.samples.length - viewKeys(stream.events).length
      }),
      propertyOptions(200),
    )
    expect(repeated).toBeGreaterThan(40)
  })
})

test('zero and minus zero are one value, whichever came first', () => {
  const config = fc.sample(joinStreams(CALM), { numRuns: 1, seed: 1 })[0].config
  const label = { name: 'sum', on: 'click', withinMs: 10, fold: 'sum' as const, default: 0 }
  const view = { source: 0, offset: 0, user: 'u', item: 'i', time: 0 }
  const zero = { source: 1, offset: 0, user: 'u', item: 'i', time: 1, type: 'click', value: 0 }
  const labelOf = (values: readonly number[]) =>
    runJoin({ ...config, labels: [label] }, [[view], values.map((value, offset) => ({ ...zero, value, offset }))])
      .samples[0].labels
  expect(labelOf([-0, 0])).toEqual({ sum: 0 })
  expect(labelOf([0, -0])).toEqual({ sum: 0 })
})

/** All events in the order of their times, each a batch. */
function inTimeOrder(stream: JoinStream): OracleEvent[][] {
  const sorted = [...stream.events].sort((a, b) => a.time! - b.time!)
  const offsets = stream.config.sources.map(() => 0)
  return sorted.map((e) => [{ ...e, offset: offsets[e.source!]++ }])
}

/** Where the view lay in its log is no part of the sample; which copy's bytes came first is not either. */
function bySampleId(samples: readonly PureSample[]): Omit<PureSample, 'offset' | 'view'>[] {
  return samples.map(({ offset: _, view: __, ...sample }) => sample).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

function keyOf(sample: { user_id: string; sample_id: string }): string {
  return JSON.stringify([sample.user_id, sample.sample_id])
}

function viewKeys(events: readonly OracleEvent[]): string[] {
  const views = new Map(events.filter((e) => e.source === 0).map((e) => [identityOf(e), e]))
  const encode = (text: string) => text.replaceAll('%', '%25').replaceAll(':', '%3A')
  return [...views.values()]
    .map((e) => [e.user!, e.viewId ?? `${encode(e.user!)}:${encode(e.item!)}:${e.time}`])
    .map(([user, id]) => JSON.stringify([user, id]))
    .sort()
}
