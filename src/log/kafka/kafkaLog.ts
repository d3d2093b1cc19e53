/**
 * The log port on Kafka, by kafkajs 2.2.4 (patch.ts says what is changed in it).
 *
 * Owns: one client, an admin connection, the connections of lookup.ts, and the readers and writers made here, which
 * `close` closes too.
 *
 * Invariants: a position is never moved and an offset never committed without the caller; neither reading nor writing
 * makes an object per record.
 *
 * How it fails: see each part. `openKafkaLog` rejects where no broker answers.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import type { KafkaConfig } from '../../config/model.ts'
import type { RawChunk } from '../chunk.ts'
import {
  type Committed,
  type EndsOf,
  type GroupView,
  type Log,
  LogError,
  type PartitionEnds,
  type Reader,
  type ReaderOptions,
  type TopicInfo,
  type TopicSpec,
  type TransactionalWriter,
  type Writer,
} from '../port.ts'
import { createClient, type Logger } from './client.ts'
import { registerCodecs } from './codecs.ts'
import type { Decode } from './decode.ts'
import { isPassing, toLogError } from './errors.ts'
import type { Client } from './internals.ts'
import { Leaders } from './leaders.ts'
import { Lookup } from './lookup.ts'
import { groupView } from './members.ts'
import { readRange } from './range.ts'
import { KafkaReader } from './reader.ts'
import { Topics } from './topics.ts'
import { KafkaTransactions } from './transactions.ts'
import { NO_MEMBER } from './txnOffsets.ts'
import { KafkaWriter } from './writer.ts'

const MAX_INFLATED_BYTES = 64 * 1024 * 1024
const COORDINATOR_WAIT_MS = 30_000
const COORDINATOR_RETRY_MS = 100

export interface KafkaLogOptions {
  readonly kafka: KafkaConfig
  /** Also the name under which this node takes part in the ring: a node that keeps it gets its partitions back. */
  readonly clientId: string
  readonly logger?: Logger
  /** Who decodes what is fetched. `kafkajs` is for comparison and as a way out: an object per record. */
  readonly decode?: Decode
  /** Of `readRange`; a reader has its own. */
  readonly maxInflatedBytes?: number
}

export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  if (options.decode === 'kafkajs') registerCodecs()
  const client = createClient(options.kafka, options.clientId, options.logger)
  const lookup = new Lookup(client)
  const admin = client.admin()
  try {
    await Promise.all([lookup.connect(), admin.connect()])
  } catch (error) {
    await Promise.allSettled([lookup.close(), admin.disconnect()])
    throw toLogError(error, `connecting to ${options.kafka.brokers.join(', ')}`)
  }
  return new KafkaLog(options, client, lookup, admin)
}

class KafkaLog implements Log {
  readonly kind = 'kafka'
  private readonly options: KafkaLogOptions
  private readonly client: Client
  private readonly lookup: Lookup
  private readonly admin: Admin
  private readonly topicsOf: Topics
  private readonly open = new Set<Reader | Writer>()
  /** Of each group, the last one. */
  private readonly readers = new Map<string, KafkaReader>()
  private isClosed = false

  constructor(options: KafkaLogOptions, client: Client, lookup: Lookup, admin: Admin) {
    this.options = options
    this.client = client
    this.lookup = lookup
    this.admin = admin
    this.topicsOf = new Topics(admin, lookup, options.logger)
  }

  topics(names: readonly string[]): Promise<readonly TopicInfo[]> {
    return this.topicsOf.describe(names)
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.topicsOf.create(specs)
  }

  ends(topics: readonly string[], of?: EndsOf): Promise<readonly PartitionEnds[]> {
    return this.lookup.ends(topics, of)
  }

  /** Trap: kafkajs asks with a version that does not wait for pending transactional commits; see SEMANTICS section 6. */
  async committed(group: string, topics: readonly string[]): Promise<readonly Committed[]> {
    try {
      const answer = await this.patiently(() => this.admin.fetchOffsets({ groupId: group, topics: [...topics] }))
      return answer.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset, metadata }) => ({
          topic,
          partition,
          offset: Number(offset),
          metadata: metadata ?? '',
        })),
      )
    } catch (error) {
      throw toLogError(error, `asking for the committed offsets of group ${group}`)
    }
  }

  async members(group: string): Promise<GroupView> {
    try {
      const { groups } = await this.patiently(() => this.admin.describeGroups([group]))
      return groupView(groups[0])
    } catch (error) {
      throw toLogError(error, `asking for the members of group ${group}`)
    }
  }

  dismiss(group: string, memberId: string): Promise<void> {
    return this.lookup.dismiss(group, memberId)
  }

  /** Trap: a broker that has just come up knows no coordinator of the group yet, and kafkajs asks once. */
  private async patiently<T>(ask: () => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + COORDINATOR_WAIT_MS
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (this.isClosed || !isPassing(error) || performance.now() > deadlineMs) throw error
      }
      await sleep(COORDINATOR_RETRY_MS)
    }
  }

  readRange(topic: string, partition: number, from: number, to: number, fetchBytes?: number): AsyncIterable<RawChunk> {
    const { decode = 'own', maxInflatedBytes = MAX_INFLATED_BYTES } = this.options
    return readRange(this.lookup, { topic, partition, from, to, maxInflatedBytes, decode, fetchBytes })
  }

  reader(options: ReaderOptions): Reader {
    this.refuseIfClosed()
    const { decode = 'own', logger, kafka } = this.options
    const sessionTimeoutMs = options.sessionTimeoutMs ?? kafka.sessionTimeoutMs
    const reader = new KafkaReader(
      { client: this.client, lookup: this.lookup, decode, logger },
      { ...options, sessionTimeoutMs },
    )
    this.open.add(reader)
    this.readers.set(options.group, reader)
    return reader
  }

  async writer(): Promise<Writer> {
    this.refuseIfClosed()
    const writer = new KafkaWriter(new Leaders(this.client), this.options.logger)
    this.open.add(writer)
    await writer.connect()
    return writer
  }

  async transactionalWriter(group: string, timeoutMs: number): Promise<TransactionalWriter> {
    this.refuseIfClosed()
    const memberOf = (partition: number) => this.readers.get(group)?.memberOf(partition) ?? NO_MEMBER
    const writer = new KafkaTransactions({
      client: this.client,
      group,
      timeoutMs,
      memberOf,
      logger: this.options.logger,
    })
    this.open.add(writer)
    await writer.connect()
    return writer
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    await Promise.allSettled([...this.open].map((each) => each.close()))
    await Promise.allSettled([this.lookup.close(), this.admin.disconnect()])
  }

  private refuseIfClosed(): void {
    if (this.isClosed) throw new LogError('CLOSED', 'the log is closed')
  }
}
