import { expect, test } from 'vitest'
import { Pump } from '../../src/actors/pump.ts'

test('whoever comes while it runs waits until there is nothing left to take', async () => {
  const waiting = [1, 2, 3]
  const taken: number[] = []
  const pump = new Pump(
    () => waiting.shift(),
    async (one) => {
      await new Promise(setImmediate)
      taken.push(one)
    },
  )
  void pump.run()
  waiting.push(4)
  await pump.run()
  expect(taken).toEqual([1, 2, 3, 4])
  waiting.push(5)
  await pump.run()
  expect(taken).toEqual([1, 2, 3, 4, 5])
})

test('a failure ends the run, and the next run goes on', async () => {
  const waiting = [1, 2]
  const taken: number[] = []
  const pump = new Pump(
    () => waiting.shift(),
    async (one) => {
      if (one === 1) throw new Error('told elsewhere')
      taken.push(one)
    },
  )
  await pump.run()
  expect(taken).toEqual([])
  await pump.run()
  expect(taken).toEqual([2])
})

test('of many that run at once, one takes in a turn of the event loop, so that others are heard in between', async () => {
  let taken = 0
  const pumps = Array.from({ length: 8 }, () => {
    let left = 20
    return new Pump(
      () => (left-- > 0 ? left : undefined),
      async () => void taken++,
    )
  })
  const done = Promise.all(pumps.map((pump) => pump.run()))
  expect(taken).toBe(8) // the first of each begins at once
  let most = 0
  for (let before = taken; taken < 160; before = taken) {
    await new Promise(setImmediate)
    most = Math.max(most, taken - before)
  }
  await done
  expect(most).toBe(1)
})
