/** Reads of one partition: a leader that is not known yet is looked for again, and one that stays unknown is told. */
import { describe, expect, it } from 'vitest'
import type { Client } from '../../../src/log/kafka/internals.ts'
import { Lookup } from '../../../src/log/kafka/lookup.ts'

/** Of a cluster that knows of `late/3` once its metadata was asked for so often. */
function lookupOf(knownAfter: number): { lookup: Lookup; asked: () => number } {
  let asked = 0
  const partition = { highWatermark: '7' }
  const cluster = {
    addMultipleTargetTopics: async () => {},
    refreshMetadataIfNecessary: async () => {},
    refreshMetadata: async () => void asked++,
    findLeaderForPartitions: () => (asked < knownAfter ? {} : { 5: [3] }),
    findBroker: async () => ({ fetch: async () => ({ responses: [{ partitions: [partition] }] }) }),
  }
  const client = { [Symbol('private:Kafka:createCluster')]: () => cluster }
  return { lookup: new Lookup(client as unknown as Client), asked: () => asked }
}

describe('a partition of which the brokers know no leader', () => {
  it('is looked for again, after what is known was asked for anew', async () => {
    const { lookup } = lookupOf(2)
    expect(await lookup.fetch('late', 3, 0)).toEqual({ highWatermark: '7' })
  })

  it('is an error where it stays so', async () => {
    const { lookup, asked } = lookupOf(Number.POSITIVE_INFINITY)
    const code = 'UNKNOWN_TOPIC'
    await expect(lookup.fetch('late', 3, 0)).rejects.toMatchObject({ code, message: 'late/3 does not exist' })
    expect(asked()).toBe(6)
  })
})
