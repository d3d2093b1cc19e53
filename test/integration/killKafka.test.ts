/**
 * kill -9 at any moment on a real broker, with the journal whole, absent, deleted, damaged, older and newer: no sample
 * missing, none wrong, repeated ones byte for byte equal, the ledger as if nothing had happened.
 */
import { expect, it } from 'vitest'
import { ownBroker } from '../support/broker.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { crashRun } from '../support/crashRun.ts'
import { openKafkaWorld } from '../support/kafkaWorld.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'

const KILLS = Number(process.env.POSTVIEW_KILLS ?? 20)
const SEED = Number(process.env.POSTVIEW_SEED ?? 1)
const TIMEOUT_MS = 200_000

it('a node that is killed at random on Kafka loses, repeats and changes nothing', { timeout: TIMEOUT_MS }, async () => {
  const [broker, program, dir] = await Promise.all([
    ownBroker({ extra: ['group.min.session.timeout.ms=500'] }),
    buildProgram(),
    tempDir(),
  ])
  const world = await openKafkaWorld(broker.brokers)
  try {
    const run = await crashRun({
      program: program.folder,
      world,
      folder: dir.path,
      seed: SEED,
      kills: KILLS,
      harms: ['none', 'no journal', 'small memory', 'small memory', 'deleted', 'truncated', 'older', 'newer'],
      log: console.log,
    })
    const outcome = await checkOutcome(world)
    console.log(run.kills.length, run.selfEnded, run.garbage, run.skewed, outcome)
    expect(outcome.samples).toBeGreaterThan(KILLS * 50)
  } finally {
    await world.close()
    await broker.stop()
    await program.remove()
    await dir.remove()
  }
})
