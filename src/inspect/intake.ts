/**
 * Takes posted events into the embedded log: decoded as their source's reader would, put where their user belongs,
 * appended, and answered when durable. JSON lines for a topic of Avro are encoded by the source's schema on the way.
 *
 * Invariants:
 * 1. Nothing of a request is appended before all of it was decoded.
 * 2. Decoding gives the loop back every few records: a large body does not hold the join up.
 * 3. Records of one user keep the order in which they were sent.
 *
 * How it fails: WrongForm where a topic takes no JSON lines; BadRecord for what the reader refuses; SourceUnready where the registry cannot be reached; what the log
 * says where an append fails (then a part may be appended: to send all of it again is safe, since copies are known by
 * their ids).
 */
import { newByteBuffer } from '../codec/byteBuffer.ts'
import { Refusal } from '../codec/error.ts'
import { JsonToAvro } from '../codec/json/toAvro.ts'
import type { SourceReader } from '../codec/port.ts'
import type { DecodeLimits, Source } from '../config/model.ts'
import { EventBatch, REFUSED } from '../join/event.ts'
import { murmur2 } from '../join/hash.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Log, Writer } from '../log/port.ts'
import { BadRecord, type Records } from './body.ts'
import { Lanes } from './lanes.ts'

export interface IntakeOptions {
  readonly log: Log
  readonly sources: readonly Source[]
  readonly limits: DecodeLimits
  /** Of the sources, in their order. */
  readonly readers: readonly SourceReader[]
  readonly wallMs: () => number
}

export class SourceUnready extends Error {
  override name = 'SourceUnready'
}

export class WrongForm extends Error {
  override name = 'WrongForm'
}

/** A slice of a body that is decoded in one go. */
const SLICE_RECORDS = 256
const SLICE_BYTES = 128 * 1024

export class Intake {
  private readonly options: IntakeOptions
  private readonly batch = new EventBatch()
  /** By source: how JSON lines become what the topic holds. */
  private readonly encoders = new Map<Source, JsonToAvro>()
  private readonly encoded = newByteBuffer(SLICE_BYTES)
  private writer: Promise<Writer> | undefined
  private decoding: Promise<void> = Promise.resolve()

  constructor(options: IntakeOptions) {
    this.options = options
  }

  /** Appends all records; resolves with how many when they are durable. */
  async append(topic: string, records: Records): Promise<number> {
    const { log, sources, readers } = this.options
    const k = sources.findIndex((source) => source.topic === topic)
    const [info] = await log.topics([topic])
    if (k < 0 || info === undefined) throw new SourceUnready(`topic ${topic} is not there yet`)
    const encoder = records.unit === 'line' ? this.encoderOf(sources[k]) : undefined
    const lanes = new Lanes(info)
    await this.inTurn(() => this.decode(readers[k], encoder, records, topic, lanes))
    await this.write(topic, lanes)
    return records.count
  }

  async close(): Promise<void> {
    await (await this.writer)?.close()
  }

  /** One request after the other, so that many at once take no more of the loop than one. */
  private inTurn(run: () => Promise<void>): Promise<void> {
    const done = this.decoding.then(run)
    this.decoding = done.catch(() => {})
    return done
  }

  private async decode(
    reader: SourceReader,
    encoder: JsonToAvro | undefined,
    records: Records,
    topic: string,
    lanes: Lanes,
  ): Promise<void> {
    for (let from = 0; from < records.count; ) {
      const to = endOfSlice(records, from)
      const slice = { chunk: chunkOf(records, from, to, topic, this.options.wallMs()), from, records }
      await prepared(reader, slice.chunk)
      this.place(reader, encoder, slice, lanes)
      from = to
      await new Promise(setImmediate)
    }
  }

  /** What makes the topic's bytes of JSON lines; undefined where the lines are what the topic holds. */
  private encoderOf(source: Source): JsonToAvro | undefined {
    const { topic, format } = source
    if (format.type === 'json') return undefined
    if (!('schema' in format)) {
      throw new WrongForm(
        `topic ${topic} holds Avro in Confluent wire format: send it framed, as application/avro-frames`,
      )
    }
    let encoder = this.encoders.get(source)
    if (encoder === undefined) {
      encoder = new JsonToAvro(format.schema, this.options.limits)
      this.encoders.set(source, encoder)
    }
    return encoder
  }

  /** Decodes a slice and puts it into its partitions' batches; in one go, since the columns are every request's. */
  private place(reader: SourceReader, encoder: JsonToAvro | undefined, slice: Slice, lanes: Lanes): void {
    const { batch } = this
    const chunk = encoder === undefined ? slice.chunk : this.encode(encoder, slice)
    reader.read(chunk, batch)
    for (let i = 0; i < chunk.count; i++) {
      if (batch.kind[i] === REFUSED) throw badRecord(slice, i, batch.refusals.get(i) ?? 'it cannot be decoded')
      const [userAt, userLength, length] = [batch.userAt[i], batch.userLength[i], chunk.valueLength[i]]
      const builder = lanes.builderFor(murmur2(batch.text, userAt, userLength), userLength + length)
      if (builder === undefined)
        throw badRecord(slice, i, `it is larger than the topic takes (${lanes.maxBytes} bytes)`)
      builder.add(chunk.stampMs[i], batch.text, userAt, userLength, chunk.bytes, chunk.valueAt[i], length)
    }
  }

  /** The slice's JSON records as Avro; good until the next call. */
  private encode(encoder: JsonToAvro, slice: Slice): RawChunk {
    const { chunk } = slice
    const { encoded } = this
    const valueAt = new Int32Array(chunk.count)
    const valueLength = new Int32Array(chunk.count)
    encoded.end = 0
    for (let i = 0; i < chunk.count; i++) {
      const at = chunk.valueAt[i]
      valueAt[i] = encoded.end
      try {
        encoder.write(chunk.bytes, at, at + chunk.valueLength[i], encoded)
      } catch (error) {
        if (error instanceof Refusal) throw badRecord(slice, i, error.reason)
        throw error
      }
      valueLength[i] = encoded.end - valueAt[i]
    }
    return { ...chunk, bytes: encoded.buffer, valueAt, valueLength }
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

/** Some of a body's records, as the log would hand them to the reader. */
interface Slice {
  readonly chunk: RawChunk
  readonly records: Records
  readonly from: number
}

function badRecord({ records, from }: Slice, i: number, reason: string): BadRecord {
  return new BadRecord(records.unit, records.number[from + i], reason)
}

async function prepared(reader: SourceReader, chunk: RawChunk): Promise<void> {
  try {
    const preparing = reader.prepare(chunk)
    if (preparing !== undefined) await preparing
  } catch (cause) {
    throw new SourceUnready(`the events cannot be decoded now: ${(cause as Error).message}`, { cause })
  }
}

function endOfSlice(records: Records, from: number): number {
  let bytes = 0
  let to = from
  while (to < records.count && to - from < SLICE_RECORDS && bytes < SLICE_BYTES) bytes += records.length[to++]
  return to
}

function chunkOf(records: Records, from: number, to: number, topic: string, stampMs: number): RawChunk {
  const count = to - from
  const none = new Int32Array(count)
  // Readers size their buffers by the chunk's bytes: it has those of its own records and no more.
  const start = records.at[from]
  const end = records.at[to - 1] + records.length[to - 1]
  return {
    topic,
    partition: 0,
    highWatermark: -1,
    nextOffset: count,
    count,
    bytes: records.bytes.subarray(start, end),
    offset: Float64Array.from({ length: count }, (_, i) => i),
    stampMs: new Float64Array(count).fill(stampMs),
    keyAt: none,
    keyLength: new Int32Array(count).fill(-1),
    valueAt: records.at.slice(from, to).map((at) => at - start),
    valueLength: records.length.subarray(from, to),
    headersAt: none,
    headersLength: none,
  }
}
