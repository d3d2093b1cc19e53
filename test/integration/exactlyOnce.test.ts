/** Exactly once on a real broker, with everything that kills and harms do: no sample twice, none missing. */
import { it } from 'vitest'
import { expectKills } from '../support/crashRun.ts'
import { crashTest } from '../support/crashTest.ts'

const KILLS = 4

it('a node that is killed at random repeats nothing for readers of committed records', {
  timeout: 240_000,
}, async () => {
  const { run, outcome } = await crashTest({ log: 'kafka', delivery: 'exactly-once', seed: 1, kills: KILLS + 2 })
  expectKills(run, outcome, KILLS, 'exactly-once')
})
