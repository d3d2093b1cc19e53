/**
 * Kafka's zig-zag varints, written into and sized for a buffer. Reading lives in cursor.ts, beside its bounds checks.
 *
 * Invariant: whole numbers only. Those within 30 bits, which are nearly all, take the path without BigInt.
 */
const SMALL = 0x4000_0000

/** The longest that a varint of a safe integer gets. */
export const MAX_VARINT_BYTES = 10

export function sizeOfVarint(n: number): number {
  if (n >= -SMALL && n < SMALL) return sizeOfSmall(((n << 1) ^ (n >> 31)) >>> 0)
  let size = 1
  for (let raw = zigZag(n) >> 7n; raw > 0n; raw >>= 7n) size++
  return size
}

/** Writes `n` at `at` and returns where it ends; the caller has made room. */
export function writeVarint(bytes: Uint8Array, at: number, n: number): number {
  if (n < -SMALL || n >= SMALL) return writeWide(bytes, at, n)
  let raw = ((n << 1) ^ (n >> 31)) >>> 0
  while (raw >= 0x80) {
    bytes[at++] = (raw & 0x7f) | 0x80
    raw >>>= 7
  }
  bytes[at++] = raw
  return at
}

function sizeOfSmall(raw: number): number {
  if (raw < 0x80) return 1
  if (raw < 0x4000) return 2
  if (raw < 0x20_0000) return 3
  return raw < 0x1000_0000 ? 4 : 5
}

function writeWide(bytes: Uint8Array, at: number, n: number): number {
  let raw = zigZag(n)
  while (raw >= 0x80n) {
    bytes[at++] = Number(raw & 0x7fn) | 0x80
    raw >>= 7n
  }
  bytes[at++] = Number(raw)
  return at
}

function zigZag(n: number): bigint {
  const wide = BigInt(n)
  return wide < 0n ? -wide * 2n - 1n : wide * 2n
}
