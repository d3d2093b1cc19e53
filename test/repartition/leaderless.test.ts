/** One source partition has no leader: the others are rewritten meanwhile, that one once it has one again. */
import { expect, test } from 'vitest'
import { startRepartitioner } from '../../src/repartition/open.ts'
import { leaderlessLog } from '../support/leaderlessLog.ts'
import { until } from '../support/until.ts'
import { PARTITIONS, RepartitionWorld, T } from './world.ts'

const EVENTS = 30

test('holds up no other source partition', { timeout: 60_000 }, async () => {
  const world = await RepartitionWorld.open()
  let isAway = true
  const log = leaderlessLog(world.log, ({ topic, partition }) => isAway && topic === 'views' && partition === 2)
  try {
    const events = Array.from({ length: EVENTS }, (_, k) => {
      return { source: 'views', v: `v${k}`, u: `u${k}`, i: `i${k}`, t: T + k } as const
    })
    const held = (await world.send(events)).filter(({ partition }) => partition === 2).length
    expect(held).toBeGreaterThan(0)
    const logger = { info() {}, warn() {}, error() {} }
    const repartitioner = await startRepartitioner({ config: world.config, log, readers: world.sources, logger })
    const reached = (records: number) =>
      Promise.race([until(`${records} records`, () => repartitioner.records === records), repartitioner.failed])
    await reached(EVENTS - held)
    expect(repartitioner.view.lanes).toHaveLength(2 * (PARTITIONS - 1))
    isAway = false
    await reached(EVENTS)
    await repartitioner.stop()
  } finally {
    await world.remove()
  }
})
