/**
 * A position in the bytes of one Avro record, and Avro's primitives read there.
 *
 * Invariants:
 * 1. Nothing is read at or beyond `end`; what would be is a Refusal.
 * 2. A varint has at most 64 bits. Integers beyond 2^53 leave their exact magnitude in `high`, `low` and `negative`.
 */
import { Refusal } from '../error.ts'

const WORD = 0x1_0000_0000

export class Cursor {
  buffer: Buffer = Buffer.alloc(0)
  pos = 0
  end = 0
  negative = false
  high = 0
  low = 0

  set(buffer: Buffer, at: number, end: number): void {
    this.buffer = buffer
    this.pos = at
    this.end = end
  }

  /** A zig-zag varint. Exact if safe; else rounded, with the exact magnitude beside. */
  long(): number {
    const { buffer, end } = this
    let pos = this.pos
    if (pos >= end) throw truncated()
    let byte = buffer[pos++]
    if (byte < 0x80) {
      this.pos = pos
      return (byte >>> 1) ^ -(byte & 1)
    }
    let low = byte & 0x7f
    let shift = 7
    do {
      if (pos >= end) throw truncated()
      byte = buffer[pos++]
      low |= (byte & 0x7f) << shift
      shift += 7
    } while (byte >= 0x80 && shift < 28)
    if (byte < 0x80) {
      this.pos = pos
      return (low >>> 1) ^ -(low & 1)
    }
    let middle = 0
    shift = 0
    do {
      if (pos >= end) throw truncated()
      byte = buffer[pos++]
      middle |= (byte & 0x7f) << shift
      shift += 7
    } while (byte >= 0x80 && shift < 28)
    let top = 0
    if (byte >= 0x80) {
      if (pos >= end) throw truncated()
      byte = buffer[pos++]
      top = byte & 0x7f
      if (byte >= 0x80) {
        if (pos >= end) throw truncated()
        byte = buffer[pos++]
        if (byte > 1) throw new Refusal('a varint is longer than 64 bits')
        top |= byte << 7
      }
    }
    this.pos = pos
    if (top === 0 && middle < 0x200_0000) {
      const raw = middle * 0x1000_0000 + low
      return low & 1 ? -(raw + 1) / 2 : raw / 2
    }
    return this.wide((low | (middle << 28)) >>> 0, ((middle >>> 4) | (top << 24)) >>> 0)
  }

  private wide(rawLow: number, rawHigh: number): number {
    this.negative = (rawLow & 1) === 1
    this.low = ((rawLow >>> 1) | (rawHigh << 31)) >>> 0
    this.high = rawHigh >>> 1
    if (this.negative) {
      this.low = (this.low + 1) >>> 0
      if (this.low === 0) this.high++
    }
    const magnitude = this.high * WORD + this.low
    return this.negative ? -magnitude : magnitude
  }

  int(): number {
    const n = this.long()
    if (n !== (n | 0)) throw new Refusal('an int is out of its 32 bits')
    return n
  }

  /** The length of a string or bytes, which lie at `pos` then, within the record. */
  length(limitBytes: number): number {
    const n = this.long()
    if (n < 0) throw new Refusal('the length is negative')
    if (n > this.end - this.pos) throw truncated()
    if (n > limitBytes) throw new Refusal(`it is longer than the limit of ${limitBytes} bytes`)
    return n
  }

  /** An index below `count`: a union's branch, an enum's symbol. */
  index(count: number, of: string): number {
    const n = this.long()
    if (n < 0 || n >= count) throw new Refusal(`${of} has no index ${n}`)
    return n
  }

  boolean(): boolean {
    if (this.pos >= this.end) throw truncated()
    const byte = this.buffer[this.pos++]
    if (byte > 1) throw new Refusal(`a boolean is the byte ${byte}`)
    return byte === 1
  }

  float(): number {
    const at = this.pos
    this.skip(4)
    return this.buffer.readFloatLE(at)
  }

  double(): number {
    const at = this.pos
    this.skip(8)
    return this.buffer.readDoubleLE(at)
  }

  skip(bytes: number): void {
    if (bytes > this.end - this.pos) throw truncated()
    this.pos += bytes
  }
}

function truncated(): Refusal {
  return new Refusal('the record ends too early')
}
