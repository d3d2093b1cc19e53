/**
 * How a journal's entry lies in RocksDB: `key | version | payload | checksum`, in one run of bytes. The checksum
 * (CRC-32C) covers the key too, so that a value found under another key is damage and not an answer.
 *
 * RocksDB has checksums of its own, for its blocks; ours holds from the caller's hands to the caller's hands.
 */
import { crc32c } from '@node-rs/crc32'
import { JournalError } from './port.ts'

/** Raise it when the meaning of any payload in `keys.ts` or here changes: what older versions wrote is then damage. */
const VERSION = 1
const VERSION_BYTES = 1
const CHECKSUM_BYTES = 4

/** Bytes that an entry needs beside its key and payload. */
export const FRAME_BYTES = VERSION_BYTES + CHECKSUM_BYTES

export interface Entry {
  readonly key: Buffer
  readonly value: Buffer
}

/** Entries of one write, laid out one after the other in a buffer of the given size. */
export class EntryWriter {
  private readonly bytes: Buffer
  private end = 0

  /** `room`: a buffer to lay them out in, of at least that size, which stays the caller's. */
  constructor(sizeBytes: number, room?: Buffer) {
    this.bytes = room ?? Buffer.allocUnsafeSlow(sizeBytes)
  }

  /** Copies key and payload (in parts), so that the caller may reuse both at once. */
  add(key: Uint8Array, ...payload: readonly Uint8Array[]): Entry {
    const start = this.end
    this.bytes.set(key, start)
    const valueAt = start + key.length
    this.bytes[valueAt] = VERSION
    let end = valueAt + VERSION_BYTES
    for (const part of payload) {
      this.bytes.set(part, end)
      end += part.length
    }
    this.bytes.writeUInt32LE(crc32c(this.bytes.subarray(start, end)), end)
    this.end = end + CHECKSUM_BYTES
    return { key: this.bytes.subarray(start, valueAt), value: this.bytes.subarray(valueAt, this.end) }
  }
}

/** The payload of a stored value; throws DAMAGED where it is not what was written under this key. */
export function payloadOf(key: Uint8Array, value: Buffer, what: string): Buffer {
  const end = value.length - CHECKSUM_BYTES
  if (end < VERSION_BYTES) throw new JournalError('DAMAGED', `journal: ${what} is cut short`)
  if (crc32c(value.subarray(0, end), crc32c(key)) !== value.readUInt32LE(end)) {
    throw new JournalError('DAMAGED', `journal: ${what} has a wrong checksum`)
  }
  if (value[0] !== VERSION)
    throw new JournalError('DAMAGED', `journal: ${what} has version ${value[0]}, not ${VERSION}`)
  return value.subarray(VERSION_BYTES, end)
}
