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
