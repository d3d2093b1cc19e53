/** A repartitioner that is given source partitions while the log is away: it waits for it, as the join does. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LogError } from '../../src/log/port.ts'
import { proxied } from '../support/proxied.ts'
import { RepartitionWorld, T } from './world.ts'

let world: RepartitionWorld
beforeEach(async () => {
  world = await RepartitionWorld.open()
})
afterEach(() => world.remove())

test('a log that does not answer for a while is waited for', { timeout: 30_000 }, async () => {
  const left = { ends: 2, committed: 1 }
  const away = (call: keyof typeof left): boolean => left[call]-- > 0
  const failure = () => new LogError('FAILED', 'the broker is away', { passes: true })
  const log = proxied(world.log, {
    ends: async (topics) => (away('ends') ? Promise.reject(failure()) : world.log.ends(topics)),
    committed: async (...of) => (away('committed') ? Promise.reject(failure()) : world.log.committed(...of)),
  })
  await world.send([{ source: 'views', v: 'v1', u: 'u1', i: 'i1', t: T + 1_000 }])
  await world.start(undefined, log)
  await world.reached('views', 1)
  expect(Math.max(...Object.values(left))).toBeLessThanOrEqual(0)
  await world.stop()
})

test('what does not pass is an error at once', async () => {
  const log = proxied(world.log, { committed: () => Promise.reject(new LogError('FAILED', 'no rights')) })
  await expect(world.start(undefined, log)).rejects.toThrow('no rights')
  await world.node.stop()
})
