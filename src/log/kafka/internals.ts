/**
 * Types of the parts of kafkajs 2.2.4 that it does not export and that this folder reaches into. The version is pinned
 * (patch.ts checks it) and no longer changes.
 */
import type { Kafka } from 'kafkajs'

export interface Decoder {
  readInt32(): number
  canReadBytes(length: number): boolean
  readBytes(length?: number): Buffer
}

/** What a fetched record looks like to kafkajs. */
export interface FetchedMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Record<string, Buffer | string | (Buffer | string)[] | undefined>
  readonly isControlRecord: boolean
  readonly batchContext: { readonly inTransaction: boolean; readonly producerId: string }
}

/** The one message that stands for all of a fetched partition's bytes (patch.ts). */
export interface RawMessage {
  readonly offset: string
  readonly isControlRecord: false
  readonly key: null
  readonly batchContext: { readonly inTransaction: false; readonly producerId: '-1' }
  readonly raw: Buffer
}

export interface AbortedTransaction {
  readonly producerId: string
  readonly firstOffset: string
}

export interface FetchedPartition {
  readonly partition: number
  readonly highWatermark: string
  readonly abortedTransactions?: readonly AbortedTransaction[]
  readonly messages: readonly RawMessage[]
}

/** kafkajs's Batch as patched. */
export interface RawBatch {
  readonly topic: string
  readonly partition: number
  readonly highWatermark: string
  readonly fetchedOffset: string
  readonly messages: readonly RawMessage[]
  readonly abortedTransactions: readonly AbortedTransaction[]
}

export interface OffsetEntry {
  readonly partition: number
  readonly offset: string
  readonly metadata?: string
}

/** What a produce request carries instead of records: one whole record batch. */
export interface BatchCarrier {
  readonly prebuilt: Buffer
  /** Records in the batch: what an idempotent producer would advance its sequence by. */
  readonly count: number
}

export interface ProduceTopic {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly messages: readonly BatchCarrier[] }[]
}

export interface ProduceArguments {
  readonly acks: number
  readonly timeout: number
  readonly transactionalId?: string | null
  readonly topicData: readonly ProduceTopic[]
}

export interface ProduceAnswer {
  readonly topics: readonly {
    readonly topicName: string
    /** `errorCode` 0: it was taken. */
    readonly partitions: readonly { partition: number; errorCode: number; baseOffset: string }[]
  }[]
}

/** What kafkajs throws where a partition was refused, with what became of the others (patch.ts). */
export interface PartlyRefused extends Error {
  answer?: ProduceAnswer
}

/** Of an idempotent producer. */
export interface ProducerIdentity {
  /** 64 bits, as text. */
  readonly producerId: string
  readonly producerEpoch: number
}

/** Of a member of a group, in one generation. */
export interface MemberIdentity {
  readonly memberId: string
  readonly generationId: number
}

export interface TransactionArguments extends ProducerIdentity {
  readonly transactionalId: string
}

/** Offsets of a transaction, as the member that it names. */
export interface TxnOffsets extends TransactionArguments, MemberIdentity {
  readonly groupId: string
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly OffsetEntry[] }[]
}

/** A decoder and an encoder of the protocol's flexible versions: kafkajs's own. */
export interface FlexibleDecoder {
  readInt16(): number
  readInt32(): number
  readInt64(): { toString(): string }
  readUVarIntString(): string | null
  readUVarIntArray<T>(read: (decoder: FlexibleDecoder) => T): T[]
  readTaggedFields(): unknown
}

export interface FlexibleEncoder {
  writeUVarIntBytes(): FlexibleEncoder
  writeUVarIntString(text: string | null): FlexibleEncoder
  writeUVarIntArray(entries: readonly FlexibleEncoder[]): FlexibleEncoder
  writeInt16(value: number): FlexibleEncoder
  writeInt32(value: number): FlexibleEncoder
  /** As text. */
  writeInt64(value: string): FlexibleEncoder
  writeBoolean(value: boolean): FlexibleEncoder
}

/** Parts of kafkajs's protocol, for requests that it does not know. */
export interface Wire {
  readonly Encoder: new () => FlexibleEncoder
  readonly Decoder: new (bytes: Buffer) => FlexibleDecoder
  readonly createErrorFromCode: (code: number) => Error
}

/** A request and its answer, in bytes. */
export interface RawRequest<T> {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    encode(): Promise<FlexibleEncoder>
  }
  readonly response: { decode(bytes: Buffer): Promise<T>; parse(decoded: T): Promise<T> }
}

export interface Broker {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number } | undefined>>
  readonly connectionPool: { send<T>(request: RawRequest<T>): Promise<T> }
  initProducerId(request: { transactionalId: string; transactionTimeout: number }): Promise<ProducerIdentity>
  addPartitionsToTxn(
    request: TransactionArguments & { topics: readonly { topic: string; partitions: readonly number[] }[] },
  ): Promise<unknown>
  addOffsetsToTxn(request: TransactionArguments & { groupId: string }): Promise<unknown>
  /** Of another version than kafkajs's (patch.ts). */
  txnOffsetCommit(request: TxnOffsets): Promise<unknown>
  endTxn(request: TransactionArguments & { transactionResult: boolean }): Promise<unknown>
  fetch(request: {
    isolationLevel: number
    maxWaitTime: number
    minBytes: number
    maxBytes: number
    topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[]
  }): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>
  produce(request: ProduceArguments): Promise<ProduceAnswer>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
  metadata(topics: string[]): Promise<{ topicMetadata: { topic: string; partitionMetadata: PartitionMetadata[] }[] }>
}

export interface PartitionMetadata {
  readonly partitionId: number
  /** Of a broker; -1 where there is none (patch.ts). */
  readonly leader: number
}

export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  isConnected(): boolean
  refreshMetadata(): Promise<void>
  refreshMetadataIfNecessary(): Promise<void>
  addMultipleTargetTopics(topics: string[]): Promise<void>
  findTopicPartitionMetadata(topic: string): PartitionMetadata[]
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>
  findBroker(node: { nodeId: string }): Promise<Broker>
  findGroupCoordinator(of: { groupId: string; coordinatorType?: number }): Promise<Broker>
  removeBroker(address: { host: string; port: number }): void
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>
  readonly brokerPool: { findConnectedBroker(): Promise<Broker> }
}

export interface OffsetManager {
  coordinator: unknown
  commitOffsets(offsets: { topics: { topic: string; partitions: OffsetEntry[] }[] }): Promise<void>
}

export interface ConsumerGroup {
  readonly groupId: string
  readonly memberId: string | null
  readonly generationId: number | null
  readonly cluster: Cluster
  readonly offsetManager: OffsetManager | null
  readonly assigners: readonly { readonly hooks?: GroupHooks }[]
  assigned(): { topic: string; partitions: number[] }[]
  seek(entry: { topic: string; partition: number; offset: string }): void
  pause(entries: { topic: string; partitions: number[] }[]): void
  resume(entries: { topic: string; partitions: number[] }[]): void
  heartbeat(options: { interval: number }): Promise<void>
}

/** How a consumer group calls back its reader; carried by the assigner, the one object that reaches it from outside. */
export interface GroupHooks {
  /** Before each JoinGroup; the group waits for it. */
  beforeJoin(): Promise<void>
  /** After each SyncGroup, before anything of the new generation is fetched by this caller. */
  joined(group: ConsumerGroup): void
  /** Before each fetch: false where there is nothing to fetch for now (it waits before it says so). */
  wanted(): Promise<boolean>
  /** The fetch position is not in the log. Throws, or returns for one more try. */
  outOfRange(at: { readonly topic: string; readonly partition: number }): Promise<void>
}

export interface ClusterOptions {
  readonly isolationLevel: number
  readonly allowAutoTopicCreation: boolean
  readonly metadataMaxAge: number
  readonly maxInFlightRequests?: number
}

export type Client = Kafka

/** The errors of kafkajs, as far as they are looked at. */
export interface KafkaError extends Error {
  readonly type?: string
  readonly code?: number | string
  readonly retriable?: boolean
  readonly host?: string
  readonly port?: number
  readonly topic?: string
  readonly partition?: number
  readonly cause?: unknown
}
