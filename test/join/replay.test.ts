/**
 * A start: what a live run had at a commit comes back from the log between the lowest needed offsets and the committed
 * ones, and the committed watermark; and what follows is the same to the byte (SEMANTICS.md section 6).
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkState } from '../support/checkState.ts'
import { type Dump, dumpState } from '../support/dumpState.ts'
import {
  type Arrangement,
  arrange,
  batchesOf,
  CALM,
  HARSH,
  type JoinStream,
  joinStreams,
  propertyOptions,
  type Ranges,
  randomOf,
  takeBatch,
} from '../support/joinStreams.ts'
import { type OracleEvent, PureJoin } from '../support/pureJoin.ts'
import type { Random } from '../support/random.ts'

const LONG: Ranges = { ...CALM, events: 80, spreads: [100, 300, 1000] }
const FORGETFUL: Ranges = { ...LONG, bounds: [60, 200], remembers: [0, 1, 20], windows: [0, 20, 60] }

interface Crash {
  readonly live: PureJoin
  readonly replayed: PureJoin
  /** What the live run had and what the replay gave, at the cut. */
  readonly before: Dump
  readonly after: Dump
  /** Where the output of the live run stood at the cut. */
  readonly samplesBefore: number
  readonly sideBefore: number
  readonly recordsReplayed: number
}

/** Runs a stream, starts a second join from a commit at a random batch, and finishes both. */
function crash(stream: JoinStream, how: Arrangement): Crash {
  const random = randomOf(stream, 1)
  const batches = batchesOf(arrange(stream, random, how), () => random.chance(0.2))
  const cut = random.below(batches.length + 1)
  const live = new PureJoin(stream.config)
  for (const batch of batches.slice(0, cut)) takeBatch(live, batch)
  const taken = batches.slice(0, cut).flat()
  const replayed = new PureJoin(stream.config)
  const recordsReplayed = restart(replayed, live, stream, taken, batches.flat(), random)
  checkState(replayed.state)
  const before = dumpState(live.state)
  const after = dumpState(replayed.state)
  const [samplesBefore, sideBefore] = [live.samples.length, live.side.length]
  for (const batch of batches.slice(cut)) {
    takeBatch(live, batch)
    takeBatch(replayed, batch)
    checkState(replayed.state)
  }
  live.end()
  replayed.end()
  expect(replayed.state.arena.usedBytes).toBe(0)
  return { live, replayed, before, after, samplesBefore, sideBefore, recordsReplayed }
}

/** Feeds the log from the lowest needed offsets: the sources anyhow, in any chunks, some twice, some beyond the commit. */
function restart(
  join: PureJoin,
  live: PureJoin,
  stream: JoinStream,
  taken: readonly OracleEvent[],
  log: readonly OracleEvent[],
  random: Random,
): number {
  const { state } = live
  const position = stream.config.sources.map((_, source) => positionOf(taken, source))
  const queues = stream.config.sources.map((_, source) =>
    log.filter((e) => e.source === source && e.offset! >= state.needed[source].lowest(position[source])),
  )
  let records = 0
  const at = queues.map(() => 0)
  for (;;) {
    const open = queues.flatMap((queue, source) => (at[source] < queue.length ? [source] : []))
    if (open.length === 0) break
    const source = random.pick(open)
    const from = random.chance(0.3) ? random.below(at[source] + 1) : at[source]
    const chunk = queues[source].slice(from, at[source] + 1 + random.below(8))
    join.replay(chunk, position[source], state.clocks.watermarkMs)
    records += chunk.filter((e) => e.offset! < position[source]).length
    at[source] = from + chunk.length
  }
  join.finishReplay(state.clocks.watermarkMs, [...state.clocks.highestMs], state.ledger)
  return records
}

function positionOf(taken: readonly OracleEvent[], source: number): number {
  return Math.max(-1, ...taken.filter((e) => e.source === source).map((e) => e.offset!)) + 1
}

describe('a replay from the lowest needed offsets', () => {
  test('gives the state that the live run had, and after it the same samples, side outputs and counts', () => {
    const sums = { pending: 0, bound: 0, undecided: 0, remembered: 0, records: 0, samples: 0 }
    fc.assert(
      fc.property(joinStreams(LONG), (stream) => {
        const { live, replayed, before, after, samplesBefore, sideBefore, recordsReplayed } = crash(stream, {
          copies: 0.3,
        })
        expect(after).toEqual(before)
        expect(replayed.samples).toEqual(live.samples.slice(samplesBefore))
        expect(replayed.side).toEqual(live.side.slice(sideBefore))
        expect(replayed.ledger).toEqual(live.ledger)
        sums.pending += before.pending.length
        sums.bound += before.pending.filter((line) => !line.endsWith('[]]')).length
        sums.undecided += before.undecided.length
        sums.remembered += before.remembered.length
        sums.records += recordsReplayed
        sums.samples += replayed.samples.length
      }),
      propertyOptions(200),
    )
    for (const [name, sum] of Object.entries(sums)) {
      expect([name, sum]).toEqual([name, expect.toSatisfy((n: number) => n > 60)])
    }
  })

  test('brings back no less where little is remembered: what was forgotten may be remembered anew', () => {
    let forgotten = 0
    fc.assert(
      fc.property(joinStreams(FORGETFUL), (stream) => {
        const { live, replayed, before, after, samplesBefore } = crash(stream, {})
        expect({ ...after, remembered: [] }).toEqual({ ...before, remembered: [] })
        expect(after.remembered).toEqual(expect.arrayContaining([...before.remembered]))
        expect(replayed.samples).toEqual(live.samples.slice(samplesBefore))
        forgotten += after.remembered.length - before.remembered.length
      }),
      propertyOptions(200),
    )
    expect(forgotten).toBeGreaterThan(10)
  })

  test('of events beyond the bound has the same views pending, and every view still gives its sample', () => {
    fc.assert(
      fc.property(joinStreams({ ...HARSH, remembers: CALM.remembers }), (stream) => {
        const how = { copies: 0.3, beyond: 0.4, ticks: 0.1, refused: 0.1 }
        const { live, replayed, before, after, samplesBefore } = crash(stream, how)
        const ids = (dump: Dump) => dump.pending.map((line) => (JSON.parse(line) as string[]).slice(0, 3))
        expect(ids(after).sort()).toEqual(ids(before).sort())
        const keys = (samples: PureJoin['samples']) => samples.map((x) => `${x.user_id} ${x.sample_id}`).sort()
        expect(keys(replayed.samples)).toEqual(keys(live.samples.slice(samplesBefore)))
      }),
      propertyOptions(200),
    )
  })
})

describe('a replay', () => {
  const config = { ...fc.sample(joinStreams(CALM), { numRuns: 1, seed: 1 })[0].config, partitions: 2 }
  const view = { source: 0, offset: 0, user: 'u', item: 'i', time: 0 }

  test('passes over what was refused when it was live: ids that are too long, records of another partition', () => {
    const keyed = [0, 1].map((partition) => {
      const join = new PureJoin(config, { partition, partitions: 2 })
      join.replay([view, { ...view, offset: 1, item: 'x'.repeat(8192) }], 10)
      join.finishReplay(-100, [0, 0], join.state.ledger)
      return dumpState(join.state).pending.length
    })
    expect(keyed.sort()).toEqual([0, 1])
  })

  test('leaves what lies at or beyond the committed offset to be read live', () => {
    const join = new PureJoin(config)
    join.replay([view, { ...view, offset: 5, time: 9 }], 5)
    join.finishReplay(-100, [0, 0], join.state.ledger)
    expect(dumpState(join.state).pending).toHaveLength(1)
  })
})
