/**
 * A journal segment: one chunk as it was joined, in one value. The chunk's bytes as they lie, its columns, and what
 * arrival decided of each record (accepted or not, late or not), which the log alone would not tell again. Where headers
 * lie only where a record has any: those of a consolidated topic are read by them.
 *
 * Owns: the format, version 1. A segment of another version is not read: the journal is a cache.
 */
import type { RawChunk } from '../log/chunk.ts'
import { discard } from '../log/recordBatch/discard.ts'

const VERSION = 1
const HEADER_BYTES = 48
const COLUMN_BYTES = 8 + 8 + 4 + 4 + 1

export const ACCEPTED = 1
export const WAS_LATE = 2

export interface Segment {
  readonly source: number
  /** Where the source's position was before the chunk. */
  readonly fromOffset: number
  readonly chunk: RawChunk
  /** Per record: ACCEPTED, WAS_LATE. */
  readonly flags: Uint8Array
}

/** Bytes of the chunk's segment. */
export function segmentBytes(chunk: RawChunk): number {
  return HEADER_BYTES + chunk.count * (COLUMN_BYTES + headerColumns(chunk).length * 4) + chunk.bytes.length
}

/** Writes the segment to the front of `into`, where it has room, else to a buffer of its own; gives the segment's bytes. */
export function encodeSegment(
  source: number,
  fromOffset: number,
  chunk: RawChunk,
  flags: Uint8Array,
  into?: Buffer,
): Buffer {
  const n = chunk.count
  const headers = headerColumns(chunk)
  const size = segmentBytes(chunk)
  const out = into !== undefined && into.length >= size ? into.subarray(0, size) : Buffer.allocUnsafe(size)
  out.writeUInt32LE(VERSION, 0)
  out.writeUInt32LE(source, 4)
  out.writeUInt32LE(n, 8)
  out.writeUInt32LE(chunk.bytes.length, 12)
  out.writeDoubleLE(fromOffset, 16)
  out.writeDoubleLE(chunk.nextOffset, 24)
  out.writeDoubleLE(chunk.highWatermark, 32)
  out.writeDoubleLE(headers.length, 40)
  let at = HEADER_BYTES
  for (const column of [chunk.offset, chunk.stampMs, chunk.valueAt, chunk.valueLength, ...headers]) {
    out.set(new Uint8Array(column.buffer, column.byteOffset, n * column.BYTES_PER_ELEMENT), at)
    at += n * column.BYTES_PER_ELEMENT
  }
  out.set(flags.subarray(0, n), at)
  out.set(chunk.bytes, at + n)
  return out
}

/** None where no record has headers. */
function headerColumns({ count, headersAt, headersLength }: RawChunk): readonly Int32Array[] {
  for (let i = 0; i < count; i++) if (headersLength[i] > 1) return [headersAt, headersLength]
  return []
}

/** Undefined where the bytes are no segment of this version. Its chunk's `release` gives its columns back. */
export function decodeSegment(
  bytes: Buffer,
  topicOf: (source: number) => string,
  partition: number,
): Segment | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== VERSION) return undefined
  const source = bytes.readUInt32LE(4)
  const n = bytes.readUInt32LE(8)
  const size = bytes.readUInt32LE(12)
  const more = bytes.readDoubleLE(40)
  const columnBytes = n * (COLUMN_BYTES + more * 4)
  if (bytes.length !== HEADER_BYTES + columnBytes + size) return undefined
  // Typed arrays need aligned memory: columns are copied out.
  const columns = Buffer.allocUnsafeSlow(columnBytes)
  bytes.copy(columns, 0, HEADER_BYTES)
  let at = 0
  const take = (width: number): [ArrayBuffer, number, number] => {
    at += n * width
    return [columns.buffer as ArrayBuffer, at - n * width, n]
  }
  const offset = new Float64Array(...take(8))
  const stampMs = new Float64Array(...take(8))
  const valueAt = new Int32Array(...take(4))
  const valueLength = new Int32Array(...take(4))
  const { zero, none } = constants(n)
  const headersAt = more === 0 ? zero : new Int32Array(...take(4))
  const headersLength = more === 0 ? zero : new Int32Array(...take(4))
  const flags = new Uint8Array(...take(1))
  return {
    source,
    fromOffset: bytes.readDoubleLE(16),
    flags,
    chunk: {
      topic: topicOf(source),
      partition,
      highWatermark: bytes.readDoubleLE(32),
      nextOffset: bytes.readDoubleLE(24),
      count: n,
      bytes: bytes.subarray(HEADER_BYTES + columnBytes),
      offset,
      stampMs,
      keyAt: zero,
      keyLength: none,
      valueAt,
      valueLength,
      headersAt,
      headersLength,
      release: () => discard(columns),
    },
  }
}

/** Columns that are the same for all: nobody writes there. */
let same = { zero: new Int32Array(0), none: new Int32Array(0) }

function constants(count: number): typeof same {
  if (same.zero.length < count) same = { zero: new Int32Array(count), none: new Int32Array(count).fill(-1) }
  return same
}
