/** FAULTS.md, rows 1, 3, 4, 5, 7, 10, 14 and 25, on a cluster: `npm run chaos` for more. */
import { it } from 'vitest'
import { chaosTest, expectChaos } from '../chaos/chaosTest.ts'

const FAULTS = 100

it.each([
  ['at-least-once', 101],
  ['exactly-once', 102],
] as const)('a cluster under 100 faults loses and changes nothing, %s', async (delivery, seed) => {
  expectChaos(await chaosTest({ seed, faults: FAULTS, delivery, brokerDownMs: 30_000 }), FAULTS)
})
