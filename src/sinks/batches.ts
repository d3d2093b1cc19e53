/**
 * Record batches on their way to one topic: built as records come, sent when large enough or when told, and awaited
 * before a commit. Samples, side outputs and dead letters all go this way.
 *
 * Owns: one builder a partition, and the sends under way.
 * Invariants: batches of a partition are appended in the order in which they were built; `flush` resolves only when
 * everything added before it is durable.
 *
 * A record larger than `roomBytes` goes in a batch of its own. Whether its topic takes it is to be asked before
 * (`refusal`): it is then compressed alone to see.
 *
 * How it fails: an append that the log refuses for good rejects the flush that covers it, and every later one until the
 * lane is discarded, which rejects with CLOSED whoever waits for it.
 */
import type { Compression } from '../config/model.ts'
import { LogError, type Writer } from '../log/port.ts'
import { RecordBatchBuilder, type RecordHeader, sizeOfHeaders } from '../log/recordBatch/builder.ts'
import { NO_LIMIT, roomOf, type TopicLimit } from './limit.ts'

/** The header that says which node produced a batch: on its first record alone, so that no record is larger for it. */
export const NODE_HEADER = 'node'

/** Uncompressed; below brokers' default limit of a megabyte whatever the compression makes of it. */
const BATCH_BYTES = 512 * 1024

interface Lane {
  readonly builder: RecordBatchBuilder
  bufferedBytes: number
  sending: Promise<void>
  /** Rejects what is under way, each for as long as it is. */
  readonly waiting: Set<(error: Error) => void>
}

export interface BatchedTopicOptions {
  /** What the topic takes; left out, nothing is refused but by the log. */
  readonly limit?: TopicLimit
  readonly onAppended?: (partition: number, baseOffset: number, count: number) => void
  /** Told with each batch. */
  readonly node?: string
}

export class BatchedTopic {
  bufferedBytes = 0
  /** A record whose key, value and headers have so many bytes fits in any case. */
  readonly roomBytes: number
  private readonly limit: TopicLimit
  private readonly batchBytes: number
  private readonly lanes = new Map<number, Lane>()
  private readonly topic: string
  private readonly compression: Compression
  private readonly writer: Writer
  private readonly node: readonly RecordHeader[] | undefined
  private readonly onAppended: BatchedTopicOptions['onAppended']

  constructor(topic: string, compression: Compression, writer: Writer, options: BatchedTopicOptions = {}) {
    const { limit = NO_LIMIT, node } = options
    this.topic = topic
    this.compression = compression
    this.writer = writer
    this.onAppended = options.onAppended
    this.node = node === undefined ? undefined : [[NODE_HEADER, Buffer.from(node)]]
    this.limit = limit
    this.roomBytes = roomOf(limit) - sizeOf(this.node)
    this.batchBytes = Math.min(BATCH_BYTES, this.roomBytes)
  }

  /** Why the topic cannot hold the record; undefined where it can. */
  refusal(
    key: Uint8Array | null,
    keyAt: number,
    keyLength: number,
    value: Uint8Array | null,
    valueAt: number,
    valueLength: number,
    headers?: readonly RecordHeader[],
  ): string | undefined {
    const sizeBytes = keyLength + valueLength + sizeOf(headers)
    if (sizeBytes <= this.roomBytes) return undefined
    const { topic, limit } = this
    if (sizeBytes <= limit.plainBytes) {
      const builder = new RecordBatchBuilder({ compression: this.compression, isSealed: false })
      builder.add(0, key, keyAt, keyLength, value, valueAt, valueLength, headers ?? this.node)
      if (builder.sizeBytes <= limit.plainBytes && builder.finish().bytes.length <= limit.bytes) return undefined
    }
    return `${sizeBytes} bytes are more than topic ${topic} takes (max.message.bytes: ${limit.bytes})`
  }

  add(
    partition: number,
    stampMs: number,
    key: Uint8Array | null,
    keyAt: number,
    keyLength: number,
    value: Uint8Array | null,
    valueAt: number,
    valueLength: number,
    headers?: readonly RecordHeader[],
  ): void {
    const lane = this.lane(partition)
    const sizeBytes = lane.builder.sizeBytes + keyLength + valueLength + sizeOf(headers)
    if (lane.builder.count > 0 && sizeBytes > this.batchBytes) this.push(partition)
    const before = lane.builder.sizeBytes
    const own = before === 0 ? (headers ?? this.node) : headers
    lane.builder.add(stampMs, key, keyAt, keyLength, value, valueAt, valueLength, own)
    this.buffered(lane, lane.builder.sizeBytes - before)
  }

  push(partition: number): void {
    const lane = this.lane(partition)
    if (lane.builder.count === 0) return
    const sizeBytes = lane.builder.sizeBytes
    const batch = lane.builder.finish()
    const appended = this.writer.append(this.topic, partition, batch).then((baseOffset) => {
      // Of a lane that was discarded nothing counts any more.
      if (this.lanes.get(partition) !== lane) return
      this.buffered(lane, -sizeBytes)
      this.onAppended?.(partition, baseOffset, batch.count)
    })
    const sent = new Promise<void>((resolve, reject) => {
      lane.waiting.add(reject)
      void appended.then(resolve, reject).finally(() => lane.waiting.delete(reject))
    })
    // Both are awaited: an earlier failure is not hidden by a later success.
    lane.sending = Promise.all([lane.sending, sent]).then(() => {})
    lane.sending.catch(() => {})
  }

  async flush(partition?: number): Promise<void> {
    if (partition !== undefined) {
      this.push(partition)
      await this.lane(partition).sending
      return
    }
    await Promise.all([...this.lanes.keys()].map((p) => this.flush(p)))
  }

  /** Forgets what is not durable, also what was refused; nobody waits for it any more. */
  discard(partition: number): void {
    const lane = this.lanes.get(partition)
    if (lane === undefined) return
    this.bufferedBytes -= lane.bufferedBytes
    this.lanes.delete(partition)
    const error = new LogError('CLOSED', `${this.topic}/${partition}: the partition is given up`)
    for (const reject of lane.waiting) reject(error)
  }

  private buffered(lane: Lane, bytes: number): void {
    lane.bufferedBytes += bytes
    this.bufferedBytes += bytes
  }

  private lane(partition: number): Lane {
    let lane = this.lanes.get(partition)
    if (lane === undefined) {
      const isSealed = this.writer.isSealing !== true
      const builder = new RecordBatchBuilder({ compression: this.compression, isSealed })
      lane = { builder, bufferedBytes: 0, sending: Promise.resolve(), waiting: new Set() }
      this.lanes.set(partition, lane)
    }
    return lane
  }
}

function sizeOf(headers: readonly RecordHeader[] | undefined): number {
  return headers === undefined ? 0 : sizeOfHeaders(headers)
}
