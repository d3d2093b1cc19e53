/** What a replay takes for late, from the log alone and behind a shared snapshot. */
import { expect, test } from 'vitest'
import { LateInReplay } from '../../src/actors/arrival.ts'
import { CLOCK, EventBatch, VIEW } from '../../src/join/event.ts'
import { JoinState } from '../../src/join/state.ts'
import { ToldClocks } from '../../src/join/toldClocks.ts'
import { rulesOf } from '../support/pureJoin.ts'

const RULES = rulesOf({
  partitions: 1,
  sources: ['all'],
  basis: 'event',
  outOfOrdernessMs: 10,
  allowedLatenessMs: 5,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 0,
  maxClockSkewMs: null,
  labels: [{ name: 'click', on: 'click', withinMs: 1, fold: 'any', default: 0 }],
})
const NAMES = ['a 0', 'b 0']

type Told = readonly [name: string, clockMs: number]

/** Views at these times; in place of a time, the clocks that a record tells. */
function lateOf(late: LateInReplay, records: readonly (number | readonly Told[])[]): number[] {
  const batch = new EventBatch()
  batch.reset(records.length, Buffer.alloc(0))
  for (const [i, record] of records.entries()) {
    batch.offset[i] = i
    batch.kind[i] = typeof record === 'number' ? VIEW : CLOCK
    if (typeof record === 'number') batch.timeMs[i] = record
    else
      batch.told.set(
        i,
        record.map(([name, clockMs]) => ({ name, clockMs })),
      )
  }
  const state = new JoinState(RULES, 1)
  // Which records the committed clocks rule out is shown elsewhere: here none.
  state.clocks.highestMs.fill(Number.POSITIVE_INFINITY)
  return [...late.of(state, batch, 0, () => false)]
}

test('what lies behind its own source is late; behind a snapshot from the first record on', () => {
  expect(lateOf(new LateInReplay(RULES, 1), [84, 100, 84, 85])).toEqual([0, 0, 1, 0])
  const behind = new LateInReplay(RULES, 1)
  behind.startAt([100], 90)
  expect(lateOf(behind, [84, 85, 200, 184])).toEqual([1, 0, 0, 1])
})

test('told clocks go on from a snapshot, and move when each has been told again', () => {
  const cold = new LateInReplay(RULES, 1, new ToldClocks(RULES, NAMES))
  expect(lateOf(cold, [84, [['a 0', 200]], 84])).toEqual([0, 0, 0])
  const behind = new LateInReplay(RULES, 1, new ToldClocks(RULES, NAMES))
  behind.startAt([300], 90)
  expect(lateOf(behind, [84, 85, [['a 0', 200]], 85, [['b 0', 150]], 144, 145])).toEqual([1, 0, 0, 0, 0, 1, 0])
})

test('a snapshot makes nothing of the clocks that were told before it was taken up', () => {
  const told = new LateInReplay(RULES, 1, new ToldClocks(RULES, NAMES))
  lateOf(told, [
    [
      ['a 0', 400],
      ['b 0', 400],
    ],
  ])
  told.startAt([300], 90)
  expect(lateOf(told, [84, 85, [['a 0', 200]], 85, [['b 0', 150]], 144, 145])).toEqual([1, 0, 0, 0, 0, 1, 0])
})

test('a snapshot from before there was a clock makes nothing late', () => {
  const told = new LateInReplay(RULES, 1, new ToldClocks(RULES, NAMES))
  told.startAt([null], null)
  expect(lateOf(told, [1, 1_000, 1])).toEqual([0, 0, 0])
})
