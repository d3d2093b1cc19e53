/** Calls that are made again: what a broker says that has just started passes, what stays so is told. */
import { describe, expect, it } from 'vitest'
import type { Client } from '../../../src/log/kafka/internals.ts'
import { Leaders } from '../../../src/log/kafka/leaders.ts'
import { persist } from '../../../src/log/kafka/persist.ts'
import { LogError } from '../../../src/log/port.ts'

/** Leaders of a cluster that knows of `samples/3` once its metadata was asked for so often. */
function leadersOf(knownAfter: number): { leaders: Leaders; asked: () => number } {
  let asked = 0
  const cluster = {
    addMultipleTargetTopics: async () => {},
    refreshMetadataIfNecessary: async () => {},
    refreshMetadata: async () => void asked++,
    isConnected: () => true,
    findTopicPartitionMetadata: () => (asked < knownAfter ? [] : [{ partitionId: 3, leader: 7 }]),
    findBroker: async ({ nodeId }: { nodeId: string }) => `broker ${nodeId}`,
  }
  const client = { [Symbol('private:Kafka:createCluster')]: () => cluster }
  return { leaders: new Leaders(client as unknown as Client), asked: () => asked }
}

function lookFor(leaders: Leaders): Promise<unknown> {
  return persist(() => leaders.brokerOf([{ topic: 'samples', partition: 3 }]), {
    doing: 'appending',
    logger: undefined,
    isOver: () => false,
    recover: () => leaders.refresh(),
  })
}

describe('a partition of which the brokers know no leader', () => {
  it('is looked for again, after what is known was asked for anew', async () => {
    const { leaders } = leadersOf(2)
    expect(await lookFor(leaders)).toBe('broker 7')
  })

  it('is an error where it stays so', async () => {
    const { leaders, asked } = leadersOf(Number.POSITIVE_INFINITY)
    const failed = await lookFor(leaders).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(LogError)
    expect(failed).toMatchObject({ code: 'UNKNOWN_TOPIC', message: 'samples/3 does not exist' })
    expect(asked()).toBe(6)
  })
})
