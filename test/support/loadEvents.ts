/**
 * The project's own loader: gives events an order of arrival, with disorder and copies from a seed, and writes them to a
 * real broker with kafkajs as it is, keyed by the user's id as text and put where kafkajs's partitioner says.
 *
 * Invariants:
 * 1. No event arrives `boundMs` or more behind its time: none is late to a join with that bound. Copies neither.
 * 2. The order of arrival is the order in each partition: one send of a topic is under way at a time.
 *
 * How it fails: with what the broker says.
 */
import type { Kafka, Producer } from 'kafkajs'
import { newTopics } from './newTopics.ts'
import { plainKafka } from './plainClient.ts'
import { kafkajs } from './plainKafkajs.ts'
import type { Random } from './random.ts'
import type { TestEvent } from './testSource.ts'

/** More in one call make kafkajs slow: it copies the list once a message. */
const SEND_RECORDS = 1000

export interface Disorder {
  readonly random: Random
  readonly boundMs: number
  /** Share of events that come twice. */
  readonly duplicates: number
}

export interface RawRecord {
  readonly key: string
  readonly value: Buffer
  readonly stampMs: number
}

/** Events in the order in which they arrive. */
export function arrivals(events: readonly TestEvent[], { random, boundMs, duplicates }: Disorder): TestEvent[] {
  const waiting: { readonly at: number; readonly event: TestEvent }[] = []
  for (const event of events) {
    waiting.push({ at: event.timeMs + random.next() * boundMs, event })
    if (random.chance(duplicates)) waiting.push({ at: event.timeMs + random.next() * boundMs, event })
  }
  return waiting.sort((a, b) => a.at - b.at).map(({ event }) => event)
}

const { DefaultPartitioner } = kafkajs.Partitioners

/** A user in each partition, of those that `name` gives for 0, 1, 2, ... */
export function userOfEach(partitions: number, name: (i: number) => string): string[] {
  const place = DefaultPartitioner()
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => {
    return { partitionId, partitionErrorCode: 0, leader: 1, replicas: [1], isr: [1] }
  })
  const users = new Map<number, string>()
  for (let i = 0; users.size < partitions; i++) {
    const user = name(i)
    const partition = place({ topic: '', partitionMetadata, message: { key: user, value: null } })
    if (!users.has(partition)) users.set(partition, user)
  }
  return [...users].sort(([a], [b]) => a - b).map(([, user]) => user)
}

export class Loader {
  private readonly client: Kafka
  private readonly producer: Producer

  constructor(brokers: string) {
    this.client = plainKafka(brokers)
    // kafkajs sends a request of which one partition was refused again as a whole: what the others took would be there twice.
    this.producer = this.client.producer({
      createPartitioner: DefaultPartitioner,
      idempotent: true,
      maxInFlightRequests: 1,
    })
  }

  async createTopics(topics: readonly string[], partitions: number): Promise<void> {
    const admin = this.client.admin()
    await admin.connect()
    const configEntries = [{ name: 'retention.ms', value: '-1' }]
    await newTopics(
      admin,
      topics.map((topic) => ({ topic, numPartitions: partitions, configEntries })),
    )
    await admin.disconnect()
    await this.producer.connect()
  }

  async send(topic: string, records: readonly RawRecord[]): Promise<void> {
    for (let from = 0; from < records.length; from += SEND_RECORDS) {
      const messages = records.slice(from, from + SEND_RECORDS).map(({ key, value, stampMs }) => {
        return { key, value, timestamp: String(stampMs) }
      })
      await this.producer.send({ topic, acks: -1, compression: kafkajs.CompressionTypes.LZ4, messages })
    }
  }

  close(): Promise<void> {
    return this.producer.disconnect()
  }
}
