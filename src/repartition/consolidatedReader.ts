/**
 * Reads a consolidated topic: each record by the reader of the source that it came from, into one batch, and the records
 * of clocks.
 *
 * A writer's number is stable over restarts, as every reader's: the source's place in the pipeline above SOURCE_BITS, the
 * source's own number below. An engagement's payload has the record's headers behind its value (origin.ts). What a reader
 * encoded anew lies behind a copy of the chunk's bytes, in a buffer made for that chunk.
 *
 * How it fails: a record of no known origin, or that was refused or cut when it was rewritten, is refused with the reason,
 * as any that cannot be read; a clock of a topic that is none of the sources is passed over.
 */
import { append, newByteBuffer } from '../codec/byteBuffer.ts'
import type { ByteBuffer, Origins, Place, SourceReader, WriterSchema } from '../codec/port.ts'
import type { AvroSchema } from '../config/model.ts'
import { CLOCK, ENGAGEMENT, EventBatch, REFUSED } from '../join/event.ts'
import type { RawChunk } from '../log/chunk.ts'
import { headersOf } from '../log/recordBatch/headers.ts'
import { CLOCKS, decodeClocks, decodeOrigin, ORIGIN, REFUSED_BECAUSE, splitOrigin, topicOf } from './origin.ts'

const SOURCE_BITS = 27
const WRITER_MASK = 2 ** SOURCE_BITS - 1
const NO_ORIGIN = 'it says of no source that it came from it: was it written by somebody else?'

/** Columns that hold a place in the batch's text, with their lengths. */
const TEXTS = [
  ['userAt', 'userLength'],
  ['itemAt', 'itemLength'],
  ['viewIdAt', 'viewIdLength'],
  ['engagementIdAt', 'engagementIdLength'],
  ['typeAt', 'typeLength'],
] as const
const PLAIN = ['kind', 'timeMs', 'value', 'payloadAt', 'payloadLength'] as const

export class ConsolidatedReader implements SourceReader {
  readonly origins: Origins = { ofRecord: originOf, ofPayload: splitPayload }
  private readonly readers: readonly SourceReader[]
  private readonly sourceOf: ReadonlyMap<string, number>
  /** Per source: its records of the chunk in hand. */
  private readonly members: number[][]
  private readonly part = new EventBatch()

  /** `topics` and `readers` of the pipeline's sources, in their order. */
  constructor(topics: readonly string[], readers: readonly SourceReader[]) {
    this.readers = readers
    this.sourceOf = new Map(topics.map((topic, source) => [topic, source]))
    this.members = topics.map(() => [])
  }

  get writers(): readonly WriterSchema[] {
    return this.readers.flatMap((reader, source) =>
      reader.writers.map(({ writer, schema }) => ({ writer: numberOf(source, writer), schema })),
    )
  }

  prepare(chunk: RawChunk): Promise<void> | undefined {
    this.divide(chunk, undefined)
    const waiting = this.parts(chunk).flatMap(({ reader, part }) => reader.prepare(part) ?? [])
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => {})
  }

  read(chunk: RawChunk, into: EventBatch): void {
    into.reset(chunk.count, chunk.bytes)
    this.divide(chunk, into)
    let out: ByteBuffer | undefined
    for (const { source, reader, part } of this.parts(chunk)) {
      reader.read(part, this.part)
      this.copy(source, into)
      if (this.part.payload === chunk.bytes) this.keepInPlace(source, into, chunk)
      else {
        out ??= copyOf(chunk.bytes)
        this.keepAnew(source, into, chunk, out)
      }
    }
    if (out !== undefined) into.payload = out.buffer
  }

  toJson(payload: Buffer, writer: number): unknown {
    return this.readers[writer >>> SOURCE_BITS].toJson(splitPayload(payload).value, writer & WRITER_MASK)
  }

  ensure(writer: number): Promise<void> | undefined {
    return this.readers[writer >>> SOURCE_BITS].ensure(writer & WRITER_MASK)
  }

  schemaOf(writer: number): AvroSchema | null {
    return this.readers[writer >>> SOURCE_BITS].schemaOf(writer & WRITER_MASK)
  }

  /** Sorts the chunk's records by their sources; with a batch, fills in what is of none. */
  private divide(chunk: RawChunk, into: EventBatch | undefined): void {
    for (const members of this.members) members.length = 0
    for (let i = 0; i < chunk.count; i++) {
      if (into !== undefined) {
        into.offset[i] = chunk.offset[i]
        into.stampMs[i] = chunk.stampMs[i]
        into.writer[i] = 0
      }
      const source = this.sourceAt(chunk, i, into)
      if (source !== undefined) this.members[source].push(i)
    }
  }

  private sourceAt(chunk: RawChunk, i: number, into: EventBatch | undefined): number | undefined {
    for (const [name, value] of headersOf(chunk, i)) {
      if (name === REFUSED_BECAUSE && value !== null) {
        into?.refuse(i, value.toString())
        return undefined
      }
      if (name === ORIGIN && value !== null) {
        const origin = decodeOrigin(value)
        const source = origin === undefined ? undefined : this.sourceOf.get(origin.topic)
        if (source === undefined) into?.refuse(i, NO_ORIGIN)
        return source
      }
      if (name === CLOCKS && chunk.valueLength[i] >= 0) {
        if (into !== undefined) this.readClocks(chunk, i, into)
        return undefined
      }
    }
    into?.refuse(i, NO_ORIGIN)
    return undefined
  }

  /** Of a topic that is no source any more nobody tells a clock again: it would hold time back for ever. */
  private readClocks(chunk: RawChunk, i: number, into: EventBatch): void {
    const at = chunk.valueAt[i]
    const clocks = decodeClocks(chunk.bytes.subarray(at, at + chunk.valueLength[i]))
    if (clocks === undefined) {
      into.refuse(i, 'its clocks cannot be read')
      return
    }
    into.kind[i] = CLOCK
    into.told.set(
      i,
      clocks.filter(({ name }) => this.sourceOf.has(topicOf(name))),
    )
  }

  private parts(chunk: RawChunk): { source: number; reader: SourceReader; part: RawChunk }[] {
    return this.members.flatMap((members, source) =>
      members.length === 0 ? [] : [{ source, reader: this.readers[source], part: partOf(chunk, members) }],
    )
  }

  /** One source's events into their places in the whole batch. */
  private copy(source: number, into: EventBatch): void {
    const { part } = this
    const members = this.members[source]
    const shift = into.reserveText(part.textEnd)
    part.text.copy(into.text, shift, 0, part.textEnd)
    into.textEnd += part.textEnd
    for (let k = 0; k < members.length; k++) {
      const i = members[k]
      if (part.kind[k] === REFUSED) {
        into.refuse(i, part.refusals.get(k)!, part.decided.has(k))
        continue
      }
      for (const column of PLAIN) into[column][i] = part[column][k]
      into.writer[i] = numberOf(source, part.writer[k])
      for (const [at, length] of TEXTS) {
        into[at][i] = part[at][k] + shift
        into[length][i] = part[length][k]
      }
    }
  }

  /** The events' records lie in the chunk: an engagement's headers are right behind. */
  private keepInPlace(source: number, into: EventBatch, { headersAt, headersLength }: RawChunk): void {
    for (const i of this.members[source]) {
      const isFollowed = into.payloadAt[i] + into.payloadLength[i] === headersAt[i]
      if (into.kind[i] === ENGAGEMENT && isFollowed) into.payloadLength[i] += headersLength[i]
    }
  }

  /** The source's reader encoded the records: they are put behind what is there, an engagement's with its headers. */
  private keepAnew(source: number, into: EventBatch, chunk: RawChunk, out: ByteBuffer): void {
    const { payload } = this.part
    for (const i of this.members[source]) {
      if (into.kind[i] === REFUSED) continue
      const from = out.end
      append(out, payload, into.payloadAt[i], into.payloadLength[i])
      if (into.kind[i] === ENGAGEMENT) append(out, chunk.bytes, chunk.headersAt[i], chunk.headersLength[i])
      into.payloadAt[i] = from
      into.payloadLength[i] = out.end - from
    }
  }
}

function copyOf(bytes: Buffer): ByteBuffer {
  const out = newByteBuffer(2 * bytes.length)
  append(out, bytes, 0, bytes.length)
  return out
}

function originOf(chunk: RawChunk, i: number): Place | undefined {
  const [, value] = headersOf(chunk, i).find(([name]) => name === ORIGIN) ?? []
  return value ? decodeOrigin(value) : undefined
}

function splitPayload(payload: Buffer): { readonly value: Buffer; readonly place: Place | undefined } {
  const split = splitOrigin(payload)
  return { value: split === undefined ? payload : payload.subarray(0, split.length), place: split?.place }
}

/** A chunk of some of the records; the bytes stay where they are. */
function partOf(chunk: RawChunk, members: readonly number[]): RawChunk {
  const floats = (from: Float64Array): Float64Array => Float64Array.from(members, (i) => from[i])
  const ints = (from: Int32Array): Int32Array => Int32Array.from(members, (i) => from[i])
  return {
    ...chunk,
    count: members.length,
    offset: floats(chunk.offset),
    stampMs: floats(chunk.stampMs),
    keyAt: ints(chunk.keyAt),
    keyLength: ints(chunk.keyLength),
    valueAt: ints(chunk.valueAt),
    valueLength: ints(chunk.valueLength),
    headersAt: ints(chunk.headersAt),
    headersLength: ints(chunk.headersLength),
  }
}

function numberOf(source: number, writer: number): number {
  if (writer > WRITER_MASK) throw new RangeError(`a registry's schema id of ${writer} is beyond what can be kept`)
  return source * 2 ** SOURCE_BITS + writer
}
