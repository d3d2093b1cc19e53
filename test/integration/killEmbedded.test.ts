/** kill -9 at any moment on the embedded log: it and its commits die with the node's process. */
import { it } from 'vitest'
import { expectAllHarms, expectKills } from '../support/crashKills.ts'
import { crashTest } from '../support/crashTest.ts'

const KILLS = 12

it('a node that is killed at random on the embedded log loses and changes nothing', { timeout: 600_000 }, async () => {
  const { run, outcome } = await crashTest({ log: 'embedded', seed: 1, kills: KILLS })
  expectKills(run, outcome, KILLS)
  expectAllHarms(run)
})
