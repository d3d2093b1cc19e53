/**
 * Where segments are put together, of all partitions: a journal copies what it is given at once, so the buffer is free
 * again when `append` has been called.
 */

/** A segment beyond it is put together in a buffer of its own. */
const KEPT_BYTES = 4 << 20

let room = Buffer.alloc(0)

export function roomFor(sizeBytes: number): Buffer {
  if (sizeBytes > KEPT_BYTES) return Buffer.allocUnsafeSlow(sizeBytes)
  if (sizeBytes > room.length) room = Buffer.allocUnsafeSlow(Math.ceil(sizeBytes * 1.25))
  return room
}
