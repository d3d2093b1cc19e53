/**
 * Reads topics from offset 0 to their ends with kafkajs as it is: the raw events for the oracle, and what a node wrote.
 *
 * Loads no part of src: the product patches kafkajs, and what is read here must not depend on that.
 */
import { randomBytes } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import { plainKafka } from './plainClient.ts'

export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: Buffer
}

/** Hands over every record of the topics; those of a partition in their order. */
export async function readTopics(
  brokers: string,
  topics: readonly string[],
  onRecord: (topic: string, record: ReadRecord) => void,
): Promise<void> {
  const client = plainKafka(brokers)
  const left = await endsOf(client, topics)
  if (left.size === 0) return
  const groupId = `reader-${randomBytes(6).toString('hex')}`
  const consumer = client.consumer({ groupId, maxWaitTimeInMs: 100, maxBytesPerPartition: 4 << 20 })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    void consumer.run({
      autoCommit: false,
      async eachBatch({ batch }) {
        const { topic, partition, messages } = batch
        for (const { offset, key, value } of messages) {
          onRecord(topic, { partition, offset: Number(offset), key: String(key), value: value! })
        }
        const place = `${topic} ${partition}`
        if (Number(batch.lastOffset()) + 1 >= (left.get(place) ?? Number.POSITIVE_INFINITY)) left.delete(place)
        if (left.size === 0) resolve()
      },
    })
  })
  await consumer.disconnect()
}

/** All records of each topic, ordered by partition and offset. */
export async function dumpTopics(brokers: string, topics: readonly string[]): Promise<Map<string, ReadRecord[]>> {
  const dumped = new Map<string, ReadRecord[]>(topics.map((topic) => [topic, []]))
  await readTopics(brokers, topics, (topic, record) => dumped.get(topic)!.push(record))
  for (const records of dumped.values()) records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
  return dumped
}

/** The ends of the partitions that hold anything. */
async function endsOf(client: Kafka, topics: readonly string[]): Promise<Map<string, number>> {
  const admin = client.admin()
  await admin.connect()
  const ends = new Map<string, number>()
  for (const topic of topics) {
    for (const { partition, high } of await admin.fetchTopicOffsets(topic)) {
      if (Number(high) > 0) ends.set(`${topic} ${partition}`, Number(high))
    }
  }
  await admin.disconnect()
  return ends
}
