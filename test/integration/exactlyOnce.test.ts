/**
 * Exactly once on a real broker: killed with everything that is done to its journal, and put to sleep past its session.
 * Readers of committed records see no sample twice, and miss none.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { sharedBroker } from '../support/broker.ts'
import { openClusterWorld } from '../support/clusterWorld.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { expectKills } from '../support/crashKills.ts'
import { crashTest } from '../support/crashTest.ts'

const KILLS = 4
const SLEEP_MS = 3_000

it('a node that is killed at random repeats nothing', { timeout: 600_000 }, async () => {
  const { brokers } = await sharedBroker()
  const { run, outcome } = await crashTest({ log: 'kafka', brokers, delivery: 'exactly-once', seed: 1, kills: KILLS })
  expectKills(run, outcome, KILLS, 'exactly-once')
})

it('a node that slept while others had its partitions is fenced: nothing stale of it appears', {
  timeout: 600_000,
}, async () => {
  const cluster = await openClusterWorld(5, 'exactly-once')
  const { run, world } = cluster
  try {
    const nodes = [await run.start('one'), await run.start('two')]
    await run.allLive(2)
    for (const { id } of nodes) {
      await sleep(1_000)
      await run.sleepFor(id, SLEEP_MS)
      await run.allLive(2)
    }
    expect(await run.finish()).toEqual([0, 0])
    const told = nodes.flatMap(({ process }) => process.lines).filter((line) => line.includes('is given up until'))
    expect(told.length).toBeGreaterThan(0)
    const outcome = await checkOutcome(world, { mayRepeat: false })
    expect(outcome.samples).toBeGreaterThan(300)
  } finally {
    await cluster.close()
  }
})
