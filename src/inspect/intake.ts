/**
 * Takes posted events into the embedded log: decoded as their source's reader would, put where their user belongs,
 * appended, and answered when durable.
 *
 * Invariants:
 * 1. Nothing of a request is appended before all of it was decoded.
 * 2. Decoding gives the loop back every few records: a large body does not hold the join up.
 * 3. Records of one user keep the order in which they were sent.
 *
 * How it fails: BadRecord for what the reader refuses; SourceUnready where the registry cannot be reached; what the log
 * says where an append fails (then a part may be appended: to send all of it again is safe, since copies are known by
 * their ids).
 */
import type { SourceReader } from '../codec/port.ts'
import { EventBatch, REFUSED } from '../join/event.ts'
import { murmur2, partitionOf } from '../join/hash.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Log, TopicInfo, Writer } from '../log/port.ts'
import { type EncodedBatch, RecordBatchBuilder } from '../log/recordBatch/builder.ts'
import { BadRecord, type Records } from './body.ts'

export interface IntakeOptions {
  readonly log: Log
  /** Of the sources, with their readers in the same order. */
  readonly topics: readonly string[]
  readonly readers: readonly SourceReader[]
  readonly wallMs: () => number
}

export class SourceUnready extends Error {
  override name = 'SourceUnready'
}

/** A slice of a body that is decoded in one go. */
const SLICE_RECORDS = 256
const SLICE_BYTES = 128 * 1024
/** Uncompressed, of one batch that is appended. */
const BATCH_BYTES = 512 * 1024
/** What a batch of one record has beside its key and value, at most. */
const OVERHEAD_BYTES = 128
const DEFAULT_MAX_MESSAGE_BYTES = 1_000_000

export class Intake {
  private readonly options: IntakeOptions
  private readonly batch = new EventBatch()
  private writer: Promise<Writer> | undefined

  constructor(options: IntakeOptions) {
    this.options = options
  }

  /** Appends all records; resolves with how many when they are durable. */
  async append(topic: string, records: Records): Promise<number> {
    const { log, topics, readers } = this.options
    const source = topics.indexOf(topic)
    const [info] = await log.topics([topic])
    if (source < 0 || info === undefined) throw new SourceUnready(`topic ${topic} is not there yet`)
    const lanes = new Lanes(info)
    for (let from = 0; from < records.count; ) {
      const to = endOfSlice(records, from)
      const chunk = chunkOf(records, from, to, info, this.options.wallMs())
      await prepared(readers[source], chunk)
      this.place(readers[source], chunk, lanes, records, from)
      from = to
      if (from < records.count) await new Promise(setImmediate)
    }
    await this.write(topic, lanes)
    return records.count
  }

  async close(): Promise<void> {
    await (await this.writer)?.close()
  }

  /** Decodes a slice and puts it into its partitions' batches; in one go, since the columns are every request's. */
  private place(reader: SourceReader, chunk: RawChunk, lanes: Lanes, records: Records, from: number): void {
    const { batch } = this
    reader.read(chunk, batch)
    for (let i = 0; i < chunk.count; i++) {
      const { unit, number } = records
      if (batch.kind[i] === REFUSED) {
        throw new BadRecord(unit, number[from + i], batch.refusals.get(i) ?? 'it cannot be decoded')
      }
      const [userAt, userLength, length] = [batch.userAt[i], batch.userLength[i], chunk.valueLength[i]]
      const sizeBytes = userLength + length + OVERHEAD_BYTES
      if (sizeBytes > lanes.maxBytes) {
        throw new BadRecord(unit, number[from + i], `it is larger than the topic takes (${lanes.maxBytes} bytes)`)
      }
      const builder = lanes.builderFor(murmur2(batch.text, userAt, userLength), sizeBytes)
      builder.add(chunk.stampMs[i], batch.text, userAt, userLength, chunk.bytes, chunk.valueAt[i], length)
    }
  }

  private async write(topic: string, lanes: Lanes): Promise<void> {
    this.writer ??= this.options.log.writer()
    const writer = await this.writer
    const appended = await Promise.allSettled(
      lanes.finish().map(({ partition, batch }) => writer.append(topic, partition, batch)),
    )
    const failed = appended.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
}

async function prepared(reader: SourceReader, chunk: RawChunk): Promise<void> {
  try {
    const preparing = reader.prepare(chunk)
    if (preparing !== undefined) await preparing
  } catch (cause) {
    throw new SourceUnready(`the events cannot be decoded now: ${(cause as Error).message}`, { cause })
  }
}

/** The batches of one request, by partition. */
class Lanes {
  readonly maxBytes: number
  private readonly partitions: number
  private readonly builders = new Map<number, RecordBatchBuilder>()
  private readonly finished: { partition: number; batch: EncodedBatch }[] = []

  constructor(info: TopicInfo) {
    this.partitions = info.partitions
    this.maxBytes = Number(info.settings.get('max.message.bytes') ?? DEFAULT_MAX_MESSAGE_BYTES)
  }

  /** The batch to which a record of this size goes. */
  builderFor(userHash: number, sizeBytes: number): RecordBatchBuilder {
    const partition = partitionOf(userHash, this.partitions)
    let builder = this.builders.get(partition)
    if (builder === undefined) {
      builder = new RecordBatchBuilder({ compression: 'none' })
      this.builders.set(partition, builder)
    } else if (builder.count > 0 && builder.sizeBytes + sizeBytes > Math.min(BATCH_BYTES, this.maxBytes)) {
      this.finished.push({ partition, batch: builder.finish() })
    }
    return builder
  }

  /** All batches; those of one partition in their order. */
  finish(): readonly { partition: number; batch: EncodedBatch }[] {
    for (const [partition, builder] of this.builders) {
      if (builder.count > 0) this.finished.push({ partition, batch: builder.finish() })
    }
    return this.finished
  }
}

function endOfSlice(records: Records, from: number): number {
  let bytes = 0
  let to = from
  while (to < records.count && to - from < SLICE_RECORDS && bytes < SLICE_BYTES) bytes += records.length[to++]
  return to
}

/** A slice as the log would hand it to the reader. */
function chunkOf(records: Records, from: number, to: number, { topic }: TopicInfo, stampMs: number): RawChunk {
  const count = to - from
  const none = new Int32Array(count)
  return {
    topic,
    partition: 0,
    highWatermark: -1,
    nextOffset: count,
    count,
    bytes: records.bytes,
    offset: Float64Array.from({ length: count }, (_, i) => i),
    stampMs: new Float64Array(count).fill(stampMs),
    keyAt: none,
    keyLength: new Int32Array(count).fill(-1),
    valueAt: records.at.subarray(from, to),
    valueLength: records.length.subarray(from, to),
    headersAt: none,
    headersLength: none,
  }
}
