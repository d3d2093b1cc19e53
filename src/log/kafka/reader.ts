/**
 * A member of a consumer group, by kafkajs's consumer. membership.ts says what may pass; this file joins, hands chunks
 * over, commits, and ends.
 *
 * Traps dealt with here:
 * - A fetcher waits for all its batches before it fetches again: a batch is handed over at once and never waits.
 * - Heartbeats go out between batches: batches are short, and while an owner finishes before a rebalance they are sent
 *   on their own.
 * - `maxWaitTimeInMs` is 5 s by default, and then resume, stop and low traffic take seconds: the caller's value is used.
 * - Offset out of range never moves the position: it ends the reader with the exact range that is missing.
 * - A crash that kafkajs does not retry disconnects the consumer and leaves the process running: CRASH is told, unless
 *   the cause passes by itself (an absent broker), which kafkajs in part takes for final.
 *
 * How it fails: before the first assignment `start` rejects; later `onFailed` is called, once; either way the group is
 * left.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer, ConsumerCrashEvent, EachBatchPayload } from 'kafkajs'
import { type CommitEntry, LogError, type Reader, type ReaderOptions, type TopicPartition } from '../port.ts'
import { type Logger, RETRY } from './client.ts'
import { commitEntries } from './commit.ts'
import { type Decode, decodeKafkaJs, decodeOwn, type Fetched } from './decode.ts'
import { isPassing, rootCause, toLogError } from './errors.ts'
import { dropFrame } from './frames.ts'
import type { Client, GroupHooks, MemberIdentity, RawBatch } from './internals.ts'
import type { Lookup } from './lookup.ts'
import { Membership } from './membership.ts'
import { kafkajs, wire } from './patch.ts'
import { ringAssigner } from './ringAssigner.ts'

const SESSION_TIMEOUT_MS = 10_000
const REBALANCE_TIMEOUT_MS = 60_000
/** Of the rebalance timeout, what an owner may take to finish before this member rejoins all the same. */
const REVOKE_MS = 45_000
const HEARTBEAT_MS = 1_000
const FETCH_BYTES = 10 * 1024 * 1024
/** No partition's batch waits for another's heartbeat. */
const CONCURRENCY = 32
const RESTART_AFTER_MS = 1_000
/** A position within the log that the broker nevertheless refuses: a moving leader. */
const RANGE_TRIES = 5
const LEAVE_TIMEOUT_MS = 5_000
const REBALANCE_IN_PROGRESS = 27
/** Errors that kafkajs would retry for ever, and that do not pass. */
const FATAL_TYPE = /^UNKNOWN_TOPIC_OR_PARTITION$|^INVALID_TOPIC|AUTHORIZATION_FAILED$|^INCONSISTENT_GROUP_PROTOCOL$/

export interface ReaderParts {
  readonly client: Client
  readonly lookup: Lookup
  readonly decode: Decode
  readonly logger: Logger | undefined
}

export class KafkaReader implements Reader {
  private readonly options: ReaderOptions
  private readonly parts: ReaderParts
  private readonly consumer: Consumer
  private readonly membership: Membership
  private readonly started: Promise<void>
  private settleStarted: { resolve: () => void; reject: (error: Error) => void } = {
    resolve: () => {},
    reject: () => {},
  }
  private running: Promise<void> = Promise.resolve()
  private isStarted = false
  private isOver = false
  private rangeTries = 0
  private isRejoinAsked = false

  constructor(parts: ReaderParts, options: ReaderOptions) {
    this.parts = parts
    this.options = options
    const failed = (error: unknown) => this.fail(error, 'the owner of the reader')
    this.membership = new Membership(options, () => this.opened(), failed)
    this.consumer = this.makeConsumer()
    this.consumer.on(this.consumer.events.CRASH, (event) => this.crashed(event))
    this.started = new Promise((resolve, reject) => {
      this.settleStarted = { resolve, reject }
    })
    this.started.catch(() => {})
  }

  async start(): Promise<void> {
    try {
      await this.consumer.connect()
      await this.consumer.subscribe({ topics: [...this.options.topics], fromBeginning: true })
      this.run()
    } catch (error) {
      this.fail(error, `joining group ${this.options.group}`)
    }
    await this.started
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    if (this.isOver) throw new LogError('CLOSED', 'a commit after the reader was closed')
    const { group } = this.membership
    const lost = entries.find(({ topic, partition }) => !this.membership.owns(topic, partition))
    if (lost !== undefined || group === null) {
      const what = lost === undefined ? 'anything' : `${lost.topic}/${lost.partition}`
      throw new LogError('NOT_OWNER', `this member of group ${this.options.group} does not own ${what}`)
    }
    if (entries.length > 0) await commitEntries(group, entries, () => this.isOver)
  }

  /** As whom offsets of the partition are committed in a transaction. */
  memberOf(partition: number): MemberIdentity {
    const identity = this.membership.identityOf(partition)
    if (identity !== undefined) return identity
    throw new LogError('NOT_OWNER', `this member of group ${this.options.group} does not own partition ${partition}`)
  }

  pause(partition: TopicPartition): void {
    this.membership.pause(partition)
  }

  resume(partition: TopicPartition): void {
    this.membership.resume(partition)
  }

  rejoin(): void {
    this.isRejoinAsked = true
    this.membership.wakeAll()
  }

  async close(): Promise<void> {
    this.isOver = true
    this.membership.end()
    this.settleStarted.reject(new LogError('CLOSED', 'the reader was closed before its first assignment'))
    await this.leave()
  }

  private makeConsumer(): Consumer {
    const { group, memberInfo, fetchBytesPerPartition, maxWaitMs, sessionTimeoutMs = SESSION_TIMEOUT_MS } = this.options
    const { agreements = [''] } = this.options
    const hooks = this.hooks()
    return this.parts.client.consumer({
      groupId: group,
      partitionAssigners: agreements.map((name) => ringAssigner(name, memberInfo ?? (() => Buffer.alloc(0)), hooks)),
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      heartbeatInterval: Math.min(HEARTBEAT_MS, sessionTimeoutMs / 5),
      maxBytesPerPartition: fetchBytesPerPartition,
      maxBytes: Math.max(FETCH_BYTES, fetchBytesPerPartition),
      minBytes: 1,
      maxWaitTimeInMs: maxWaitMs,
      readUncommitted: false,
      allowAutoTopicCreation: false,
      retry: {
        ...RETRY,
        restartOnFailure: async (error) => !this.isOver && !FATAL_TYPE.test(rootCause(error).type ?? ''),
      },
    })
  }

  private hooks(): GroupHooks {
    return {
      beforeJoin: () => this.beforeJoin(),
      joined: (group) => {
        if (!this.isOver) this.membership.assign(group)
      },
      wanted: () => this.wanted(),
      outOfRange: ({ topic, partition }) => this.outOfRange(topic, partition),
    }
  }

  /** What makes kafkajs rejoin is an error of this type in the middle of a fetch. */
  private async wanted(): Promise<boolean> {
    const isWanted = await this.membership.wanted(this.options.maxWaitMs)
    if (!this.isRejoinAsked) return isWanted
    this.isRejoinAsked = false
    throw wire.createErrorFromCode(REBALANCE_IN_PROGRESS)
  }

  /** Trap: positions that kafkajs resolves by itself would be those of chunks that did not pass; ours are told it. */
  private run(): void {
    this.running = this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENCY,
      eachBatch: (payload) => this.take(payload),
    })
    this.running.catch((error) => this.fail(error, `joining group ${this.options.group}`))
  }

  private async take({ batch, resolveOffset }: EachBatchPayload): Promise<void> {
    const { topic, partition, highWatermark, fetchedOffset, messages, abortedTransactions } =
      batch as unknown as RawBatch
    const from = this.membership.take(topic, partition, Number(fetchedOffset))
    if (from === null) {
      for (const { raw } of messages) dropFrame(raw)
      return
    }
    const [{ raw, offset }] = messages
    const { maxInflatedBytes } = this.options
    const fetched = {
      topic,
      partition,
      raw,
      from,
      highWatermark: Number(highWatermark),
      maxInflatedBytes,
      aborted: abortedTransactions,
    }
    try {
      await this.handOver(fetched, Number(offset), resolveOffset)
    } catch (error) {
      this.fail(error, `reading ${topic}/${partition} from ${from}`)
    }
  }

  private async handOver(fetched: Fetched, lastOffset: number, resolveOffset: (offset: string) => void): Promise<void> {
    const isOwn = this.parts.decode === 'own'
    const chunk = isOwn ? decodeOwn(fetched) : await decodeKafkaJs(fetched, lastOffset)
    dropFrame(fetched.raw)
    if (!this.membership.advance(chunk.topic, chunk.partition, chunk.nextOffset)) return
    resolveOffset(String(chunk.nextOffset - 1))
    this.rangeTries = 0
    this.options.onChunk(chunk)
  }

  private opened(): void {
    this.isStarted = true
    this.settleStarted.resolve()
  }

  /** The owner finishes while this member goes on with its heartbeats; the group waits for the rebalance timeout. */
  private async beforeJoin(): Promise<void> {
    if (this.isOver) return
    const beat = setInterval(
      () => void this.membership.group?.heartbeat({ interval: HEARTBEAT_MS }).catch(() => {}),
      HEARTBEAT_MS,
    )
    const limit = new AbortController()
    try {
      const revoked = this.membership.revoke().then(() => true)
      const isInTime = await Promise.race([
        revoked,
        sleep(REVOKE_MS, false, { signal: limit.signal }).catch(() => true),
      ])
      if (!isInTime)
        this.parts.logger?.warn(
          { group: this.options.group, waitedMs: REVOKE_MS },
          'rejoining before the owner was done',
        )
    } finally {
      limit.abort()
      clearInterval(beat)
      this.membership.leave()
    }
  }

  private async outOfRange(topic: string, partition: number): Promise<void> {
    const position = this.membership.positionOf(topic, partition) ?? -1
    const ends = await this.parts.lookup.ends([topic], 'led')
    const end = ends.find((each) => each.partition === partition)
    if (end === undefined) return
    const { low, high } = end
    if (position >= low && position <= high && ++this.rangeTries <= RANGE_TRIES) return
    const error = rangeError(topic, partition, position, low, high)
    this.fail(error, 'reading')
    throw new kafkajs.KafkaJSNonRetriableError(error.message)
  }

  private crashed({ payload: { error, restart } }: ConsumerCrashEvent): void {
    if (this.isOver || restart) return
    if (!isPassing(error) || FATAL_TYPE.test(rootCause(error).type ?? '')) {
      this.fail(error, `reading ${this.options.topics.join(', ')} in group ${this.options.group}`)
      return
    }
    this.parts.logger?.warn(
      { group: this.options.group, error: error.message },
      'the consumer stopped; it is started again',
    )
    setTimeout(() => {
      if (!this.isOver) this.run()
    }, RESTART_AFTER_MS)
  }

  private fail(cause: unknown, doing: string): void {
    if (this.isOver) return
    this.isOver = true
    this.membership.end()
    const error = toLogError(cause, doing)
    if (this.isStarted) this.options.onFailed(error)
    else this.settleStarted.reject(error)
    void this.leave()
  }

  /** A consumer that is stopped in the middle of a join would stay in the group as a ghost: the join is awaited, shortly. */
  private async leave(): Promise<void> {
    const limit = new AbortController()
    await Promise.race([
      this.running.catch(() => {}),
      sleep(LEAVE_TIMEOUT_MS, undefined, { signal: limit.signal }).catch(() => {}),
    ])
    limit.abort()
    await this.consumer.disconnect().catch((error: Error) => {
      this.parts.logger?.warn({ group: this.options.group, error: error.message }, 'leaving the group failed')
    })
  }
}

export function rangeError(topic: string, partition: number, position: number, low: number, high: number): LogError {
  const what =
    position < low
      ? `offsets ${position} to ${low - 1} are no longer in the log, which begins at ${low}`
      : `offset ${position} is beyond the end of the log, ${high}: was the topic made anew?`
  return new LogError('OUT_OF_RANGE', `${topic}/${partition}: ${what}`)
}
