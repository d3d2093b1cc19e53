/**
 * Where the fields of a record batch (magic 2) lie, and the numbers that Kafka gives its codecs.
 * https://kafka.apache.org/documentation/#recordbatch
 *
 * Invariant: the checksum covers everything from ATTRIBUTES on, so a log may set BASE_OFFSET without touching it.
 */
import type { Compression } from '../../config/model.ts'

export const BASE_OFFSET = 0
/** Counts the bytes that follow it. */
export const BATCH_LENGTH = 8
export const LEADER_EPOCH = 12
export const MAGIC = 16
export const CRC = 17
export const ATTRIBUTES = 21
export const LAST_OFFSET_DELTA = 23
export const FIRST_STAMP = 27
export const MAX_STAMP = 35
export const PRODUCER_ID = 43
export const PRODUCER_EPOCH = 51
export const BASE_SEQUENCE = 53
export const RECORD_COUNT = 57
export const RECORDS = 61

/** What comes before the bytes that BATCH_LENGTH counts. */
export const PREFIX_BYTES = 12
export const MAGIC_2 = 2

export const CODEC_MASK = 0x07
export const LOG_APPEND_TIME = 0x08
export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20

/** Codecs by their number in the attributes. */
export const CODECS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Attribute byte, two deltas, key, value and header count: no record is shorter than these with its length. */
export const MIN_RECORD_BYTES = 7

const HIGH_WORD = 0x1_0000_0000

/** A 64-bit integer as a number: exact within 2^53, and close to it beyond. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * HIGH_WORD + bytes.readUInt32BE(at + 4)
}

export function writeInt64(bytes: Buffer, at: number, n: number): void {
  const high = Math.floor(n / HIGH_WORD)
  bytes.writeInt32BE(high, at)
  bytes.writeUInt32BE(n - high * HIGH_WORD, at + 4)
}
