/** SIGTERM in the middle of traffic: drained, flushed, committed, exit 0 within 10 s; the next start repeats nothing. */
import { expect, it } from 'vitest'
import { sharedBroker } from '../support/broker.ts'
import { crashTest } from '../support/crashTest.ts'

const STOPS = 3

it.each(['embedded', 'kafka'] as const)(
  'a node on the %s log that is told to stop goes on where it was',
  async (log) => {
    const { run, outcome } = await crashTest({
      log,
      brokers: log === 'kafka' ? (await sharedBroker()).brokers : undefined,
      seed: 5,
      kills: STOPS,
      harms: ['none', 'no journal', 'small memory'],
      ending: 'stop',
      // Who leaves in order holds nobody up; who is expelled on a busy machine may repeat what it could not commit.
      sessionTimeout: '10s',
    })
    expect(run.kills.length).toBeGreaterThanOrEqual(STOPS)
    expect(outcome.samples).toBeGreaterThan(100)
    expect(outcome.repeated).toBe(0)
  },
  120_000,
)
