/** kill -9 at any moment on the embedded log, the log and the commits dying with the node's process. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { checkOutcome } from '../support/crashCheck.ts'
import { crashRun } from '../support/crashRun.ts'
import { openEmbeddedWorld } from '../support/embeddedWorld.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'

const KILLS = Number(process.env.POSTVIEW_KILLS ?? 12)
const SEED = Number(process.env.POSTVIEW_SEED ?? 1)

it('a node that is killed at random on the embedded log loses, repeats and changes nothing', { timeout: 200_000 }, async () => {
  const [program, dir] = await Promise.all([buildProgram(), tempDir()])
  const world = openEmbeddedWorld(join(dir.path, 'data'))
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
    await program.remove()
    await dir.remove()
  }
})
