/**
 * kafkajs 2.2.4, changed where its own way costs an object per record or would move a position by itself. The only file
 * that loads kafkajs; everything else takes it from here.
 *
 * Changes, made in the require cache before anything of kafkajs that depends on them is loaded:
 * 1. A fetched partition is not decoded: it becomes one message that carries the raw bytes and the offset of the last
 *    record in them, so that kafkajs's own position keeping works unchanged.
 * 2. A batch keeps its list of aborted transactions, which kafkajs drops after use.
 * 3. A produce request may carry a whole record batch instead of records; it goes out as it is.
 * 4. An offset out of range is handed to the reader; the default offset is never committed.
 * 5. A group tells its reader before it joins (and waits) and after it has joined.
 * 6. While all is paused, the reader says when to go on, where kafkajs would sleep out `maxWaitTimeInMs` after a resume.
 * 7. Requests that find a connection closed wait for one and the same connect, where each would open a socket of its own
 *    and all but the last would stay open for ever: the process would not end.
 * 8. What is read is not joined with the nothing that was left of the answer before: an answer that comes whole is not
 *    copied, and one whose memory went back (frames.ts) is not looked at again.
 * 9. Where some partitions of a produce request were refused, the error carries the whole answer: what was taken is not
 *    sent again.
 * 10. A partition without a leader (-1) fails no answer about topics: it would take all partitions of all topics asked
 *    for along. Such an answer is soon asked for again, and nobody is asked where such a partition ends.
 * 11. Offsets of a transaction are sent as a member of a generation (txnOffsets.ts).
 *
 * How it fails: at load, when kafkajs has another version or was loaded by someone else before; never silently.
 */
import { createRequire } from 'node:module'
import type * as KafkaJs from 'kafkajs'
import { holdFrame } from './frames.ts'
import type {
  AbortedTransaction,
  BatchCarrier,
  Broker,
  Client,
  Cluster,
  ClusterOptions,
  ConsumerGroup,
  Decoder,
  FetchedMessage,
  PartitionMetadata,
  PartlyRefused,
  ProduceAnswer,
  ProduceArguments,
  RawMessage,
  Wire,
} from './internals.ts'
import { lastOffsetOf } from './rawRecords.ts'
import { sendTxnOffsets } from './txnOffsets.ts'

const VERSION = '2.2.4'
const DECODE_MESSAGES = 'protocol/requests/fetch/v4/decodeMessages'
const BATCH = 'consumer/batch'
const PRODUCE = 'protocol/requests/produce/v3/request'
const PRODUCED = 'protocol/requests/produce/v3/response'
const METADATA = 'protocol/requests/metadata/v0/response'
/** After an answer in which a partition has no leader. */
const ASK_AGAIN_AFTER_MS = 1_000
/** Survives a second evaluation of this file in one process, as test runners do it. */
const PATCHED = Symbol.for('postview.kafkajs')

const require = createRequire(import.meta.url)
const load = <T>(path: string): T => require(`kafkajs/src/${path}`) as T
const cached = (path: string) => require.cache[require.resolve(`kafkajs/src/${path}`)]

interface Originals {
  readonly decodeMessages: (decoder: Decoder) => Promise<FetchedMessage[]>
}

const originals = ((globalThis as Record<symbol, unknown>)[PATCHED] ??= patch()) as Originals

export const kafkajs = require('kafkajs') as typeof KafkaJs

/** kafkajs's own decoder of a record set, for `decode: 'kafkajs'`. */
export async function decodeByKafkaJs(raw: Buffer): Promise<FetchedMessage[]> {
  const KafkaDecoder = load<new (bytes: Buffer) => Decoder>('protocol/decoder')
  const size = Buffer.alloc(4)
  size.writeInt32BE(raw.length)
  return originals.decodeMessages(new KafkaDecoder(Buffer.concat([size, raw])))
}

/** kafkajs's own filter of aborted transactions, for `decode: 'kafkajs'`. */
export const filterAborted = load<
  (batch: { messages: FetchedMessage[]; abortedTransactions: readonly AbortedTransaction[] }) => FetchedMessage[]
>('consumer/filterAbortedMessages')

export const hasLeader = ({ leader }: PartitionMetadata): boolean => leader >= 0

export const wire: Wire = {
  Encoder: load('protocol/encoder'),
  Decoder: load('protocol/decoder'),
  createErrorFromCode: load<Pick<Wire, 'createErrorFromCode'>>('protocol/error').createErrorFromCode,
}

/** kafkajs's own sockets. */
export const defaultSocketFactory = load<() => KafkaJs.ISocketFactory>('network/socketFactory')()

/** kafkajs's loop of tries with growing waits. */
export const createRetry =
  load<(options: KafkaJs.RetryOptions) => <T>(body: (bail: (error: Error) => void) => Promise<T>) => Promise<T>>(
    'retry',
  )

/** A connection to the brokers outside any producer or consumer, with the client's addresses and credentials. */
export function createCluster(client: Client, options: ClusterOptions): Cluster {
  const symbol = Object.getOwnPropertySymbols(client).find((own) => own.description === 'private:Kafka:createCluster')
  const make = (client as unknown as Record<symbol, (options: ClusterOptions) => Cluster>)[symbol as symbol]
  return make(options)
}

function patch(): Originals {
  const { version } = require('kafkajs/package.json') as { version: string }
  if (version !== VERSION) throw new Error(`kafkajs ${VERSION} is needed, not ${version}: its inside is relied upon`)
  for (const path of [
    'consumer/consumerGroup',
    'protocol/requests/fetch/v4/response',
    'protocol/requests/produce/v4/request',
    'protocol/requests/produce/v4/response',
    'protocol/requests/metadata/v1/response',
  ]) {
    if (cached(path) !== undefined)
      throw new Error('kafkajs was loaded before src/log/kafka/patch.ts, which must be first')
  }
  const decodeMessages = load<Originals['decodeMessages']>(DECODE_MESSAGES)
  replace(DECODE_MESSAGES, rawMessages)
  replace(BATCH, batchWithAborted(load(BATCH)))
  replace(PRODUCE, produceRequest(load(PRODUCE)))
  replace(PRODUCED, produceResponse(load(PRODUCED)))
  replace(METADATA, metadataResponse(load(METADATA)))
  patchGroup()
  patchConnection()
  patchCluster()
  patchBroker()
  return { decodeMessages }
}

function replace(path: string, exports: unknown): void {
  const module = cached(path)
  if (module === undefined) throw new Error(`kafkajs/src/${path} is not where it was`)
  module.exports = exports
}

/** Change 1: one message for all bytes; none while no batch in them is whole. */
async function rawMessages(decoder: Decoder): Promise<RawMessage[]> {
  const sizeBytes = decoder.readInt32()
  if (sizeBytes <= 0 || !decoder.canReadBytes(sizeBytes)) return []
  const raw = decoder.readBytes(sizeBytes)
  const last = lastOffsetOf(raw)
  if (last < 0) return []
  holdFrame(raw)
  const batchContext = { inTransaction: false, producerId: '-1' } as const
  return [{ offset: String(last), isControlRecord: false, key: null, batchContext, raw }]
}

/** Change 2. The filter inside kafkajs is given an empty list: it must not drop the message that stands for all. */
function batchWithAborted(Batch: new (topic: string, from: string, data: object) => object) {
  return class extends Batch {
    readonly abortedTransactions: readonly AbortedTransaction[]
    constructor(topic: string, fetchedOffset: string, data: { abortedTransactions?: readonly AbortedTransaction[] }) {
      super(topic, fetchedOffset, { ...data, abortedTransactions: [] })
      this.abortedTransactions = data.abortedTransactions ?? []
    }
  }
}

interface RequestEncoder {
  writeString(value: string | null): RequestEncoder
  writeInt16(value: number): RequestEncoder
  writeInt32(value: number): RequestEncoder
  writeBufferInternal(value: Buffer): void
}

/** Change 3. Versions 4 to 7 of the request are this one with another number. */
function produceRequest(original: (request: ProduceArguments) => object) {
  const Encoder = load<new (sizeBytes: number) => RequestEncoder>('protocol/encoder')
  return (request: ProduceArguments) => {
    const made = original(request)
    return carriesBatches(request) ? { ...made, encode: async () => encodeCarriers(Encoder, request) } : made
  }
}

function carriesBatches({ topicData }: ProduceArguments): boolean {
  return topicData.every(({ partitions }) =>
    partitions.every(
      ({ messages }) => messages.length === 1 && Buffer.isBuffer((messages[0] as Partial<BatchCarrier>).prebuilt),
    ),
  )
}

function encodeCarriers(Encoder: new (sizeBytes: number) => RequestEncoder, request: ProduceArguments): RequestEncoder {
  const to = new Encoder(requestSizeBytes(request))
  to.writeString(request.transactionalId ?? null)
    .writeInt16(request.acks)
    .writeInt32(request.timeout)
  to.writeInt32(request.topicData.length)
  for (const { topic, partitions } of request.topicData) {
    to.writeString(topic).writeInt32(partitions.length)
    for (const { partition, messages } of partitions) {
      const { prebuilt } = messages[0]
      to.writeInt32(partition).writeInt32(prebuilt.length)
      to.writeBufferInternal(prebuilt)
    }
  }
  return to
}

interface ProduceResponse {
  readonly decode: (bytes: Buffer) => Promise<ProduceAnswer>
  readonly parse: (answer: ProduceAnswer) => Promise<ProduceAnswer>
}

/** Change 9. Versions 4 to 7 of the answer are parsed as this one. */
function produceResponse({ decode, parse }: ProduceResponse): ProduceResponse {
  const parseWhole = (answer: ProduceAnswer): Promise<ProduceAnswer> =>
    parse(answer).catch((error: PartlyRefused) => {
      error.answer = answer
      throw error
    })
  return { decode, parse: parseWhole }
}

/** Enough for all, so that the encoder does not copy itself larger again and again. */
function requestSizeBytes({ topicData }: ProduceArguments): number {
  let sizeBytes = 1024
  for (const { topic, partitions } of topicData) {
    sizeBytes += 16 + topic.length * 3
    for (const { messages } of partitions) sizeBytes += 16 + messages[0].prebuilt.length
  }
  return sizeBytes
}

interface Metadata {
  readonly topicMetadata: readonly { readonly partitionMetadata: readonly PartitionMetadata[] }[]
}

interface MetadataResponse {
  readonly parse: (answer: Metadata) => Promise<Metadata>
}

/** Change 10. All later versions of the answer are parsed as this one, which still fails for a topic that has an error. */
function metadataResponse({ parse, ...rest }: MetadataResponse): MetadataResponse {
  const parseTopics = async (answer: Metadata): Promise<Metadata> => {
    await parse({ ...answer, topicMetadata: answer.topicMetadata.map((one) => ({ ...one, partitionMetadata: [] })) })
    return answer
  }
  return { ...rest, parse: parseTopics }
}

interface PoolPrototype {
  /** Null once the connection is closed. */
  metadata: Metadata | null
  metadataExpireAt: number
  refreshMetadata(topics: readonly string[]): Promise<void>
}

/** Change 10. */
function patchCluster(): void {
  const pool = load<{ prototype: PoolPrototype }>('cluster/brokerPool').prototype
  const refresh = pool.refreshMetadata
  pool.refreshMetadata = async function (topics) {
    await refresh.call(this, topics)
    const isWhole = this.metadata?.topicMetadata.every(({ partitionMetadata }) => partitionMetadata.every(hasLeader))
    if (isWhole === false) this.metadataExpireAt = Math.min(this.metadataExpireAt, Date.now() + ASK_AGAIN_AFTER_MS)
  }
  const cluster = load<{ prototype: Pick<Cluster, 'fetchTopicsOffset'> }>('cluster/index').prototype
  const ends = cluster.fetchTopicsOffset
  cluster.fetchTopicsOffset = async function (this: Cluster, topics) {
    const led = topics.map((each) => {
      const known = new Set(
        this.findTopicPartitionMetadata(each.topic)
          .filter(hasLeader)
          .map(({ partitionId }) => partitionId),
      )
      return { ...each, partitions: each.partitions.filter(({ partition }) => known.has(partition)) }
    })
    const answers = await ends.call(this, led)
    // Trap: kafkajs's consumer looks into the answer for each topic that it named.
    const told = new Set(answers.map(({ topic }) => topic))
    return [
      ...answers,
      ...topics.filter(({ topic }) => !told.has(topic)).map(({ topic }) => ({ topic, partitions: [] })),
    ]
  }
}

/** Change 11. */
function patchBroker(): void {
  load<{ prototype: Broker }>('broker/index').prototype.txnOffsetCommit = function (request) {
    return sendTxnOffsets(wire, this, request)
  }
}

interface GroupPrototype {
  fetch(this: ConsumerGroup, nodeId: string): Promise<unknown[]>
  joinAndSync(this: ConsumerGroup): Promise<void>
  recoverFromOffsetOutOfRange(this: ConsumerGroup, at: { topic: string; partition: number }): Promise<void>
}

/** Changes 4 to 6. */
function patchGroup(): void {
  const group = load<{ prototype: GroupPrototype }>('consumer/consumerGroup').prototype
  const join = group.joinAndSync
  group.joinAndSync = async function () {
    await hooksOf(this)?.beforeJoin()
    await join.call(this)
    hooksOf(this)?.joined(this)
  }
  const fetch = group.fetch
  group.fetch = async function (nodeId) {
    const isWanted = (await hooksOf(this)?.wanted()) ?? true
    return isWanted ? fetch.call(this, nodeId) : []
  }
  group.recoverFromOffsetOutOfRange = async function (at) {
    const hooks = hooksOf(this)
    if (hooks === undefined) refuseDefaultOffset()
    await hooks.outOfRange(at)
  }
  // Trap: kafkajs commits the default offset, without metadata, even with autoCommit off. It has no way there any more.
  load<{ prototype: { setDefaultOffset: () => never } }>('consumer/offsetManager').prototype.setDefaultOffset =
    refuseDefaultOffset
}

interface ConnectionPrototype {
  chunks: Buffer[]
  bytesBuffered: number
  connect(): Promise<unknown>
  processData(read: Buffer): void
}

/** Changes 7 and 8. */
function patchConnection(): void {
  const connection = load<{ prototype: ConnectionPrototype }>('network/connection').prototype
  const processData = connection.processData
  connection.processData = function (read) {
    if (this.bytesBuffered === 0) this.chunks = []
    processData.call(this, read)
  }
  const connect = connection.connect
  const underWay = new WeakMap<object, Promise<unknown>>()
  connection.connect = function () {
    const shared = underWay.get(this)
    if (shared !== undefined) return shared
    const connecting = connect.call(this).finally(() => underWay.delete(this))
    underWay.set(this, connecting)
    return connecting
  }
}

function refuseDefaultOffset(): never {
  const { KafkaJSNonRetriableError } = load<{ KafkaJSNonRetriableError: new (message: string) => Error }>('errors')
  throw new KafkaJSNonRetriableError('offset out of range: a position is never moved to a default')
}

function hooksOf(group: ConsumerGroup) {
  return group.assigners.find(({ hooks }) => hooks !== undefined)?.hooks
}
