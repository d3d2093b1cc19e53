/**
 * Cuts a request's body into records without copying: JSON lines, or frames (each a 4-byte big-endian length and that
 * many bytes). Pure.
 *
 * Invariant: what a frame claims is held against the bytes that are there before anything is believed; blank lines count
 * as lines, so that a body of nothing else costs no more than one of records.
 * How it fails: BadRecord with the number of the line or frame, counted from 1; TooManyRecords.
 */
export interface Records {
  readonly bytes: Buffer
  readonly count: number
  readonly at: Int32Array
  readonly length: Int32Array
  /** Record i as the sender counts it: the number of its line or frame. */
  readonly number: Int32Array
  readonly unit: 'line' | 'frame'
}

export class BadRecord extends Error {
  override name = 'BadRecord'
  readonly unit: 'line' | 'frame'
  readonly number: number
  readonly reason: string
  constructor(unit: 'line' | 'frame', number: number, reason: string) {
    super(`${unit} ${number}: ${reason}`)
    this.unit = unit
    this.number = number
    this.reason = reason
  }
}

export class TooManyRecords extends Error {
  override name = 'TooManyRecords'
}

const NEWLINE = 0x0a
const FRAME_HEADER_BYTES = 4

export function cutLines(bytes: Buffer, maxRecords: number): Records {
  const places = new Places()
  let number = 0
  for (let at = 0; at < bytes.length; ) {
    if (++number > maxRecords) throw tooMany(maxRecords)
    const found = bytes.indexOf(NEWLINE, at)
    const end = found < 0 ? bytes.length : found
    if (!isBlank(bytes, at, end)) places.add(at, end - at, number)
    at = end + 1
  }
  return places.records(bytes, 'line')
}

export function cutFrames(bytes: Buffer, maxRecords: number): Records {
  const places = new Places()
  let number = 0
  for (let at = 0; at < bytes.length; ) {
    if (++number > maxRecords) throw tooMany(maxRecords)
    const left = bytes.length - at - FRAME_HEADER_BYTES
    if (left < 0) throw new BadRecord('frame', number, 'the body ends within its length')
    const length = bytes.readUInt32BE(at)
    if (length > left) throw new BadRecord('frame', number, `it claims ${length} bytes and the body has ${left} more`)
    places.add(at + FRAME_HEADER_BYTES, length, number)
    at += FRAME_HEADER_BYTES + length
  }
  return places.records(bytes, 'frame')
}

function tooMany(maxRecords: number): TooManyRecords {
  return new TooManyRecords(`more than ${maxRecords} lines or frames in one request: send them in several`)
}

function isBlank(bytes: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at++) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false
  }
  return true
}

class Places {
  private readonly triples: number[] = []

  add(at: number, length: number, number: number): void {
    this.triples.push(at, length, number)
  }

  records(bytes: Buffer, unit: 'line' | 'frame'): Records {
    const { triples } = this
    const count = triples.length / 3
    const column = (k: number): Int32Array => Int32Array.from({ length: count }, (_, i) => triples[i * 3 + k])
    return { bytes, count, at: column(0), length: column(1), number: column(2), unit }
  }
}
