/** What `npm run chaos` runs (scripts/chaos.mjs says what is asked for): one long chaos run. */
import { it } from 'vitest'
import { type ChaosTest, chaosTest, expectChaos } from './chaosTest.ts'

const asked = JSON.parse(process.env.POSTVIEW_CHAOS ?? 'null') as ChaosTest | null

it('a cluster under faults loses and changes nothing', async () => {
  if (asked === null) throw new Error('start it by `npm run chaos`')
  expectChaos(await chaosTest(asked), asked.faults)
})
