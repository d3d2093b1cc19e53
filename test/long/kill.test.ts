/** 300 kills: FAULTS.md, rows 1, 3 and 7, on one node. */
import { it } from 'vitest'
import { expectAllHarms, expectKills } from '../support/crashKills.ts'
import { crashTest } from '../support/crashTest.ts'

const RUNS = [
  ['kafka', 101],
  ['kafka', 102],
  ['kafka', 103],
  ['kafka', 104],
  ['embedded', 105],
  ['embedded', 106],
] as const
/** 300 in all. */
const KILLS = 50

it.each(RUNS)('a node that is killed 50 times on the %s log loses and changes nothing (seed %i)', async (log, seed) => {
  const { run, outcome } = await crashTest({ log, seed, kills: KILLS })
  expectKills(run, outcome, KILLS)
  expectAllHarms(run)
})
