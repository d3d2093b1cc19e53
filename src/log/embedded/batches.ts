/**
 * Walks the record batches of a segment, in memory and in its file.
 *
 * Invariant: a segment's batches follow each other without gaps in bytes or offsets; what does not is no batch.
 */
import type { FileHandle } from 'node:fs/promises'
import { crc32c } from '@node-rs/crc32'
import * as layout from '../recordBatch/layout.ts'
import { readAt } from './files.ts'

export interface BatchPlace {
  readonly at: number
  readonly length: number
  readonly baseOffset: number
  readonly nextOffset: number
  readonly newestMs: number
}

const READ_BYTES = 1 << 20

/**
 * The batch at `at` of the bytes, if its header is sane and its first offset is the expected one. Its end may lie
 * beyond the bytes: the caller knows where the segment ends.
 */
export function batchAt(bytes: Buffer, at: number, expectedOffset: number): BatchPlace | null {
  if (at + layout.RECORDS > bytes.length) return null
  const length = bytes.readInt32BE(at + layout.BATCH_LENGTH) + layout.PREFIX_BYTES
  const baseOffset = layout.readInt64(bytes, at + layout.BASE_OFFSET)
  const lastDelta = bytes.readInt32BE(at + layout.LAST_OFFSET_DELTA)
  if (length < layout.RECORDS || bytes[at + layout.MAGIC] !== layout.MAGIC_2) return null
  if (baseOffset !== expectedOffset || lastDelta < 0) return null
  const newestMs = layout.readInt64(bytes, at + layout.MAX_STAMP)
  return { at, length, baseOffset, nextOffset: baseOffset + lastDelta + 1, newestMs }
}

export function checksumHolds(batch: Buffer): boolean {
  return crc32c(batch.subarray(layout.ATTRIBUTES)) === batch.readUInt32BE(layout.CRC)
}

/** Tells every sound batch of the first `sizeBytes` of a file, up to the first that is not, and returns where that is. */
export async function walkFile(
  handle: FileHandle,
  firstOffset: number,
  sizeBytes: number,
  checksums: boolean,
  visit: (batch: BatchPlace) => void,
): Promise<number> {
  let expected = firstOffset
  let from = 0
  let blockBytes = READ_BYTES
  while (from < sizeBytes) {
    const block = await readAt(handle, from, Math.min(blockBytes, sizeBytes - from))
    let at = 0
    let needBytes = 0
    for (;;) {
      const batch = batchAt(block, at, expected)
      if (batch === null) break
      if (at + batch.length > block.length) {
        needBytes = batch.length
        break
      }
      if (checksums && !checksumHolds(block.subarray(at, at + batch.length))) return from + at
      visit({ ...batch, at: from + at })
      expected = batch.nextOffset
      at += batch.length
    }
    const stuck = at === 0 && needBytes <= block.length
    if (stuck || from + at + needBytes > sizeBytes) return from + at
    from += at
    blockBytes = Math.max(READ_BYTES, needBytes)
  }
  return sizeBytes
}
