/**
 * Exactly once on a real broker: killed with everything that is done to its journal, and put to sleep past its session.
 * Readers of committed records see no sample twice, and miss none.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { ownBroker } from '../support/broker.ts'
import { ClusterRun } from '../support/clusterRun.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { expectKills } from '../support/crashRun.ts'
import { crashTest } from '../support/crashTest.ts'
import { openKafkaWorld } from '../support/kafkaWorld.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'

const KILLS = 4
const SLEEP_MS = 3_000

it('a node that is killed at random repeats nothing', { timeout: 240_000 }, async () => {
  const { run, outcome } = await crashTest({ log: 'kafka', delivery: 'exactly-once', seed: 1, kills: KILLS + 2 })
  expectKills(run, outcome, KILLS, 'exactly-once')
})

it('a node that slept while others had its partitions is fenced: nothing stale of it appears', {
  timeout: 240_000,
}, async () => {
  const broker = await ownBroker({ extra: ['group.min.session.timeout.ms=500'] })
  const [program, dir, world] = [await buildProgram(), await tempDir(), await openKafkaWorld(broker.brokers)]
  const run = new ClusterRun(program.folder, world, join(dir.path, 'run'), 5, 'exactly-once')
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
    await run.close()
    await world.close()
    await broker.stop()
    await dir.remove()
    await program.remove()
  }
})
