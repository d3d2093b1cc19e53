/**
 * Builds record batches (magic 2) out of keys and values that lie in others' buffers.
 *
 * Owns: one scratch buffer, into which records are written as they come and which the next batch reuses. This is the
 * hottest path of writing: no object a record, every byte is copied once here and once, compressed, into the batch.
 *
 * Invariants:
 * 1. What `finish` returns is the caller's: no byte of it is shared with the scratch buffer.
 * 2. Batches have base offset 0 and no producer: the log that takes them sets the first, outside the checksum. Where a
 *    writer sets the second too (producer.ts), the checksum is left to it (`isSealed: false`).
 * 3. Timestamp deltas are relative to the first record's.
 *
 * Fails: RangeError where the caller hands a stamp that is no whole number of milliseconds, or finishes an empty batch.
 */
import { crc32c } from '@node-rs/crc32'
import type { Compression } from '../../config/model.ts'
import { type Compressor, compressorOf } from './compress.ts'
import * as layout from './layout.ts'
import { MAX_VARINT_BYTES, sizeOfVarint, writeVarint } from './varint.ts'

export interface EncodedBatch {
  /** One whole record batch, magic 2, base offset 0. */
  readonly bytes: Buffer
  readonly count: number
}

export type RecordHeader = readonly [string, Uint8Array]

const INITIAL_BYTES = 64 * 1024
/** A scratch buffer that one large batch has grown beyond this is not kept. */
const KEPT_BYTES = 8 * 1024 * 1024
/** Below this a loop is cheaper than a call that makes a view. */
const LOOP_BYTES = 48
const MAX_STAMP_MS = 8.64e15
/** Length, attributes, two deltas, key and value length and the number of headers. */
const RECORD_OVERHEAD_BYTES = 6 * MAX_VARINT_BYTES + 1

export class RecordBatchBuilder {
  private scratch: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  private end = 0
  private records = 0
  private firstStampMs = 0
  private maxStampMs = 0
  private readonly compress: Compressor | null
  private readonly codec: number
  private readonly isSealed: boolean

  constructor(options: { readonly compression: Compression; readonly isSealed?: boolean }) {
    this.isSealed = options.isSealed ?? true
    this.compress = compressorOf(options.compression)
    this.codec = layout.CODECS.indexOf(options.compression)
  }

  get count(): number {
    return this.records
  }

  /** Bytes of the records so far, uncompressed. */
  get sizeBytes(): number {
    return this.end
  }

  /** Adds a record; a null buffer or a length below 0 is a null. */
  add(
    stampMs: number,
    key: Uint8Array | null,
    keyAt: number,
    keyLength: number,
    value: Uint8Array | null,
    valueAt: number,
    valueLength: number,
    headers?: readonly RecordHeader[],
  ): void {
    if (!Number.isInteger(stampMs) || Math.abs(stampMs) > MAX_STAMP_MS) {
      throw new RangeError(`a record's timestamp must be whole milliseconds: ${stampMs}`)
    }
    if (this.records === 0) this.firstStampMs = this.maxStampMs = stampMs
    else if (stampMs > this.maxStampMs) this.maxStampMs = stampMs
    const stampDelta = stampMs - this.firstStampMs
    const keyBytes = key === null ? -1 : keyLength
    const valueBytes = value === null ? -1 : valueLength
    const headerBytes = headers === undefined || headers.length === 0 ? 1 : sizeOfHeaders(headers)
    const bodyBytes =
      1 + sizeOfVarint(stampDelta) + sizeOfVarint(this.records) + sizeOf(keyBytes) + sizeOf(valueBytes) + headerBytes
    this.reserve(bodyBytes + RECORD_OVERHEAD_BYTES)

    const { scratch } = this
    let at = writeVarint(scratch, this.end, bodyBytes)
    scratch[at++] = 0
    at = writeVarint(scratch, at, stampDelta)
    at = writeVarint(scratch, at, this.records)
    at = writeBytes(scratch, at, key, keyAt, keyBytes)
    at = writeBytes(scratch, at, value, valueAt, valueBytes)
    this.end = headerBytes === 1 ? writeVarint(scratch, at, 0) : writeHeaders(scratch, at, headers!)
    this.records++
  }

  /** The batch of all records since the last call; the builder starts anew. */
  finish(): EncodedBatch {
    const count = this.records
    if (count === 0) throw new RangeError('a record batch needs at least one record')
    const plain = this.scratch.subarray(0, this.end)
    const records = this.compress === null ? plain : this.compress(plain)
    const bytes = Buffer.allocUnsafeSlow(layout.RECORDS + records.length)
    bytes.set(records, layout.RECORDS)
    this.writeHeader(bytes)
    this.records = 0
    this.end = 0
    if (this.scratch.length > KEPT_BYTES) this.scratch = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    return { bytes, count }
  }

  private writeHeader(bytes: Buffer): void {
    layout.writeInt64(bytes, layout.BASE_OFFSET, 0)
    bytes.writeInt32BE(bytes.length - layout.PREFIX_BYTES, layout.BATCH_LENGTH)
    bytes.writeInt32BE(0, layout.LEADER_EPOCH)
    bytes[layout.MAGIC] = layout.MAGIC_2
    bytes.writeInt16BE(this.codec, layout.ATTRIBUTES)
    bytes.writeInt32BE(this.records - 1, layout.LAST_OFFSET_DELTA)
    layout.writeInt64(bytes, layout.FIRST_STAMP, this.firstStampMs)
    layout.writeInt64(bytes, layout.MAX_STAMP, this.maxStampMs)
    layout.writeInt64(bytes, layout.PRODUCER_ID, -1)
    bytes.writeInt16BE(-1, layout.PRODUCER_EPOCH)
    bytes.writeInt32BE(-1, layout.BASE_SEQUENCE)
    bytes.writeInt32BE(this.records, layout.RECORD_COUNT)
    bytes.writeUInt32BE(this.isSealed ? crc32c(bytes.subarray(layout.ATTRIBUTES)) : 0, layout.CRC)
  }

  private reserve(bytes: number): void {
    const need = this.end + bytes
    if (need <= this.scratch.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(need, this.scratch.length * 2))
    this.scratch.copy(grown, 0, 0, this.end)
    this.scratch = grown
  }
}

function sizeOf(length: number): number {
  return length < 0 ? 1 : sizeOfVarint(length) + length
}

function writeBytes(out: Buffer, start: number, source: Uint8Array | null, from: number, length: number): number {
  if (source === null || length < 0) return writeVarint(out, start, -1)
  const at = writeVarint(out, start, length)
  if (length <= LOOP_BYTES) {
    for (let i = 0; i < length; i++) out[at + i] = source[from + i]
  } else {
    out.set(new Uint8Array(source.buffer, source.byteOffset + from, length), at)
  }
  return at + length
}

export function sizeOfHeaders(headers: readonly RecordHeader[]): number {
  let size = sizeOfVarint(headers.length)
  for (const [name, value] of headers) size += sizeOf(Buffer.byteLength(name)) + sizeOf(value.length)
  return size
}

function writeHeaders(out: Buffer, start: number, headers: readonly RecordHeader[]): number {
  let at = writeVarint(out, start, headers.length)
  for (const [name, value] of headers) {
    at = writeVarint(out, at, Buffer.byteLength(name))
    at += out.write(name, at)
    at = writeBytes(out, at, value, 0, value.length)
  }
  return at
}
