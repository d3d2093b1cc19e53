/**
 * The log port: what Postview needs of Kafka, and no more. Two implementations, `kafka/` and `embedded/`, are held to
 * one contract suite (test/contract/log.ts).
 *
 * How it fails: a call rejects with a LogError; what can no longer go on at all is told once through `onFailed`.
 * Nothing is retried for ever in silence, and a position is never moved without the caller's knowledge.
 */
import type { RawChunk } from './chunk.ts'
import type { EncodedBatch } from './recordBatch/builder.ts'

export interface TopicInfo {
  readonly topic: string
  readonly partitions: number
  /** The topic's settings that decide whether it keeps and takes what is written; absent where unknown. */
  readonly settings: ReadonlyMap<string, string>
}

export interface TopicSpec {
  readonly topic: string
  readonly partitions: number
  readonly settings?: Readonly<Record<string, string>>
}

export interface PartitionEnds {
  readonly topic: string
  readonly partition: number
  /** The lowest offset still in the log. */
  readonly low: number
  /** The high watermark: the offset that the next record will get. */
  readonly high: number
}

/**
 * `led`: of the partitions that have a leader, without those that have none; for whoever goes on with the others. `all`
 * fails where one has none, with an error that passes.
 */
export type EndsOf = 'all' | 'led'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Committed extends TopicPartition {
  /** The committed offset, or -1 where nothing is committed. */
  readonly offset: number
  readonly metadata: string
}

export interface CommitEntry extends TopicPartition {
  readonly offset: number
  readonly metadata: string
}

export interface StartPosition extends TopicPartition {
  readonly offset: number
}

/** A member of a group, as the group's coordinator tells it. */
export interface GroupMember {
  /** The coordinator's own name of it. */
  readonly memberId: string
  /** What it told the others when it joined last (`memberInfo`). */
  readonly info: Buffer
  /** Partition numbers assigned to it, ascending. */
  readonly partitions: readonly number[]
}

export interface GroupView {
  /** `moving`: a rebalance is under way, and nothing of who has what is known. `empty`: nobody is in it. */
  readonly state: 'stable' | 'moving' | 'empty'
  /** Empty unless the group is stable. */
  readonly members: readonly GroupMember[]
}

/** What a reader tells its owner. Calls come one at a time for a given partition. */
export interface ReaderEvents {
  /**
   * Partition numbers that are now this member's (in every one of the topics). Answers where each topic partition is
   * to be read from; no chunk of them comes before. Called again on each rebalance, with all that is owned then. What
   * is given no start is not read until the next one.
   */
  onAssigned(partitions: readonly number[]): Promise<readonly StartPosition[]>
  /** A rebalance begins: finish or abandon what is in hand, commit, and return. */
  onRevoking(partitions: readonly number[]): Promise<void>
  /** A chunk, handed over: the receiver may keep it. Must not block; use pause and resume. */
  onChunk(chunk: RawChunk): void
  /** The reader cannot go on (out of range, crashed). Told once. */
  onFailed(error: Error): void
}

export interface ReaderOptions extends ReaderEvents {
  readonly group: string
  readonly topics: readonly string[]
  /** Told to the other members through the group (Kafka's userData); asked for before each join. */
  readonly memberInfo?: () => Buffer
  /**
   * What the members of a group must agree on, best first: it takes only members that all share one of these. Default:
   * one that all share.
   */
  readonly agreements?: readonly string[]
  readonly fetchBytesPerPartition: number
  readonly maxWaitMs: number
  /** Inflated bytes of one compressed batch: beyond it the batch is refused with topic, partition and offset. */
  readonly maxInflatedBytes: number
  readonly sessionTimeoutMs?: number
}

export interface Reader {
  /** Joins the group and reads until `close`. Resolves once the first assignment is in force. */
  start(): Promise<void>
  /** Commits all entries in one request; rejects if this member no longer owns them. */
  commit(entries: readonly CommitEntry[]): Promise<void>
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /** Asks the group for the assignment again: onRevoking and onAssigned follow. */
  rejoin?(): void
  /** Leaves the group; no event comes after it resolves. */
  close(): Promise<void>
}

export interface Writer {
  /** Batches are completed here (producer, sequence, checksum): they are built with `isSealed: false`. */
  readonly isSealing?: boolean
  /** Appends one record batch, durable on all in-sync replicas when it resolves, with the first record's offset. */
  append(topic: string, partition: number, batch: EncodedBatch): Promise<number>
  close(): Promise<void>
}

/**
 * Output and offsets that become visible together, for readers of committed records: of each partition number one
 * transaction at a time, under a transactional id of its own. Source and output partitions have the same number.
 *
 * The order in which it is used is SEMANTICS' (section 6): `open`, then `committed`, then recovery, then appends; after
 * FENCED, NOT_OWNER or UNKNOWN_OUTCOME the partition is released and nothing more is taken for it until it is opened again.
 *
 * Where the log has a reader of the same group, offsets are sent as that member's, of the generation that gave it the
 * partition.
 */
export interface TransactionalWriter extends Writer {
  /** Takes the partition over: what an earlier owner left open is aborted, what it still sends is refused. */
  open(partition: number): Promise<void>
  /** The group's commits of these partitions, once none of them is pending any more. */
  committed(topics: readonly string[], partitions: readonly number[]): Promise<readonly Committed[]>
  /** What is appended to the partition from now on belongs to the transaction after the present one, and waits for it. */
  cut(partition: number): void
  /**
   * Ends the present transaction: once all its appends lie in the log, with the entries, in one step or not at all.
   * Rejects with FENCED (another owner, or the broker gave up waiting: nothing of it is committed), with
   * NOT_OWNER (the group has given the partition to another, or has thrown this member out: the same), or UNKNOWN_OUTCOME.
   */
  commit(partition: number, entries: () => readonly CommitEntry[]): Promise<void>
  /** Gives the partition up: what is not committed is aborted, what waits is rejected. */
  release(partition: number): Promise<void>
}

export interface Log {
  readonly kind: 'kafka' | 'embedded'
  /** Those of the named topics that exist. */
  topics(names: readonly string[]): Promise<readonly TopicInfo[]>
  createTopics(specs: readonly TopicSpec[]): Promise<void>
  /** Log ends of the topics' partitions, of all unless said otherwise; `askedAtMs` of the caller is what counts for idleness. */
  ends(topics: readonly string[], of?: EndsOf): Promise<readonly PartitionEnds[]>
  committed(group: string, topics: readonly string[]): Promise<readonly Committed[]>
  /** Who is in the group and what each has. Any process may ask, a member or not. */
  members(group: string): Promise<GroupView>
  /** Takes out of a group a member whose process is gone, before its session runs out. Absent where nobody outlives one. */
  dismiss?(group: string, memberId: string): Promise<void>
  /** Reads [from, to) of one partition outside any group; `fetchBytes`: about as much at a time. */
  readRange(topic: string, partition: number, from: number, to: number, fetchBytes?: number): AsyncIterable<RawChunk>
  reader(options: ReaderOptions): Reader
  writer(): Promise<Writer>
  /** Of a group's offsets. Absent where the log has no transactions. `timeoutMs`: how long one may stay open. */
  transactionalWriter?(group: string, timeoutMs: number): Promise<TransactionalWriter>
  close(): Promise<void>
}

export class LogError extends Error {
  readonly code: LogErrorCode
  /** The same call may succeed later with nothing else changed: a broker was away. */
  readonly passes: boolean
  constructor(code: LogErrorCode, message: string, options: ErrorOptions & { readonly passes?: boolean } = {}) {
    super(message, options)
    this.name = 'LogError'
    this.code = code
    this.passes = options.passes ?? false
  }
}

export type LogErrorCode =
  | 'OUT_OF_RANGE' // the position is no longer in the log: message has topic, partition and the missing range
  | 'UNKNOWN_TOPIC'
  | 'DISAGREES' // the group's members share none of this one's `agreements`
  | 'NOT_OWNER' // a commit by a member that no longer owns the partition
  | 'CORRUPT' // checksum or structure of a batch is wrong
  | 'CODEC' // compressed with what cannot be read here
  | 'TOO_LARGE' // a batch inflates beyond its limit, or an append is beyond what the log takes
  | 'FENCED' // a transactional append or commit by one who is no longer the partition's owner
  | 'UNKNOWN_OUTCOME' // a transaction that may or may not be committed
  | 'CLOSED'
  | 'LOCKED' // another process has the embedded log's folder
  | 'FAILED'
