/**
 * kill -9 at any moment on a real broker, with the journal whole, absent, deleted, damaged, older and newer: no sample
 * missing, none wrong, repeated ones byte for byte equal, the ledger as if nothing had happened.
 */
import { it } from 'vitest'
import { sharedBroker } from '../support/broker.ts'
import { expectAllHarms, expectKills } from '../support/crashKills.ts'
import { crashTest } from '../support/crashTest.ts'

const KILLS = 20

it('a node that is killed at random on Kafka loses and changes nothing', { timeout: 600_000 }, async () => {
  const { brokers } = await sharedBroker()
  const { run, outcome } = await crashTest({ log: 'kafka', brokers, seed: 1, kills: KILLS })
  expectKills(run, outcome, KILLS)
  expectAllHarms(run)
})
