/**
 * Walks records inside the bytes of one chunk.
 *
 * Invariant: `at` never passes `end` and every read moves it forward, so that a walk over hostile bytes ends.
 * Fails with Malformed, which the reader turns into a LogError with topic, partition and offset.
 */
export class Malformed extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Malformed'
  }
}

export class Cursor {
  readonly bytes: Buffer
  at: number
  end: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** A zig-zag varint of 32 bits. */
  varint(): number {
    const { bytes } = this
    let at = this.at
    if (at >= this.end) throw new Malformed('a record is cut off')
    let byte = bytes[at++]
    let raw = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw new Malformed('a varint is longer than 5 bytes')
      if (at >= this.end) throw new Malformed('a record is cut off')
      byte = bytes[at++]
      raw |= (byte & 0x7f) << shift
    }
    this.at = at
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** A zig-zag varint of 64 bits as a number: exact within 2^53, and close to it beyond. */
  varlong(): number {
    const { bytes } = this
    let at = this.at
    let raw = 0
    let scale = 1
    for (let n = 0; ; n++) {
      if (n === 10) throw new Malformed('a varint is longer than 10 bytes')
      if (at >= this.end) throw new Malformed('a record is cut off')
      const byte = bytes[at++]
      raw += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 128
    }
    this.at = at
    return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
  }

  /** Steps over `length` bytes and returns where they begin. */
  skip(length: number): number {
    const from = this.at
    if (length < 0 || length > this.end - from) throw new Malformed('a length points outside its record')
    this.at = from + length
    return from
  }

  /** Steps over a length and its bytes; the length, -1 for null. The bytes end where the cursor then is. */
  nullable(): number {
    const length = this.varint()
    if (length === -1) return -1
    this.skip(length)
    return length
  }
}
