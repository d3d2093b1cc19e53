/** Partitions without a leader: the group is asked for the assignment again once one of them has one, and not before. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { endOf, Leaderless } from '../../src/log/leaderless.ts'
import type { Log } from '../../src/log/port.ts'

const AWAY = { topic: 'views', partition: 1 }

let led: number[]
let isAway: boolean
let asked: number
let rejoins: number
let leaderless: Leaderless

const log = {
  ends: async ([topic]: readonly string[]) => {
    asked++
    if (isAway) throw new Error('no broker answers')
    return led.map((partition) => ({ topic, partition, low: 2, high: 5 }))
  },
} as unknown as Log

beforeEach(() => {
  vi.useFakeTimers()
  led = [0]
  isAway = false
  asked = rejoins = 0
  leaderless = new Leaderless({ log, rejoin: () => void rejoins++ })
})
afterEach(() => vi.useRealTimers())

it('asks the group again once, when one of them has a leader', async () => {
  leaderless.wait([AWAY, { topic: 'views', partition: 2 }])
  await vi.advanceTimersByTimeAsync(5_000)
  isAway = true
  await vi.advanceTimersByTimeAsync(5_000)
  expect(rejoins).toBe(0)
  isAway = false
  led = [0, 1]
  await vi.advanceTimersByTimeAsync(60_000)
  expect(rejoins).toBe(1)
})

it('asks it once a number has a leader wherever it had none, and not for each', async () => {
  const ends = vi.fn(async (topics: readonly string[]) =>
    topics.map((topic) => ({ topic, partition: 1, low: 0, high: 1 })),
  )
  let back: readonly string[] = ['views']
  const some = { ends: async (topics: readonly string[]) => ends(topics.filter((topic) => back.includes(topic))) }
  const waiting = new Leaderless({ log: some as unknown as Log, rejoin: () => void rejoins++ })
  waiting.wait([AWAY, { topic: 'samples', partition: 1 }])
  await vi.advanceTimersByTimeAsync(5_000)
  expect(rejoins).toBe(0)
  back = ['views', 'samples']
  await vi.advanceTimersByTimeAsync(5_000)
  expect(rejoins).toBe(1)
})

it('looks no longer for those of an assignment before', async () => {
  leaderless.wait([AWAY])
  leaderless.wait([])
  led = [0, 1]
  await vi.advanceTimersByTimeAsync(60_000)
  expect([asked, rejoins]).toEqual([0, 0])
})

it('tells the end of one partition whatever others lack', async () => {
  expect(await endOf(log, 'views', 0)).toMatchObject({ partition: 0, low: 2, high: 5 })
  const error = { passes: true, message: 'views/1 has no leader' }
  await expect(endOf(log, 'views', 1)).rejects.toMatchObject(error)
})
