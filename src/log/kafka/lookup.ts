/**
 * Questions to the brokers outside any group: log ends, and ranges of one partition. Over connections of its own, which
 * stay open, since the ends are asked for several times a second.
 *
 * Trap: a client that reads committed records is told the last stable offset as a log's end. Being caught up is judged
 * by the high watermark, so these connections ask as readers of everything; a range is nevertheless read committed.
 *
 * How it fails: a call rejects with a LogError after some tries; an absent broker is tried again for about a quarter of a
 * minute, an offset that is gone is not.
 */
import { type EndsOf, LogError, type PartitionEnds } from '../port.ts'
import { RETRY } from './client.ts'
import { isPassing, isUnknownTopic, leaderNotAvailable, rootCause, toLogError, unknownPartition } from './errors.ts'
import type { Client, Cluster, FetchedPartition } from './internals.ts'
import { createCluster, createRetry } from './patch.ts'
import { UNKNOWN_TOPIC_TRIES } from './persist.ts'

const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1
const METADATA_MAX_AGE_MS = 60_000
const RANGE_WAIT_MS = 250
/** What a chunk of it needs, inflated, and its segment fit the buffers that are used again. */
const RANGE_BYTES = 1024 * 1024

export class Lookup {
  private readonly cluster: Cluster
  private readonly retry = createRetry(RETRY)
  private closed = false

  constructor(client: Client) {
    this.cluster = createCluster(client, {
      isolationLevel: READ_UNCOMMITTED,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MAX_AGE_MS,
    })
  }

  async connect(): Promise<void> {
    await this.trying('connecting to the brokers', () => this.cluster.connect())
  }

  async ends(topics: readonly string[], of: EndsOf = 'all'): Promise<readonly PartitionEnds[]> {
    if (topics.length === 0) return []
    return this.trying(`asking for the log ends of ${topics.join(', ')}`, async () => {
      await this.know(topics)
      const asked = topics.map((topic) => ({ topic, partitions: this.partitionsOf(topic) }))
      // Lows first: were they asked for after the highs, a topic that is being trimmed could show low above high.
      const lows = await this.offsets(asked, true)
      const highs = await this.offsets(asked, false)
      return asked.flatMap(({ topic, partitions }) =>
        partitions.flatMap(({ partition }) => {
          const key = keyOf(topic, partition)
          const [low, high] = [lows.get(key), highs.get(key)]
          if (low !== undefined && high !== undefined) return [{ topic, partition, low, high }]
          if (of === 'all') throw leaderNotAvailable(topic, partition)
          return []
        }),
      )
    })
  }

  /** One partition's count, or null where the topic does not exist. Asked by itself: one unknown name fails a request. */
  async partitionCount(topic: string): Promise<number | null> {
    try {
      return await this.trying(`asking for topic ${topic}`, async () => {
        const broker = await this.cluster.brokerPool.findConnectedBroker()
        const { topicMetadata } = await broker.metadata([topic])
        return topicMetadata[0].partitionMetadata.length
      })
    } catch (error) {
      if (error instanceof LogError && error.code === 'UNKNOWN_TOPIC') return null
      throw error
    }
  }

  /** One fetch of one partition, from its leader, which is looked for: a broker that has just started may not know it. */
  async fetch(topic: string, partition: number, from: number, bytes = RANGE_BYTES): Promise<FetchedPartition> {
    const body = () => this.fetchFromLeader(topic, partition, from, bytes)
    return this.trying(`reading ${topic}/${partition} from ${from}`, body, UNKNOWN_TOPIC_TRIES)
  }

  /** Leaves a group in the name of a member whose process is gone. */
  async dismiss(group: string, memberId: string): Promise<void> {
    await this.trying(`taking a dead member out of group ${group}`, async () => {
      const coordinator = await this.cluster.findGroupCoordinator({ groupId: group })
      await coordinator.leaveGroup({ groupId: group, memberId }).catch((error: Error) => {
        if (rootCause(error).type !== 'UNKNOWN_MEMBER_ID') throw error
      })
    })
  }

  async close(): Promise<void> {
    this.closed = true
    await this.cluster.disconnect()
  }

  private async know(topics: readonly string[]): Promise<void> {
    await this.cluster.addMultipleTargetTopics([...topics])
    await this.cluster.refreshMetadataIfNecessary()
  }

  private async fetchFromLeader(topic: string, partition: number, from: number, bytes: number) {
    await this.know([topic])
    const [nodeId] = Object.keys(this.cluster.findLeaderForPartitions(topic, [partition]))
    if (nodeId === undefined) throw unknownPartition(topic, partition)
    if (Number(nodeId) < 0) throw leaderNotAvailable(topic, partition)
    const broker = await this.cluster.findBroker({ nodeId })
    const { responses } = await broker.fetch({
      isolationLevel: READ_COMMITTED,
      maxWaitTime: RANGE_WAIT_MS,
      minBytes: 1,
      maxBytes: bytes,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes: bytes }] }],
    })
    return responses[0].partitions[0]
  }

  private partitionsOf(topic: string): { partition: number }[] {
    const numbers = this.cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
    return numbers.sort((a, b) => a - b).map((partition) => ({ partition }))
  }

  private async offsets(
    asked: readonly { topic: string; partitions: { partition: number }[] }[],
    fromBeginning: boolean,
  ) {
    const answers = await this.cluster.fetchTopicsOffset(asked.map((each) => ({ ...each, fromBeginning })))
    return new Map(
      answers.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => [keyOf(topic, partition), Number(offset)] as const),
      ),
    )
  }

  private async trying<T>(doing: string, body: () => Promise<T>, unknownTries = 0): Promise<T> {
    if (this.closed) throw new LogError('CLOSED', `${doing}: the log is closed`)
    let unknown = 0
    try {
      return await this.retry(async (bail) => {
        try {
          return await body()
        } catch (error) {
          const root = rootCause(error)
          const isFinal = isUnknownTopic(error) ? ++unknown > unknownTries : !isPassing(error)
          if (this.closed || isFinal) {
            bail(root)
            return undefined as T
          }
          if (root.name === 'KafkaJSConnectionClosedError')
            this.cluster.removeBroker({ host: root.host!, port: root.port! })
          // A moved leader is found by asking anew; a failure to do so is the next try's.
          await this.cluster.refreshMetadata().catch(() => {})
          throw error
        }
      })
    } catch (error) {
      throw toLogError(error, doing)
    }
  }
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`
