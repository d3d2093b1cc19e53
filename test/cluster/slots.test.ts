/** Work that waits for a slot: never more at a time than there are, in the order of asking, failures included. */
import { expect, it } from 'vitest'
import { Slots } from '../../src/cluster/slots.ts'

it('runs at most so many at a time, in the order of asking, and gives the slot back after a failure', async () => {
  const slots = new Slots(2)
  let running = 0
  let most = 0
  const begun: number[] = []
  const work = (k: number) =>
    slots.run(async () => {
      begun.push(k)
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      if (k === 1) throw new Error('one fails')
      return k
    })
  const settled = await Promise.allSettled([0, 1, 2, 3, 4].map(work))
  expect(begun).toEqual([0, 1, 2, 3, 4])
  expect(most).toBe(2)
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
})
