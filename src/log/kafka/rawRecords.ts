/**
 * What the fetch path must know of a record set without decoding it: the offset of the last record in its whole batches.
 * Pure. Damage is not judged here: the bytes are handed on, and the reader of record batches says what is wrong.
 */
import * as layout from '../recordBatch/layout.ts'

/** From the leader epoch to the end of the last offset delta: no batch is shorter. */
const LEAST_LENGTH = layout.LAST_OFFSET_DELTA + 4 - layout.PREFIX_BYTES

/** The last offset of the last whole batch, or -1 where no batch is whole. */
export function lastOffsetOf(raw: Buffer): number {
  let last = -1
  let at = 0
  while (at + layout.PREFIX_BYTES + LEAST_LENGTH <= raw.length) {
    const base = layout.readInt64(raw, at + layout.BASE_OFFSET)
    const length = raw.readInt32BE(at + layout.BATCH_LENGTH)
    if (length < LEAST_LENGTH) return Math.max(last, base)
    if (at + layout.PREFIX_BYTES + length > raw.length) return last
    // Before magic 2 the number at the front is already that of the last record.
    last = raw[at + layout.MAGIC] >= layout.MAGIC_2 ? base + raw.readInt32BE(at + layout.LAST_OFFSET_DELTA) : base
    at += layout.PREFIX_BYTES + length
  }
  return last
}
