/** What is told of a replay: how much is left, and for how long at the pace so far. */
import { expect, it } from 'vitest'
import { ReplayProgress, recordsBetween } from '../../src/actors/progress.ts'
import { sumOf } from '../../src/cluster/replayReport.ts'

it('tells records and seconds left at the pace of what is being read', () => {
  let nowMs = 0
  const progress = new ReplayProgress(() => nowMs)
  progress.begin('journal', 1_000)
  progress.left(400)
  nowMs = 100
  expect(progress.view).toEqual({
    reading: 'journal',
    recordsRead: 600,
    recordsLeft: 400,
    ratePerS: null,
    secondsLeft: null,
  })
  progress.begin('log', 400)
  nowMs = 2_100
  progress.left(100)
  expect(progress.view).toEqual({
    reading: 'log',
    recordsRead: 300,
    recordsLeft: 100,
    ratePerS: 150,
    secondsLeft: 0.7,
  })
})

it('counts records between positions, and none where one is past the other', () => {
  expect(recordsBetween([5, 20], [15, 10])).toBe(10)
})

it('sums what partitions have left, but not those that are live or stopped', () => {
  const replay = { reading: 'log', recordsRead: 10, recordsLeft: 90, ratePerS: 5, secondsLeft: 18 } as const
  const faster = { ...replay, secondsLeft: null, ratePerS: null }
  const of = (index: number, view: typeof replay | typeof faster | undefined, stoppedBy?: Error) => {
    return { index, replay: view, stoppedBy }
  }
  expect(sumOf([of(0, undefined), of(1, replay, new Error('gone'))])).toBeUndefined()
  expect(sumOf([of(0, replay), of(1, faster), of(2, undefined)])).toEqual({
    partitions: 2,
    recordsRead: 20,
    recordsLeft: 180,
    ratePerS: 5,
    secondsLeft: 18,
  })
})
