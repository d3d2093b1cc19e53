/**
 * What a partition's history must come to: the samples and the ledger that the pure join makes of the same records,
 * each taken once and in the order of its coming. (The pure join itself is held to the oracle: test/join/oracle.test.ts.)
 */
import { expect } from 'vitest'
import { ledgerToJson } from '../../src/join/ledger.ts'
import { checkSamples } from './crashCheck.ts'
import { ORACLE, PARTITIONS, SAMPLES, TOPICS } from './crashPipeline.ts'
import { eventOf, sampleOf } from './crashRead.ts'
import { committedLedger } from './crashWorld.ts'
import type { History } from './histories.ts'
import { PureJoin } from './pureJoin.ts'

/** Returns how many samples there are, and how many records of them repeat another. */
export async function checkHistory(history: History): Promise<{ samples: number; repeated: number }> {
  const join = new PureJoin(ORACLE, { partition: 0, partitions: PARTITIONS })
  for (const { source, record } of history.records) {
    const event = eventOf(source, record)
    join.take([event.refused ? { ...event, time: 0 } : event])
  }
  const expected = join.samples.map((sample) => ({ ...sample, partition: 0 }))
  const { repeated } = checkSamples((await history.readAll(SAMPLES)).map(sampleOf), expected)
  const { outside, orphan, ...got } = ledgerToJson(committedLedger(await history.committed(), TOPICS[0]))
  const { outside: noOwnersLabel, orphan: noOwner, ...wanted } = ledgerToJson(join.state.ledger)
  // Which of the two it is may hang on what has been forgotten (SEMANTICS.md section 3).
  expect({ ...got, given: outside + orphan }).toEqual({ ...wanted, given: noOwnersLabel + noOwner })
  return { samples: expected.length, repeated }
}
