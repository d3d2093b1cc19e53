/**
 * JSON text scanned once into a tape: where each value lies, without building it.
 *
 * Owns: the grammar (RFC 8259, as JSON.parse has it) and the limits. A tape is reused for the next text.
 *
 * Entries are four numbers: kind, where the value starts and ends in the bytes, and the index of the entry after it
 * and all that it holds. Strings start and end within their quotes. An object's entries are key, value, key, value, …
 *
 * Invariants:
 * 1. Every byte was checked: what is on a tape is JSON and UTF-8.
 * 2. The work is proportional to the text, and nothing of it becomes a property of an object.
 * A text that is no JSON, or is over a limit, is a Refusal with the byte at which that showed.
 */
import { isUtf8 } from 'node:buffer'
import type { DecodeLimits } from '../../config/model.ts'
import { Refusal } from '../error.ts'

export const NULL = 0
export const TRUE = 1
export const FALSE = 2
export const INTEGER = 3
/** A number with a fraction or an exponent. */
export const DECIMAL = 4
export const STRING = 5
/** A string with escapes in it. */
export const ESCAPED = 6
export const ARRAY = 7
export const OBJECT = 8

/** Why a string is refused that has no UTF-8. */
export const NOT_UNICODE = 'the text is not well-formed Unicode'

const ENTRY = 4
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const WORDS: readonly (readonly [Buffer, number])[] = [
  [Buffer.from('null'), NULL],
  [Buffer.from('true'), TRUE],
  [Buffer.from('false'), FALSE],
]
const SHORT_ESCAPES = new Set(Buffer.from('"\\/bfnrt'))

export class JsonTape {
  bytes: Uint8Array = new Uint8Array(0)
  entries = new Int32Array(256 * ENTRY)
  private count = 0
  private pos = 0
  private end = 0
  private start = 0
  private nonAscii = false
  private readonly limits: DecodeLimits

  constructor(limits: DecodeLimits) {
    this.limits = limits
  }

  /** Scans [at, end) of the bytes, which must hold one value. It becomes entry 0. */
  scan(bytes: Buffer, at: number, end: number): void {
    if (end - at > this.limits.recordBytes) {
      throw new Refusal(`a record of ${end - at} bytes is over the limit of ${this.limits.recordBytes}`)
    }
    this.bytes = bytes
    this.count = 0
    this.start = at
    this.pos = at
    this.end = end
    this.nonAscii = false
    this.skipSpace()
    this.value(1)
    this.skipSpace()
    if (this.pos < end) throw this.unexpected()
    if (this.nonAscii && !isUtf8(bytes.subarray(at, end))) throw new Refusal('the JSON is not UTF-8')
  }

  kind(entry: number): number {
    return this.entries[entry]
  }

  startOf(entry: number): number {
    return this.entries[entry + 1]
  }

  endOf(entry: number): number {
    return this.entries[entry + 2]
  }

  /** The entry after this one and all that it holds. */
  next(entry: number): number {
    return this.entries[entry + 3]
  }

  /** The first entry within an array or object; it holds entries up to `next` of it. */
  first(entry: number): number {
    return entry + ENTRY
  }

  isString(entry: number): boolean {
    const kind = this.entries[entry]
    return kind === STRING || kind === ESCAPED
  }

  /** A string's text. */
  text(entry: number): string {
    const raw = (this.bytes as Buffer).toString('utf8', this.startOf(entry), this.endOf(entry))
    return this.entries[entry] === ESCAPED ? (JSON.parse(`"${raw}"`) as string) : raw
  }

  /** A string's UTF-8. Null where half of a surrogate pair has none: two ids that differ would become one. */
  utf8(entry: number): Buffer | null {
    const text = this.text(entry)
    const bytes = Buffer.from(text)
    return bytes.toString() === text ? bytes : null
  }

  /** Whether a string, written without escapes, is this text. */
  isText(entry: number, text: Buffer): boolean {
    const at = this.entries[entry + 1]
    if (this.entries[entry] !== STRING || this.entries[entry + 2] - at !== text.length) return false
    const { bytes } = this
    for (let k = 0; k < text.length; k++) if (bytes[at + k] !== text[k]) return false
    return true
  }

  private value(nesting: number): void {
    const byte = this.pos < this.end ? this.bytes[this.pos] : -1
    if (byte === QUOTE) this.string()
    else if (byte === 0x7b) this.object(nesting)
    else if (byte === 0x5b) this.array(nesting)
    else if (byte === 0x2d || isDigit(byte)) this.number()
    else this.word()
  }

  private open(kind: number): number {
    const entry = this.count
    if (entry + ENTRY > this.entries.length) {
      const grown = new Int32Array(this.entries.length * 2)
      grown.set(this.entries)
      this.entries = grown
    }
    this.entries[entry] = kind
    this.entries[entry + 1] = this.pos
    this.count += ENTRY
    return entry
  }

  private close(entry: number): void {
    this.entries[entry + 2] = this.pos
    this.entries[entry + 3] = this.count
  }

  private object(nesting: number): void {
    this.checkDepth(nesting)
    const entry = this.open(OBJECT)
    this.pos++
    this.skipSpace()
    if (!this.take(0x7d)) this.members(nesting)
    this.close(entry)
  }

  private members(nesting: number): void {
    for (let items = 1; ; items++) {
      this.checkItems(items)
      if (this.pos >= this.end || this.bytes[this.pos] !== QUOTE) throw this.unexpected()
      this.string()
      this.skipSpace()
      if (!this.take(COLON)) throw this.unexpected()
      this.skipSpace()
      this.value(nesting + 1)
      this.skipSpace()
      if (this.take(0x7d)) return
      if (!this.take(COMMA)) throw this.unexpected()
      this.skipSpace()
    }
  }

  private array(nesting: number): void {
    this.checkDepth(nesting)
    const entry = this.open(ARRAY)
    this.pos++
    this.skipSpace()
    if (!this.take(0x5d)) this.items(nesting)
    this.close(entry)
  }

  private items(nesting: number): void {
    for (let items = 1; ; items++) {
      this.checkItems(items)
      this.value(nesting + 1)
      this.skipSpace()
      if (this.take(0x5d)) return
      if (!this.take(COMMA)) throw this.unexpected()
      this.skipSpace()
    }
  }

  private string(): void {
    this.pos++
    const entry = this.open(STRING)
    const { bytes, end } = this
    let { pos } = this
    let bits = 0
    while (pos < end && bytes[pos] !== QUOTE) {
      const byte = bytes[pos]
      bits |= byte
      if (byte < 0x20) break
      if (byte === BACKSLASH) {
        this.entries[entry] = ESCAPED
        pos += this.escapeBytes(pos)
      } else pos++
    }
    this.pos = pos
    if (pos >= end || bytes[pos] !== QUOTE) throw this.unexpected()
    if (bits >= 0x80) this.nonAscii = true
    if (pos - this.entries[entry + 1] > this.limits.stringBytes) {
      throw new Refusal(`a text is longer than the limit of ${this.limits.stringBytes} bytes`)
    }
    this.close(entry)
    this.pos++
  }

  private escapeBytes(at: number): number {
    this.pos = at
    if (at + 1 < this.end) {
      const byte = this.bytes[at + 1]
      if (SHORT_ESCAPES.has(byte)) return 2
      if (byte === 0x75 && at + 6 <= this.end) {
        let k = at + 2
        while (k < at + 6 && isHex(this.bytes[k])) k++
        if (k === at + 6) return 6
      }
    }
    throw this.unexpected()
  }

  private number(): void {
    const entry = this.open(INTEGER)
    if (this.bytes[this.pos] === 0x2d) this.pos++
    if (!this.take(0x30)) this.digits()
    if (this.take(0x2e)) {
      this.entries[entry] = DECIMAL
      this.digits()
    }
    if (this.take(0x65) || this.take(0x45)) {
      this.entries[entry] = DECIMAL
      if (!this.take(0x2b)) this.take(0x2d)
      this.digits()
    }
    this.close(entry)
  }

  private digits(): void {
    const from = this.pos
    while (this.pos < this.end && isDigit(this.bytes[this.pos])) this.pos++
    if (this.pos === from) throw this.unexpected()
  }

  private word(): void {
    for (const [word, kind] of WORDS) {
      let k = 0
      while (k < word.length && this.pos + k < this.end && this.bytes[this.pos + k] === word[k]) k++
      if (k < word.length) continue
      const entry = this.open(kind)
      this.pos += k
      this.close(entry)
      return
    }
    throw this.unexpected()
  }

  private take(byte: number): boolean {
    if (this.pos >= this.end || this.bytes[this.pos] !== byte) return false
    this.pos++
    return true
  }

  private skipSpace(): void {
    while (this.pos < this.end) {
      const byte = this.bytes[this.pos]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.pos++
    }
  }

  private checkDepth(nesting: number): void {
    if (nesting > this.limits.depth) throw new Refusal(`it is nested deeper than the limit of ${this.limits.depth}`)
  }

  private checkItems(items: number): void {
    if (items > this.limits.items) throw new Refusal(`it has more items than the limit of ${this.limits.items}`)
  }

  private unexpected(): Refusal {
    if (this.pos >= this.end) return new Refusal('the JSON ends too early')
    const hex = this.bytes[this.pos].toString(16).padStart(2, '0')
    return new Refusal(`not JSON: unexpected byte 0x${hex} at ${this.pos - this.start}`)
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}
