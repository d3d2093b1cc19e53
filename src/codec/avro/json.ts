/**
 * Avro records as JSON text: Avro's JSON encoding without the wrappers around a union's branches.
 *
 * 64-bit integers are exact digits, bytes and fixed are texts of one character a byte, and NaN and the infinities
 * texts of their names. The record was read before, so its limits hold; what does not fit its schema is a Refusal, and
 * so is more of what has no bytes than a record that was read can hold: the work is bounded here too.
 */
import { isUtf8 } from 'node:buffer'
import type { DecodeLimits } from '../../config/model.ts'
import { reserve } from '../byteBuffer.ts'
import { Refusal } from '../error.ts'
import { MAX_DECIMAL_BYTES, writeDecimal, writeWideDecimal } from '../integer.ts'
import { JsonTape } from '../json/tape.ts'
import { tapeToValue } from '../json/value.ts'
import { writeJsonText } from '../jsonText.ts'
import type { ByteBuffer } from '../port.ts'
import { Cursor } from './cursor.ts'
import type { AvroType } from './schema.ts'

const COMMA = 0x2c
const COLON = 0x3a
const UNLIMITED = Number.MAX_SAFE_INTEGER

/** The record as a value that JSON can hold: integers beyond 2^53 as strings. Throws an Error if it cannot be read. */
export function avroToValue(type: AvroType, payload: Buffer, limits: DecodeLimits): unknown {
  const { toJson, tape, out } = toolsFor(limits)
  out.end = 0
  try {
    toJson.write(type, payload, 0, payload.length, out)
    tape.scan(out.buffer, 0, out.end)
    return tapeToValue(tape)
  } catch (error) {
    throw error instanceof Refusal ? new Error(error.reason) : error
  } finally {
    if (out.buffer.length > KEPT_BYTES) out.buffer = Buffer.allocUnsafe(FIRST_BYTES)
  }
}

interface Tools {
  readonly toJson: AvroToJson
  readonly tape: JsonTape
  readonly out: ByteBuffer
}

const FIRST_BYTES = 1024
const KEPT_BYTES = 1 << 20
const tools = new WeakMap<DecodeLimits, Tools>()

/** Made once for a pipeline's limits: an engagement that is given up costs no tape of its own. */
function toolsFor(limits: DecodeLimits): Tools {
  let made = tools.get(limits)
  if (made === undefined) {
    const tape = new JsonTape({ ...limits, recordBytes: UNLIMITED, stringBytes: UNLIMITED })
    made = { toJson: new AvroToJson(limits), tape, out: { buffer: Buffer.allocUnsafe(FIRST_BYTES), end: 0 } }
    tools.set(limits, made)
  }
  return made
}

export class AvroToJson {
  private readonly cursor = new Cursor()
  private readonly limits: DecodeLimits
  private out!: ByteBuffer
  /** Values without bytes that may still come: as many as a record may claim, and those that a byte tells. */
  private emptyLeft = 0

  constructor(limits: DecodeLimits) {
    this.limits = limits
  }

  write(type: AvroType, bytes: Buffer, at: number, end: number, out: ByteBuffer): void {
    this.cursor.set(bytes, at, end)
    this.out = out
    this.emptyLeft = this.limits.items + end - at
    this.value(type, 1)
    if (this.cursor.pos !== end) throw new Refusal(`${end - this.cursor.pos} bytes are left after the record`)
  }

  private value(type: AvroType, nesting: number): void {
    const { cursor } = this
    if (nesting > this.limits.depth * 2 + 2) throw new Refusal('it is nested too deep')
    const from = cursor.pos
    this.content(type, nesting)
    if (cursor.pos === from && --this.emptyLeft < 0) throw new Refusal('it has too many values without bytes')
  }

  private content(type: AvroType, nesting: number): void {
    const { cursor } = this
    switch (type.kind) {
      case 'null':
        this.ascii('null')
        return
      case 'boolean':
        this.ascii(cursor.boolean() ? 'true' : 'false')
        return
      case 'int':
      case 'long':
        this.integer(type.kind === 'int' ? cursor.int() : cursor.long())
        return
      case 'float':
        this.real(cursor.float())
        return
      case 'double':
        this.real(cursor.double())
        return
      case 'string':
        this.text()
        return
      case 'bytes':
        this.latin1(cursor.length(UNLIMITED))
        return
      case 'fixed':
        this.latin1(type.size)
        return
      case 'enum':
        this.ascii(`"${type.symbols[cursor.index(type.symbols.length, 'the enum')]}"`)
        return
      case 'union':
        this.value(type.branches[cursor.index(type.branches.length, 'the union')], nesting + 1)
        return
      case 'array':
        this.items(type.items, false, nesting)
        return
      case 'map':
        this.items(type.items, true, nesting)
        return
      default:
        this.byte(0x7b)
        for (let k = 0; k < type.fields.length; k++) {
          const field = type.fields[k]
          this.ascii(k === 0 ? `"${field.name}":` : `,"${field.name}":`)
          this.value(field.type, nesting + 1)
        }
        this.byte(0x7d)
    }
  }

  private items(type: AvroType, keyed: boolean, nesting: number): void {
    this.byte(keyed ? 0x7b : 0x5b)
    let total = 0
    for (let count = this.blockCount(); count !== 0; count = this.blockCount()) {
      for (let k = 0; k < count; k++) {
        if (++total > this.limits.items) throw new Refusal('it has too many items')
        if (total > 1) this.byte(COMMA)
        if (keyed) {
          this.text()
          this.byte(COLON)
        }
        this.value(type, nesting + 1)
      }
    }
    this.byte(keyed ? 0x7d : 0x5d)
  }

  private blockCount(): number {
    const count = this.cursor.long()
    if (count < 0) this.cursor.long()
    return Math.abs(count)
  }

  private integer(n: number): void {
    const { out, cursor } = this
    reserve(out, MAX_DECIMAL_BYTES)
    out.end = Number.isSafeInteger(n)
      ? writeDecimal(out.buffer, out.end, n)
      : writeWideDecimal(out.buffer, out.end, cursor.negative, cursor.high, cursor.low)
  }

  private real(n: number): void {
    this.ascii(Number.isFinite(n) ? String(n) : `"${n}"`)
  }

  private text(): void {
    const { cursor } = this
    const length = cursor.length(UNLIMITED)
    const bytes = cursor.buffer
    const at = cursor.pos
    cursor.pos += length
    if (isUtf8(bytes.subarray(at, at + length))) {
      writeJsonText(this.out, bytes, at, length)
      return
    }
    const repaired = Buffer.from(bytes.toString('utf8', at, at + length))
    writeJsonText(this.out, repaired, 0, repaired.length)
  }

  private latin1(length: number): void {
    const { cursor } = this
    const at = cursor.pos
    cursor.skip(length)
    const text = Buffer.from(cursor.buffer.toString('latin1', at, at + length))
    writeJsonText(this.out, text, 0, text.length)
  }

  private ascii(text: string): void {
    reserve(this.out, text.length)
    this.out.end += this.out.buffer.write(text, this.out.end, 'latin1')
  }

  private byte(byte: number): void {
    reserve(this.out, 1)
    this.out.buffer[this.out.end++] = byte
  }
}
