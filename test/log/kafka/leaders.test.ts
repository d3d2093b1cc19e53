/** Where a batch is sent: nowhere yet while its partition has no leader, which passes, unlike a partition that is not there. */
import { expect, it } from 'vitest'
import { isPassing, isUnknownTopic } from '../../../src/log/kafka/errors.ts'
import type { Client } from '../../../src/log/kafka/internals.ts'
import { Leaders } from '../../../src/log/kafka/leaders.ts'

function leadersOf(metadata: readonly { partitionId: number; leader: number }[]): Leaders {
  const cluster = {
    addMultipleTargetTopics: async () => {},
    refreshMetadataIfNecessary: async () => {},
    findTopicPartitionMetadata: () => metadata,
    findBroker: async ({ nodeId }: { nodeId: string }) => nodeId,
  }
  return new Leaders({ [Symbol('private:Kafka:createCluster')]: () => cluster } as unknown as Client)
}

it('knows a leader, and tells one that is away from a partition that does not exist', async () => {
  const leaders = leadersOf([
    { partitionId: 0, leader: 7 },
    { partitionId: 1, leader: -1 },
  ])
  expect([0, 1, 2].map((partition) => leaders.leaderOf('topic', partition))).toEqual([7, undefined, undefined])
  expect(await leaders.brokerOf([{ topic: 'topic', partition: 0 }])).toBe('7')
  const errorOf = (partition: number) =>
    leaders.brokerOf([{ topic: 'topic', partition }]).then(
      () => undefined,
      (error: Error) => error,
    )
  const away = await errorOf(1)
  expect(away).toMatchObject({ code: 'FAILED', passes: true, message: 'topic/1 has no leader' })
  expect([isPassing(away), isUnknownTopic(away)]).toEqual([true, false])
  expect(await errorOf(2)).toMatchObject({ code: 'UNKNOWN_TOPIC', message: 'topic/2 does not exist' })
})
