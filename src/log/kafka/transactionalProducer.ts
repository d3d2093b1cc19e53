/**
 * The transactions of one partition number: one at a time, under its own transactional id, its output and its offsets
 * together.
 *
 * Owns: a producer id with its epoch, a lane a topic (its queue and its sequence numbers), and what of the present
 * transaction its coordinator has been told.
 *
 * Invariants:
 * 1. A batch belongs to the transaction that was open when it was appended. After a cut, batches are held until the
 *    transaction before them has ended; nothing of the next one is told to anybody before.
 * 2. A topic has one batch in flight, in the order of appending, also where a request is tried again: the broker knows a
 *    copy by its sequence number. A batch is stamped once, when it is appended.
 * 3. An end is final: refused output or offsets, a fence, an unknown outcome, a release. Everything that waits is rejected, and
 *    nothing is ever sent under this epoch again. A new epoch is a new object.
 *
 * How it fails: FENCED where a newer epoch exists (another owner, or the coordinator that gave up waiting), or where the
 * broker's record of this producer differs from ours; NOT_OWNER where the group has given the partition to another member,
 * or has thrown this one out; UNKNOWN_OUTCOME where the end of a transaction was not answered in time; else as appends do. Every other trouble is tried again as long as it may pass.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../../time/within.ts'
import { type CommitEntry, LogError } from '../port.ts'
import type { EncodedBatch } from '../recordBatch/builder.ts'
import { nextSequence, stampProducer } from '../recordBatch/producer.ts'
import type { Logger } from './client.ts'
import { byTopic } from './commit.ts'
import type { Coordinator } from './coordinator.ts'
import { isFencing, isOldGeneration, rootCause, toLogError } from './errors.ts'
import type { MemberIdentity, ProducerIdentity, TransactionArguments } from './internals.ts'
import type { Leaders } from './leaders.ts'
import { persist } from './persist.ts'

const ALL_REPLICAS = -1
const PRODUCE_TIMEOUT_MS = 30_000
/** What is in flight when a partition is given up has this long to be answered; then its abort is left to the next owner. */
const SETTLE_MS = 2_000
/** From a group's next generation to what it gives to this member, which is a SyncGroup and some milliseconds. */
const SYNC_MS = 5_000
const SYNC_EVERY_MS = 50

export interface ProducerParts {
  readonly partition: number
  readonly transactionalId: string
  readonly group: string
  /** As whom offsets of the partition are committed; throws NOT_OWNER. */
  readonly memberOf: (partition: number) => MemberIdentity
  /** Of the transactional id. */
  readonly transactions: Coordinator
  /** Of the group. */
  readonly offsets: Coordinator
  readonly leaders: Leaders
  readonly logger: Logger | undefined
  /** For how long the end of a transaction is asked for again. */
  readonly endLimitMs: number
}

interface Append {
  readonly batch: EncodedBatch
  readonly resolve: (offset: number) => void
  readonly reject: (error: Error) => void
}

interface Lane {
  readonly topic: string
  readonly queue: Append[]
  /** After a cut. */
  readonly held: Append[]
  sequence: number
  sending: Promise<void> | undefined
}

export class TransactionalProducer {
  private readonly parts: ProducerParts
  private readonly identity: ProducerIdentity
  private readonly id: TransactionArguments
  private readonly lanes = new Map<string, Lane>()
  /** Topics that the coordinator knows to be part of the present transaction, and those that it is to be told. */
  private readonly joined = new Set<string>()
  private readonly joining = new Set<string>()
  private telling: Promise<void> = Promise.resolve()
  /** The coordinator may know of the present transaction. */
  private isBegun = false
  private isCut = false
  /** The end of the present transaction is asked for: it is no longer ours to abort. */
  private isEnding = false
  private failure: LogError | undefined
  private readonly waiting = new Set<() => void>()

  constructor(parts: ProducerParts, identity: ProducerIdentity) {
    this.parts = parts
    this.identity = identity
    this.id = { transactionalId: parts.transactionalId, ...identity }
  }

  append(topic: string, batch: EncodedBatch): Promise<number> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    return new Promise((resolve, reject) => {
      const lane = this.lane(topic)
      const { producerId, producerEpoch } = this.identity
      stampProducer(batch.bytes, { producerId: BigInt(producerId), epoch: producerEpoch, sequence: lane.sequence })
      lane.sequence = nextSequence(lane.sequence, batch.count)
      const append = { batch, resolve, reject }
      if (this.isCut) lane.held.push(append)
      else {
        lane.queue.push(append)
        this.send(lane)
      }
    })
  }

  cut(): void {
    this.isCut = true
  }

  async commit(entriesOf: () => readonly CommitEntry[]): Promise<void> {
    this.cut()
    try {
      await this.drained()
      const entries = entriesOf()
      if (entries.length > 0) await this.sendOffsets(entries)
      if (this.failure !== undefined) throw this.failure
      if (this.isBegun) await this.endTransaction()
    } catch (error) {
      this.end(this.explain(error, 'committing a transaction'))
    }
    if (this.failure !== undefined) throw this.failure
    this.goOn()
  }

  /** What is not committed is aborted, as far as that can still be told: the next owner sees to it otherwise. */
  async release(): Promise<void> {
    const isLost = this.failure?.code === 'FENCED' || this.failure?.code === 'UNKNOWN_OUTCOME'
    const isOurs = this.isBegun && !this.isEnding && !isLost
    this.end(new LogError('CLOSED', `partition ${this.parts.partition} was given up`))
    if (!isOurs) return
    // A batch that reached its leader after the abort would open a transaction that nobody ends.
    const inFlight = Promise.all([this.telling, ...[...this.lanes.values()].map(({ sending }) => sending)])
    if (
      (await within(
        inFlight.then(() => true),
        SETTLE_MS,
      )) !== true
    )
      return
    const { transactions, logger, partition } = this.parts
    const abort = { doing: 'aborting a transaction', isOver: () => true }
    await transactions
      .call((broker) => broker.endTxn({ ...this.id, transactionResult: false }), abort)
      .catch((error) =>
        logger?.debug({ partition, error: rootCause(error).message }, 'the next owner will abort the transaction'),
      )
  }

  private lane(topic: string): Lane {
    let lane = this.lanes.get(topic)
    if (lane === undefined) {
      lane = { topic, queue: [], held: [], sequence: 0, sending: undefined }
      this.lanes.set(topic, lane)
    }
    return lane
  }

  private send(lane: Lane): void {
    if (lane.sending !== undefined) return
    lane.sending = this.sendAll(lane)
      .catch((error) => this.end(this.explain(error, `appending to ${lane.topic}/${this.parts.partition}`)))
      .finally(() => {
        lane.sending = undefined
        this.wakeAll()
      })
  }

  private async sendAll(lane: Lane): Promise<void> {
    while (lane.queue.length > 0 && this.failure === undefined) {
      const [append] = lane.queue
      if (!this.joined.has(lane.topic)) await this.join(lane.topic)
      const offset = await this.produce(lane.topic, append.batch)
      if (this.isOver()) return
      lane.queue.shift()
      append.resolve(offset)
    }
  }

  private async produce(topic: string, { bytes, count }: EncodedBatch): Promise<number> {
    const { leaders, partition, logger } = this.parts
    const request = {
      acks: ALL_REPLICAS,
      timeout: PRODUCE_TIMEOUT_MS,
      transactionalId: this.id.transactionalId,
      topicData: [{ topic, partitions: [{ partition, messages: [{ prebuilt: bytes, count }] }] }],
    }
    const answer = await persist(async () => (await leaders.brokerOf([{ topic, partition }])).produce(request), {
      doing: `appending to ${topic}/${partition}`,
      logger,
      isOver: this.isOver,
      recover: async (error) => {
        leaders.forget(error)
        await leaders.refresh()
      },
    })
    return Number(answer.topics[0].partitions[0].baseOffset)
  }

  /** Before a topic's first batch. Topics that wait together are told together. */
  private async join(topic: string): Promise<void> {
    this.joining.add(topic)
    while (!this.joined.has(topic)) {
      await this.tell(async () => {
        if (this.joining.size === 0) return
        const topics = [...this.joining]
        const partitions = [this.parts.partition]
        await this.ask('adding output to a transaction', (broker) =>
          broker.addPartitionsToTxn({ ...this.id, topics: topics.map((each) => ({ topic: each, partitions })) }),
        )
        for (const each of topics) {
          this.joined.add(each)
          this.joining.delete(each)
        }
      })
    }
  }

  /** A member that has joined anew hears of it before it hears what it is given: for so long it commits nothing. */
  private async sendOffsets(entries: readonly CommitEntry[]): Promise<void> {
    const untilMs = performance.now() + SYNC_MS
    for (;;) {
      try {
        return await this.sendOffsetsOnce(entries)
      } catch (error) {
        if (this.isOver() || !isOldGeneration(error) || performance.now() > untilMs) throw error
      }
      await sleep(SYNC_EVERY_MS)
    }
  }

  /**
   * Each time in this order: as which member that has the partition, then whether it is fenced, then the offsets.
   * Whoever sleeps on the way is refused as the member of a generation that is over; and in one that is not, nobody else
   * has sent offsets of the partition that could be lost (txnOffsets.ts).
   */
  private async sendOffsetsOnce(entries: readonly CommitEntry[]): Promise<void> {
    const { group, offsets, memberOf, partition } = this.parts
    await offsets.call(
      async (broker) => {
        const member = memberOf(partition)
        await this.tell(() =>
          this.ask('adding offsets to a transaction', (each) => each.addOffsetsToTxn({ ...this.id, groupId: group })),
        )
        return broker.txnOffsetCommit({ ...this.id, ...member, groupId: group, topics: byTopic(entries) })
      },
      { doing: 'sending offsets of a transaction', isOver: this.isOver },
    )
  }

  /** Asked again until it is answered: the coordinator gives the same answer however often it is asked. */
  private async endTransaction(): Promise<void> {
    const { transactions, endLimitMs } = this.parts
    this.isEnding = true
    let unanswered = 0
    try {
      await transactions.call(
        (broker) => {
          unanswered++
          return broker.endTxn({ ...this.id, transactionResult: true })
        },
        { doing: 'ending a transaction', isOver: this.isOver, deadlineMs: performance.now() + endLimitMs },
      )
    } catch (error) {
      // A first answer is a certain one; later it may be the answer to a transaction that an earlier request has ended.
      if (unanswered === 1 && isFencing(error)) throw error
      throw new LogError('UNKNOWN_OUTCOME', `whether a transaction was committed is not known: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }

  /** The next transaction: what was held goes out. */
  private goOn(): void {
    this.isBegun = this.isCut = this.isEnding = false
    this.joined.clear()
    for (const lane of this.lanes.values()) {
      lane.queue.push(...lane.held.splice(0, lane.held.length))
      if (lane.queue.length > 0) this.send(lane)
    }
  }

  private ask(doing: string, body: Parameters<Coordinator['call']>[0]): Promise<unknown> {
    this.isBegun = true
    return this.parts.transactions.call(body, { doing, isOver: this.isOver })
  }

  /** One request at a time: the coordinator refuses a second one while it writes the first down. */
  private tell(body: () => Promise<unknown>): Promise<void> {
    const told = this.telling.then(async () => {
      if (this.failure !== undefined) throw this.failure
      await body()
    })
    this.telling = told.catch(() => {})
    return told
  }

  /** Resolves when all appends before the cut are answered. */
  private async drained(): Promise<void> {
    const isWaiting = () => [...this.lanes.values()].some(({ queue, sending }) => queue.length > 0 || sending)
    while (this.failure === undefined && isWaiting()) {
      await new Promise<void>((resolve) => this.waiting.add(resolve))
    }
    if (this.failure !== undefined) throw this.failure
  }

  private end(error: LogError): void {
    if (this.failure !== undefined) return
    this.failure = error
    for (const { queue, held } of this.lanes.values()) {
      for (const append of [...queue.splice(0, queue.length), ...held.splice(0, held.length)]) append.reject(error)
    }
    this.wakeAll()
  }

  private wakeAll(): void {
    for (const wake of this.waiting) wake()
    this.waiting.clear()
  }

  private explain(error: unknown, doing: string): LogError {
    const { partition } = this.parts
    if (!isFencing(error)) return toLogError(error, `partition ${partition}, ${doing}`)
    return new LogError('FENCED', `partition ${partition}, ${doing}: ${messageOf(error)}`, { cause: error })
  }

  private readonly isOver = (): boolean => this.failure !== undefined
}

const messageOf = (error: unknown): string => rootCause(error).message
