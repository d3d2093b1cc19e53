/**
 * The journal's keys. Each begins with the partition, so that one delete of a range forgets a partition, and each
 * kind lies together in the order in which it is read.
 *
 * Column family `segments`: the clearing flag, the mark, and segments by number.
 * Column family `users`: states by user, due records by user, and wake entries by (due time, user).
 * Both: the numbers of the writes that went to it, and their floor (serials.ts).
 */
const PARTITION_BYTES = 4
const HEAD_BYTES = PARTITION_BYTES + 1
export const DUE_BYTES = 8
const NUMBER_BYTES = 8
const WORD = 2 ** 32

const KIND = { clearing: 0, mark: 1, segment: 2, state: 1, due: 2, wake: 3, floor: 8, serial: 9 } as const

export class Keys {
  readonly clearing: Buffer
  readonly mark: Buffer
  /** The bounds of everything of this partition, in either column family. */
  readonly first: Buffer
  readonly last: Buffer
  /** One past the last segment, wake entry and serial. */
  readonly segmentsEnd: Buffer
  readonly wakesEnd: Buffer
  readonly serialsEnd: Buffer
  readonly floor: Buffer
  private readonly partition: number

  constructor(partition: number) {
    this.partition = partition
    this.clearing = this.head(KIND.clearing, 0)
    this.mark = this.head(KIND.mark, 0)
    this.first = this.head(0, 0)
    this.last = this.head(0xff, 0)
    this.segmentsEnd = this.head(KIND.segment + 1, 0)
    this.wakesEnd = this.head(KIND.wake + 1, 0)
    this.serialsEnd = this.head(KIND.serial + 1, 0)
    this.floor = this.head(KIND.floor, 0)
  }

  segment(sequence: number): Buffer {
    return this.numbered(KIND.segment, sequence)
  }

  state(user: Uint8Array): Buffer {
    return this.ofUser(KIND.state, user)
  }

  due(user: Uint8Array): Buffer {
    return this.ofUser(KIND.due, user)
  }

  wake(dueMs: number, user: Uint8Array): Buffer {
    const key = this.head(KIND.wake, DUE_BYTES + user.length)
    writeOrdered(key, dueMs, HEAD_BYTES)
    key.set(user, HEAD_BYTES + DUE_BYTES)
    return key
  }

  /** Before every wake entry that is due at this time or later. */
  wakesFrom(dueMs: number): Buffer {
    return this.wake(dueMs, new Uint8Array(0))
  }

  serial(serial: number): Buffer {
    return this.numbered(KIND.serial, serial)
  }

  private numbered(kind: number, number: number): Buffer {
    const key = this.head(kind, NUMBER_BYTES)
    key.writeUInt32BE(Math.floor(number / WORD), HEAD_BYTES)
    key.writeUInt32BE(number % WORD, HEAD_BYTES + 4)
    return key
  }

  private ofUser(kind: number, user: Uint8Array): Buffer {
    const key = this.head(kind, user.length)
    key.set(user, HEAD_BYTES)
    return key
  }

  private head(kind: number, moreBytes: number): Buffer {
    const key = Buffer.allocUnsafe(HEAD_BYTES + moreBytes)
    key.writeUInt32BE(this.partition, 0)
    key[PARTITION_BYTES] = kind
    return key
  }
}

/** Bytes of a key beside the user's id, at most. */
export const KEY_BYTES = HEAD_BYTES + DUE_BYTES

/** The number that the key of a segment or a serial ends with. */
export function numberOf(key: Buffer): number {
  return key.readUInt32BE(HEAD_BYTES) * WORD + key.readUInt32BE(HEAD_BYTES + 4)
}

export function userOfWake(key: Buffer): Buffer {
  return key.subarray(HEAD_BYTES + DUE_BYTES)
}

export function dueOfWake(key: Buffer): number {
  return readOrdered(key, HEAD_BYTES)
}

/** Eight bytes that sort as the number does: the sign bit turned over, and all other bits too where it was set. */
export function writeOrdered(into: Buffer, value: number, at: number): void {
  into.writeDoubleBE(value + 0, at)
  const negative = into[at] >= 0x80
  for (let i = at; negative && i < at + DUE_BYTES; i++) into[i] ^= 0xff
  if (!negative) into[at] ^= 0x80
}

export function readOrdered(from: Buffer, at: number): number {
  const bytes = Buffer.from(from.subarray(at, at + DUE_BYTES))
  const negative = bytes[0] < 0x80
  for (let i = 0; negative && i < DUE_BYTES; i++) bytes[i] ^= 0xff
  if (!negative) bytes[0] ^= 0x80
  return bytes.readDoubleBE(0)
}
