/**
 * Turns the bytes of a fetch, record batches one after the other, into a flat chunk.
 *
 * Owns: nothing beyond a call. The chunk owns its bytes, which may come from the pool (pool.ts): records are copied once,
 * or inflated into it.
 *
 * Invariants:
 * 1. A batch that is not whole ends the chunk, as does what was inflated when it comes to the limit of one batch; what is
 *    behind it comes again with the next fetch.
 * 2. Control batches, aborted transactions and records below `fromOffset` are left out, and `nextOffset` is above them.
 * 3. What a batch claims is bounded by its bytes before anything is allocated for it.
 *
 * Fails, with topic, partition and offset in the message: LogError CORRUPT (checksum or structure), TOO_LARGE
 * (inflates beyond its limit), CODEC (compressed with, or written in, what cannot be read here).
 */
import { crc32c } from '@node-rs/crc32'
import type { RawChunk } from '../chunk.ts'
import { LogError, type LogErrorCode } from '../port.ts'
import { AbortedProducers, type AbortedTransaction } from './aborted.ts'
import { InflateError } from './bounds.ts'
import { Cursor, Malformed } from './cursor.ts'
import { discard } from './discard.ts'
import { skipHeaders } from './headers.ts'
import { inflate } from './inflate.ts'
import * as layout from './layout.ts'
import { takeBuffer } from './pool.ts'

export interface ReadOptions {
  readonly topic: string
  readonly partition: number
  /** Records below are skipped. */
  readonly fromOffset: number
  readonly highWatermark: number
  /** Of one compressed batch; and of a fetch no more batches are inflated once they come to it together. */
  readonly maxInflatedBytes: number
  readonly abortedTransactions?: readonly AbortedTransaction[]
}

interface Section {
  readonly baseOffset: number
  readonly lastDelta: number
  readonly count: number
  readonly firstStampMs: number
  /** The log's own stamp for all records of the batch, or NaN. */
  readonly appendedMs: number
  /** The records, inflated; still the fetch's own bytes where they were not compressed. */
  readonly records: Buffer
  readonly inflated: boolean
}

const MAX_CHUNK_BYTES = 0x7fff_ffff

export function readRecordBatches(bytes: Buffer, options: ReadOptions): RawChunk {
  const aborted = new AbortedProducers(options.abortedTransactions ?? [])
  const sections: Section[] = []
  let nextOffset = options.fromOffset
  let expected = 0
  let inflatedBytes = 0
  for (let at = 0; at + layout.MAGIC < bytes.length; ) {
    const batch = wholeBatch(bytes, at, options)
    if (batch === null) break
    at += batch.length
    const baseOffset = layout.readInt64(batch, layout.BASE_OFFSET)
    const lastDelta = batch.readInt32BE(layout.LAST_OFFSET_DELTA)
    if (baseOffset < expected || lastDelta < 0)
      throw refuse(options, baseOffset, 'CORRUPT', 'its offsets run backwards')
    expected = baseOffset + lastDelta + 1
    const left = aborted.leavesOut(batch, expected - 1)
    if (expected <= options.fromOffset) continue
    // What is beyond comes with the next fetch: many small batches may each inflate to the limit.
    if (inflatedBytes >= options.maxInflatedBytes) break
    nextOffset = expected
    if (left) continue
    const section = sectionOf(batch, baseOffset, lastDelta, options)
    if (section.inflated) inflatedBytes += section.records.length
    sections.push(section)
  }
  return flatten(sections, nextOffset, options)
}

/** The batch at `at`, its format and checksum verified; null where the fetch cut it off. */
function wholeBatch(bytes: Buffer, at: number, options: ReadOptions): Buffer | null {
  const offset = layout.readInt64(bytes, at)
  const magic = bytes[at + layout.MAGIC]
  if (magic < layout.MAGIC_2) throw refuse(options, offset, 'CODEC', 'its message format is older than 0.11')
  const length = bytes.readInt32BE(at + layout.BATCH_LENGTH) + layout.PREFIX_BYTES
  if (length < layout.RECORDS) throw refuse(options, offset, 'CORRUPT', 'its length is too small for a batch')
  if (length > bytes.length - at) return null
  if (magic > layout.MAGIC_2) throw refuse(options, offset, 'CODEC', `its message format ${magic} is not known`)
  if (offset < 0 || !Number.isSafeInteger(offset)) throw refuse(options, offset, 'CORRUPT', 'its offset is impossible')
  const batch = bytes.subarray(at, at + length)
  if (crc32c(batch.subarray(layout.ATTRIBUTES)) !== batch.readUInt32BE(layout.CRC)) {
    throw refuse(options, offset, 'CORRUPT', 'its checksum is wrong')
  }
  return batch
}

function sectionOf(batch: Buffer, baseOffset: number, lastDelta: number, options: ReadOptions): Section {
  const attributes = batch.readInt16BE(layout.ATTRIBUTES)
  const records = inflated(batch.subarray(layout.RECORDS), attributes & layout.CODEC_MASK, baseOffset, options)
  const count = batch.readInt32BE(layout.RECORD_COUNT)
  if (count < 0 || count > records.length / layout.MIN_RECORD_BYTES || count > lastDelta + 1) {
    throw refuse(options, baseOffset, 'CORRUPT', `it cannot hold the ${count} records that it claims`)
  }
  return {
    baseOffset,
    lastDelta,
    count,
    firstStampMs: layout.readInt64(batch, layout.FIRST_STAMP),
    appendedMs: (attributes & layout.LOG_APPEND_TIME) !== 0 ? layout.readInt64(batch, layout.MAX_STAMP) : Number.NaN,
    records,
    inflated: (attributes & layout.CODEC_MASK) !== 0,
  }
}

function inflated(records: Buffer, number: number, baseOffset: number, options: ReadOptions): Buffer {
  const codec = layout.CODECS[number]
  if (codec === undefined) {
    throw refuse(
      options,
      baseOffset,
      'CODEC',
      `its compression codec ${number} is unknown, and no package here reads it`,
    )
  }
  try {
    return inflate(codec, records, options.maxInflatedBytes)
  } catch (error) {
    if (error instanceof InflateError) throw refuse(options, baseOffset, error.code, error.message, error)
    throw error
  }
}

function flatten(sections: readonly Section[], nextOffset: number, options: ReadOptions): RawChunk {
  let total = 0
  let room = 0
  for (const section of sections) {
    total += section.records.length
    room += section.count
  }
  if (total > MAX_CHUNK_BYTES) {
    throw refuse(options, sections[0].baseOffset, 'TOO_LARGE', `the batches of one fetch inflate to ${total} bytes`)
  }
  const single = sections.length === 1 && sections[0].inflated
  const pooled = single ? undefined : takeBuffer(total)
  const bytes = pooled?.buffer ?? sections[0].records
  const columns = new Columns(bytes, room, options.fromOffset)
  let at = 0
  for (const section of sections) {
    const { length } = section.records
    if (!single) bytes.set(section.records, at)
    try {
      columns.take(section, at, length)
    } catch (error) {
      if (error instanceof Malformed) throw refuse(options, section.baseOffset, 'CORRUPT', error.message, error)
      throw error
    }
    if (!single && section.inflated) discard(section.records)
    at += length
  }
  return columns.chunk(nextOffset, options, pooled?.release ?? (() => discard(bytes)))
}

function refuse(options: ReadOptions, offset: number, code: LogErrorCode, why: string, cause?: Error): LogError {
  const where = `topic ${options.topic}, partition ${options.partition}, offset ${offset}`
  return new LogError(code, `${where}: the record batch is refused: ${why}`, { cause })
}

/** Reads a record's length and returns where the record ends. */
function endOfRecord(cursor: Cursor): number {
  const length = cursor.varint()
  const from = cursor.skip(length)
  cursor.at = from
  return from + length
}

/** The columns of a chunk while they are being filled. */
class Columns {
  private readonly bytes: Buffer
  private readonly fromOffset: number
  private count = 0
  private readonly offset: Float64Array
  private readonly stampMs: Float64Array
  private readonly places: Int32Array[]

  constructor(bytes: Buffer, room: number, fromOffset: number) {
    this.bytes = bytes
    this.fromOffset = fromOffset
    this.offset = new Float64Array(room)
    this.stampMs = new Float64Array(room)
    this.places = Array.from({ length: 6 }, () => new Int32Array(room))
  }

  /** Takes the records of a section, whose bytes lie at `at`. */
  take(section: Section, at: number, length: number): void {
    const { offset, stampMs, fromOffset } = this
    const [keyAt, keyLength, valueAt, valueLength, headersAt, headersLength] = this.places
    const stamped = !Number.isNaN(section.appendedMs)
    const sectionEnd = at + length
    const cursor = new Cursor(this.bytes, at, sectionEnd)
    let lowest = 0
    for (let left = section.count; left > 0; left--) {
      cursor.end = sectionEnd
      const end = endOfRecord(cursor)
      cursor.end = end
      cursor.skip(1)
      const stampDelta = cursor.varlong()
      const delta = cursor.varint()
      if (delta < lowest || delta > section.lastDelta) throw new Malformed('its records are out of order')
      lowest = delta + 1
      const i = this.count
      keyLength[i] = cursor.nullable()
      keyAt[i] = cursor.at - Math.max(keyLength[i], 0)
      valueLength[i] = cursor.nullable()
      valueAt[i] = cursor.at - Math.max(valueLength[i], 0)
      headersAt[i] = cursor.at
      const headers = cursor.varint()
      if (headers !== 0) skipHeaders(cursor, headers)
      headersLength[i] = headers === 0 ? 0 : cursor.at - headersAt[i]
      if (cursor.at !== end) throw new Malformed('a record is longer than its fields')
      offset[i] = section.baseOffset + delta
      stampMs[i] = stamped ? section.appendedMs : section.firstStampMs + stampDelta
      if (offset[i] >= fromOffset) this.count++
    }
  }

  chunk(nextOffset: number, options: ReadOptions, release?: () => void): RawChunk {
    const [keyAt, keyLength, valueAt, valueLength, headersAt, headersLength] = this.places
    return {
      topic: options.topic,
      partition: options.partition,
      highWatermark: options.highWatermark,
      nextOffset,
      count: this.count,
      bytes: this.bytes,
      offset: this.offset,
      stampMs: this.stampMs,
      keyAt,
      keyLength,
      valueAt,
      valueLength,
      headersAt,
      headersLength,
      release,
    }
  }
}
