/**
 * Hashes of texts. `murmur2` is Kafka's (org.apache.kafka.common.utils.Utils.murmur2), since it decides in which
 * partition a user's events lie: changing it moves users.
 */
export function murmur2(bytes: Uint8Array, at: number, length: number): number {
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ length
  let i = at
  const whole = at + (length & ~3)
  for (; i < whole; i += 4) {
    let k = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  return finish(h, bytes, i, length & 3)
}

function finish(hash: number, bytes: Uint8Array, at: number, rest: number): number {
  const m = 0x5bd1e995
  let h = hash
  if (rest === 3) h ^= bytes[at + 2] << 16
  if (rest >= 2) h ^= bytes[at + 1] << 8
  if (rest >= 1) h = Math.imul(h ^ bytes[at], m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return (h ^ (h >>> 15)) >>> 0
}

/** Words in memory are read as these hashes read bytes: the lowest byte first. */
export const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** `murmur2` of bytes that begin at a word of `u32`, which lies over the same memory. */
export function murmur2Aligned(u32: Uint32Array, bytes: Uint8Array, at: number, length: number): number {
  if (!IS_LITTLE_ENDIAN) return murmur2(bytes, at, length)
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ length
  const words = length >> 2
  let word = at >> 2
  for (const end = word + words; word < end; word++) {
    let k = Math.imul(u32[word], m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  return finish(h, bytes, at + (words << 2), length & 3)
}

/** The partition in which Kafka's default partitioner puts a key with this hash. */
export function partitionOf(hash: number, partitions: number): number {
  return (hash & 0x7fffffff) % partitions
}

/** One hash of two: order matters. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ (b >>> 15), 0x2c1b3c6d) ^ Math.imul(b, 0x297a2d39)
  h ^= h >>> 12
  h = Math.imul(h, 0x9e3779b1)
  return (h ^ (h >>> 16)) >>> 0
}

/** Three-way order of byte strings: UTF-8 order of the texts. */
export function compareBytes(
  a: Uint8Array,
  aAt: number,
  aLength: number,
  b: Uint8Array,
  bAt: number,
  bLength: number,
): number {
  const n = aLength < bLength ? aLength : bLength
  for (let i = 0; i < n; i++) {
    const d = a[aAt + i] - b[bAt + i]
    if (d !== 0) return d
  }
  return aLength - bLength
}

export function sameBytes(
  a: Uint8Array,
  aAt: number,
  aLength: number,
  b: Uint8Array,
  bAt: number,
  bLength: number,
): boolean {
  if (aLength !== bLength) return false
  for (let i = 0; i < aLength; i++) if (a[aAt + i] !== b[bAt + i]) return false
  return true
}
