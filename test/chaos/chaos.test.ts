/**
 * A cluster of three nodes under 15 faults in each delivery mode, each kind at least once (FAULTS.md, row 25). More:
 * `npm run chaos` and test/long/chaos.test.ts.
 */
import { it } from 'vitest'
import { chaosTest, expectChaos } from './chaosTest.ts'

const FAULTS = 15
const LIMIT_MS = 1_200_000

it.each([
  ['at-least-once', 11],
  ['exactly-once', 12],
] as const)('a cluster under faults loses and changes nothing, %s', { timeout: LIMIT_MS }, async (delivery, seed) => {
  expectChaos(await chaosTest({ seed, faults: FAULTS, delivery, brokerDownMs: 3_000 }), FAULTS)
})
