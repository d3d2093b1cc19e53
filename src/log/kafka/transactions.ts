/**
 * The transactional writer: a producer for each partition number that is open, over shared connections.
 *
 * Owns: the connections, one to coordinators and one to leaders, so that the end of a transaction never waits behind
 * output; and the producers.
 *
 * Invariants:
 * 1. A partition is opened by InitProducerId, which aborts or completes what an earlier owner left, and ends its epoch.
 * 2. The transactional id is the group's name and the partition's number: the same for every owner, for ever.
 *
 * How it fails: `open` asks again until it is answered, loudly, or rejects with what does not pass (no right to the
 * transactional id); the rest as transactionalProducer.ts says.
 */
import { type CommitEntry, type Committed, LogError, type TransactionalWriter } from '../port.ts'
import type { EncodedBatch } from '../recordBatch/builder.ts'
import type { Logger } from './client.ts'
import { Coordinator } from './coordinator.ts'
import { toLogError } from './errors.ts'
import type { Client, Cluster, MemberIdentity } from './internals.ts'
import { Leaders } from './leaders.ts'
import { createCluster } from './patch.ts'
import { stableOffsets } from './stableOffsets.ts'
import { TransactionalProducer } from './transactionalProducer.ts'

const READ_COMMITTED = 1
const METADATA_MAX_AGE_MS = 300_000

export interface TransactionsParts {
  readonly client: Client
  readonly group: string
  readonly timeoutMs: number
  /** As whom offsets of the partition are committed; throws NOT_OWNER. */
  readonly memberOf: (partition: number) => MemberIdentity
  readonly logger: Logger | undefined
}

export class KafkaTransactions implements TransactionalWriter {
  readonly isSealing = true
  private readonly group: string
  private readonly timeoutMs: number
  private readonly memberOf: TransactionsParts['memberOf']
  private readonly logger: Logger | undefined
  private readonly coordinators: Cluster
  private readonly leaders: Leaders
  private readonly offsets: Coordinator
  private readonly producers = new Map<number, TransactionalProducer>()
  private isClosed = false

  constructor({ client, group, timeoutMs, memberOf, logger }: TransactionsParts) {
    this.group = group
    this.timeoutMs = timeoutMs
    this.memberOf = memberOf
    this.logger = logger
    this.leaders = new Leaders(client)
    this.coordinators = createCluster(client, {
      isolationLevel: READ_COMMITTED,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MAX_AGE_MS,
    })
    this.offsets = new Coordinator(this.coordinators, 'group', group, logger)
  }

  async connect(): Promise<void> {
    await this.leaders.connect()
    await this.coordinators.connect()
  }

  async open(partition: number): Promise<void> {
    await this.release(partition)
    const transactionalId = `${this.group}-${partition}`
    const transactions = new Coordinator(this.coordinators, 'transaction', transactionalId, this.logger)
    const { group, memberOf, offsets, leaders, logger, timeoutMs } = this
    const own = { partition, transactionalId, group, memberOf }
    const doing = `taking transactional id ${transactionalId} over`
    try {
      const identity = await transactions.call(
        (broker) => broker.initProducerId({ transactionalId, transactionTimeout: timeoutMs }),
        { doing, isOver: () => this.isClosed },
      )
      const { producerId, producerEpoch } = identity
      this.refuseIfClosed()
      const parts = { ...own, transactions, offsets, leaders, logger, endLimitMs: timeoutMs }
      this.producers.set(partition, new TransactionalProducer(parts, { producerId, producerEpoch }))
    } catch (error) {
      throw toLogError(error, doing)
    }
  }

  async committed(topics: readonly string[], partitions: readonly number[]): Promise<readonly Committed[]> {
    const doing = `asking for the committed offsets of group ${this.group}`
    const isOver = () => this.isClosed
    try {
      return await this.offsets.call((broker) => stableOffsets(broker, this.group, topics, partitions), {
        doing,
        isOver,
      })
    } catch (error) {
      throw toLogError(error, doing)
    }
  }

  append(topic: string, partition: number, batch: EncodedBatch): Promise<number> {
    return this.producers.get(partition)?.append(topic, batch) ?? Promise.reject(notOpen(partition))
  }

  cut(partition: number): void {
    this.producers.get(partition)?.cut()
  }

  async commit(partition: number, entries: () => readonly CommitEntry[]): Promise<void> {
    const producer = this.producers.get(partition)
    if (producer === undefined) throw notOpen(partition)
    await producer.commit(entries)
  }

  async release(partition: number): Promise<void> {
    const producer = this.producers.get(partition)
    this.producers.delete(partition)
    await producer?.release()
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    await Promise.all([...this.producers.keys()].map((partition) => this.release(partition)))
    this.isClosed = true
    await Promise.allSettled([this.leaders.close(), this.coordinators.disconnect()])
  }

  private refuseIfClosed(): void {
    if (this.isClosed) throw new LogError('CLOSED', 'the transactional writer is closed')
  }
}

function notOpen(partition: number): LogError {
  return new LogError('CLOSED', `no transaction of partition ${partition} is open here`)
}
