/**
 * A real broker around a node that is killed, seen through kafkajs as it is: nothing of the product's own client reads
 * or writes here.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, Kafka, Producer } from 'kafkajs'
import { ALL, GROUP, PARTITIONS, TOPICS } from './crashPipeline.ts'
import type { CommitState, CrashWorld, LogRecord } from './crashWorld.ts'
import { newTopics } from './newTopics.ts'
import { kafkajs } from './plainKafkajs.ts'
import type { RawEvent } from './traffic.ts'

const SESSION_MS = 1_000
const TRIES = 10

/** Rides out a broker that is killed and started again. */
const RETRY = { retries: 400, initialRetryTime: 100, maxRetryTime: 500 }

/** `keyedBy` item: the sources' records are repartitioned. */
export async function openKafkaWorld(
  brokers: string,
  partitions = PARTITIONS,
  keyedBy: 'user' | 'item' = 'user',
): Promise<KafkaWorld> {
  const client = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING, retry: RETRY })
  const admin = client.admin()
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await Promise.all([admin.connect(), producer.connect()])
  await newTopics(
    admin,
    TOPICS.map((topic) => ({ topic, numPartitions: partitions, replicationFactor: 1 })),
  )
  return new KafkaWorld(brokers, partitions, keyedBy, client, admin, producer)
}

export class KafkaWorld implements CrashWorld {
  readonly brokers: string
  readonly partitions: number
  readonly takesGarbage = true
  nodeUrl: string | undefined
  /** The topics that are joined. */
  readonly joined: readonly string[]
  private readonly keyedBy: 'user' | 'item'
  private readonly client: Kafka
  private readonly admin: Admin
  private readonly producer: Producer
  private groups = 0

  constructor(
    brokers: string,
    partitions: number,
    keyedBy: 'user' | 'item',
    client: Kafka,
    admin: Admin,
    producer: Producer,
  ) {
    this.brokers = brokers
    this.partitions = partitions
    this.keyedBy = keyedBy
    this.joined = keyedBy === 'user' ? TOPICS : [ALL]
    this.client = client
    this.admin = admin
    this.producer = producer
  }

  async send(events: readonly RawEvent[]): Promise<void> {
    const topicMessages = TOPICS.map((topic, source) => ({
      topic,
      messages: events
        .filter((event) => event.source === source)
        .map((event) => ({ key: event[this.keyedBy], value: event.value, timestamp: String(event.arrivalMs) })),
    })).filter(({ messages }) => messages.length > 0)
    if (topicMessages.length > 0) await this.producer.sendBatch({ topicMessages, acks: -1 })
  }

  usersByPartition(): readonly string[] {
    const partitionOf = kafkajs.Partitioners.DefaultPartitioner()
    const partitionMetadata = Array.from({ length: this.partitions }, (_, partitionId) => ({ partitionId, leader: 1 }))
    const users: string[] = []
    for (let k = 0; Object.keys(users).length < this.partitions; k++) {
      const key = `closing-${k}`
      const partition = partitionOf({
        topic: '',
        partitionMetadata: partitionMetadata as never,
        message: { key, value: '' },
      })
      users[partition] ??= key
    }
    return users
  }

  async committed(): Promise<readonly CommitState[]> {
    const answer = await tried(() => this.admin.fetchOffsets({ groupId: GROUP, topics: [...this.joined] }))
    return answer.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset, metadata }) => {
        return { topic, partition, offset: Number(offset), metadata: metadata ?? '' }
      }),
    )
  }

  /** Joins the group, commits, and leaves. Until the killed member's session has run out the group refuses others. */
  rollBack(commits: readonly CommitState[]): Promise<void> {
    return tried(() => this.commitAsMember(commits))
  }

  private async commitAsMember(commits: readonly CommitState[]): Promise<void> {
    const consumer = this.client.consumer({ groupId: GROUP, sessionTimeout: SESSION_MS, heartbeatInterval: 200 })
    await consumer.connect()
    try {
      await consumer.subscribe({ topics: [...this.joined] })
      const joined = new Promise<void>((resolve, reject) => {
        consumer.on(consumer.events.GROUP_JOIN, () => resolve())
        consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      })
      joined.catch(() => {})
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} })
      await joined
      await consumer.commitOffsets(commits.map((commit) => ({ ...commit, offset: String(commit.offset) })))
    } finally {
      await consumer.disconnect()
    }
  }

  /** By partition: where the topic ends, for a reader of everything. */
  async ends(topic: string): Promise<readonly number[]> {
    const ends: number[] = []
    for (const { partition, high } of await this.admin.fetchTopicOffsets(topic)) ends[partition] = Number(high)
    return ends
  }

  async readAll(topic: string): Promise<readonly LogRecord[]> {
    const told = await this.admin.fetchTopicOffsets(topic)
    const ends = new Map(told.filter(({ low, high }) => low !== high).map((end) => [end.partition, Number(end.high)]))
    const left = new Map(ends)
    const records: LogRecord[] = []
    if (left.size === 0) return records
    const groupId = `reader-${topic}-${Date.now()}-${this.groups++}`
    // Committed records only, which is kafkajs's own default.
    const consumer = this.client.consumer({ groupId, maxWaitTimeInMs: 100, readUncommitted: false })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      const eachBatch = async ({ batch }: { batch: import('kafkajs').Batch }): Promise<void> => {
        for (const message of batch.messages) {
          if (Number(message.offset) < (ends.get(batch.partition) ?? 0))
            records.push(recordOf(batch.partition, message))
        }
      }
      // Told also of what `eachBatch` is not: the ends of transactions, and those that were aborted.
      consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
        if (Number(lastOffset) + 1 >= (left.get(partition) ?? 0)) left.delete(partition)
        if (left.size === 0) resolve()
      })
      consumer.run({ autoCommit: false, eachBatch }).catch(reject)
    })
    await consumer.disconnect()
    return records
  }

  async close(): Promise<void> {
    await Promise.all([this.producer.disconnect(), this.admin.disconnect()])
  }
}

/** A fresh broker has no coordinator of the group yet, and one whose member was killed takes no other for a while. */
async function tried<T>(body: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await body()
    } catch (error) {
      if (tries === TRIES) throw error
      await sleep(SESSION_MS / 2)
    }
  }
}

function recordOf(partition: number, message: import('kafkajs').KafkaMessage): LogRecord {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)] as const)
  return {
    partition,
    offset: Number(message.offset),
    stampMs: Number(message.timestamp),
    key: message.key,
    value: message.value!,
    headers: new Map(headers),
  }
}
