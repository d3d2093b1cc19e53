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

describe('a partition without a leader', () => {
  /** Of a topic whose partition 1 has no leader until its metadata was asked for so often. */
  function endsOf(ledAfter: number): Lookup {
    let asked = 0
    const cluster = {
      addMultipleTargetTopics: async () => {},
      refreshMetadataIfNecessary: async () => {},
      refreshMetadata: async () => void asked++,
      findTopicPartitionMetadata: () => [0, 1].map((partitionId) => ({ partitionId })),
      fetchTopicsOffset: async ([{ topic, partitions, fromBeginning }]: Asked[]) => {
        const led = partitions.filter(({ partition }) => partition === 0 || asked >= ledAfter)
        return [{ topic, partitions: led.map((each) => ({ ...each, offset: fromBeginning ? '3' : '8' })) }]
      },
    }
    return new Lookup({ [Symbol('private:Kafka:createCluster')]: () => cluster } as unknown as Client)
  }

  interface Asked {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number }[]
    readonly fromBeginning: boolean
  }

  const first = { topic: 'away', partition: 0, low: 3, high: 8 }

  it('is left out of the ends where that is asked for', async () => {
    expect(await endsOf(2).ends(['away'], 'led')).toEqual([first])
  })

  it('is waited for where all ends are', async () => {
    expect(await endsOf(2).ends(['away'])).toEqual([first, { ...first, partition: 1 }])
  })
})
