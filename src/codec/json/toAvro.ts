/**
 * A scanned JSON record encoded as an Avro record of a declared schema.
 *
 * How types map: int and long from integers, exactly; float and double from numbers; bytes and fixed from texts of one
 * character a byte; enums from their symbols; a long with a timestamp's logical type also from an ISO-8601 text. A
 * union takes the first branch that suits the value, or the one that a wrapper `{"branch": value}` names, as Avro's
 * JSON encoding has it. A missing field has its default, or null where its type allows it. Fields that the schema does
 * not have are left out.
 *
 * Invariant: each value is visited once. What does not fit is a Refusal with the path of the field.
 */
import type { AvroSchema, DecodeLimits } from '../../config/model.ts'
import {
  type AvroField,
  type AvroRecord,
  type AvroType,
  type Primitive,
  resolveSchema,
  typeName,
} from '../avro/schema.ts'
import { copyBytes, newByteBuffer, reserve } from '../byteBuffer.ts'
import { Refusal, SchemaError } from '../error.ts'
import { MAX_VARINT_BYTES, writeDecimalAsVarint, writeVarint } from '../integer.ts'
import { isoTextToMs, isoToMs } from '../isoTime.ts'
import type { ByteBuffer } from '../port.ts'
import { suitingBranch, wrappedBranch } from './branch.ts'
import { fitsInt64, numberOf } from './decimal.ts'
import * as T from './tape.ts'

type Primitives = Extract<AvroType, { readonly kind: Primitive }>

interface RecordFields {
  readonly keys: readonly Buffer[]
  /** By their names. */
  readonly indices: ReadonlyMap<string, number>
  /** What stands for a missing field; null where it must be there. */
  readonly defaults: (Buffer | null)[]
}

export class JsonToAvro {
  private readonly type: AvroType
  private readonly tape: T.JsonTape
  private readonly limits: DecodeLimits
  private readonly records = new Map<AvroRecord, RecordFields>()
  private readonly symbols = new Map<AvroType, ReadonlyMap<string, number>>()
  /** Entries of the fields of the records under way, innermost last. */
  private slots = new Int32Array(64)
  private slotsEnd = 0
  private out!: ByteBuffer

  /** Throws a SchemaError where a default does not fit its type. */
  constructor(schema: AvroSchema, limits: DecodeLimits) {
    this.type = resolveSchema(schema)
    this.limits = limits
    this.tape = new T.JsonTape(limits)
    this.prepare(this.type, new Set())
  }

  /** Scans [at, end) and appends its Avro bytes to `out`; on a Refusal `out.end` is where it was. */
  write(bytes: Buffer, at: number, end: number, out: ByteBuffer): void {
    const from = out.end
    try {
      this.tape.scan(bytes, at, end)
      this.encode(this.type, this.tape, out)
    } catch (error) {
      out.end = from
      throw error
    }
  }

  private encode(type: AvroType, tape: T.JsonTape, out: ByteBuffer): void {
    this.out = out
    this.slotsEnd = 0
    this.value(type, tape, 0, 1)
  }

  private prepare(type: AvroType, seen: Set<AvroType>): void {
    if (seen.has(type)) return
    seen.add(type)
    if (type.kind === 'union') for (const branch of type.branches) this.prepare(branch, seen)
    if (type.kind === 'array' || type.kind === 'map') this.prepare(type.items, seen)
    if (type.kind === 'enum') this.symbols.set(type, new Map(type.symbols.map((symbol, k) => [symbol, k])))
    if (type.kind !== 'record') return
    const fields: RecordFields = {
      keys: type.fields.map((field) => Buffer.from(field.name)),
      indices: new Map(type.fields.map((field, k) => [field.name, k])),
      defaults: [],
    }
    this.records.set(type, fields)
    for (const field of type.fields) this.prepare(field.type, seen)
    fields.defaults.push(...type.fields.map((field) => this.defaultOf(type, field)))
  }

  private defaultOf(record: AvroRecord, field: AvroField): Buffer | null {
    const { type } = field
    const nullBranch = type.kind === 'union' ? type.branches.findIndex((branch) => branch.kind === 'null') : -1
    const out = newByteBuffer(64)
    if (!('default' in field)) {
      if (type.kind !== 'null' && nullBranch < 0) return null
      if (nullBranch >= 0) writeVarint(out, nullBranch)
      return out.buffer.subarray(0, out.end)
    }
    const json = Buffer.from(JSON.stringify(field.default))
    const tape = new T.JsonTape({ ...this.limits, recordBytes: json.length, stringBytes: json.length })
    try {
      tape.scan(json, 0, json.length)
      this.encode(type, tape, out)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      throw new SchemaError(`record ${record.name}, field ${field.name}: the default does not fit: ${error.reason}`)
    }
    return out.buffer.subarray(0, out.end)
  }

  private value(type: AvroType, tape: T.JsonTape, entry: number, nesting: number): void {
    if (nesting > this.limits.depth * 2 + 2) throw new Refusal('it is nested too deep')
    const kind = tape.kind(entry)
    switch (type.kind) {
      case 'null':
        if (kind !== T.NULL) throw mismatch(type)
        return
      case 'boolean':
        if (kind !== T.TRUE && kind !== T.FALSE) throw mismatch(type)
        reserve(this.out, 1)
        this.out.buffer[this.out.end++] = kind === T.TRUE ? 1 : 0
        return
      case 'int':
      case 'long':
        this.integer(type, tape, entry)
        return
      case 'float':
      case 'double':
        this.real(type, tape, entry)
        return
      case 'string':
        if (!tape.isString(entry)) throw mismatch(type)
        this.text(tape, entry)
        return
      case 'bytes':
        if (kind === T.STRING && isAscii(tape, entry)) this.block(tape.bytes, tape.startOf(entry), tape.endOf(entry))
        else this.blockOf(latin1(type, tape, entry))
        return
      case 'fixed': {
        const bytes = latin1(type, tape, entry)
        if (bytes.length !== type.size) throw new Refusal(`${type.name} must have ${type.size} bytes`)
        this.raw(bytes, 0, bytes.length)
        return
      }
      case 'enum': {
        const symbol = tape.isString(entry) ? this.symbols.get(type)?.get(tape.text(entry)) : undefined
        if (symbol === undefined) throw new Refusal(`it is no symbol of ${type.name}`)
        this.varint(symbol)
        return
      }
      case 'union':
        this.union(type.branches, tape, entry, nesting)
        return
      case 'array':
        this.array(type, tape, entry, nesting)
        return
      case 'map':
        this.map(type, tape, entry, nesting)
        return
      default:
        this.record(type, tape, entry, nesting)
        return
    }
  }

  private record(type: AvroRecord, tape: T.JsonTape, entry: number, nesting: number): void {
    if (tape.kind(entry) !== T.OBJECT) throw mismatch(type)
    const fields = this.records.get(type) as RecordFields
    const { keys, defaults } = fields
    const base = this.slotsEnd
    this.takeSlots(keys.length)
    this.fillSlots(fields, base, tape, entry)
    for (let k = 0; k < keys.length; k++) {
      const found = this.slots[base + k]
      try {
        if (found >= 0) this.value(type.fields[k].type, tape, found, nesting + 1)
        else this.missing(defaults[k] ?? null)
      } catch (error) {
        throw error instanceof Refusal ? within(type.fields[k].name, error) : error
      }
    }
    this.slotsEnd = base
  }

  private takeSlots(count: number): void {
    this.slotsEnd += count
    if (this.slotsEnd > this.slots.length) {
      const grown = new Int32Array(this.slotsEnd * 2)
      grown.set(this.slots)
      this.slots = grown
    }
    this.slots.fill(-1, this.slotsEnd - count, this.slotsEnd)
  }

  private fillSlots(fields: RecordFields, base: number, tape: T.JsonTape, entry: number): void {
    const { keys, indices } = fields
    const end = tape.next(entry)
    // Most producers keep the order of the schema: then the next key is looked for where the last one was.
    let guess = 0
    for (let key = tape.first(entry); key < end; ) {
      const value = tape.next(key)
      const isGuess = guess < keys.length && tape.isText(key, keys[guess])
      const k = isGuess ? guess : indices.get(tape.text(key))
      if (k !== undefined) {
        this.slots[base + k] = value
        guess = k + 1
      }
      key = tape.next(value)
    }
  }

  private missing(standIn: Buffer | null): void {
    if (standIn === null) throw new Refusal('is missing')
    this.raw(standIn, 0, standIn.length)
  }

  private array(type: AvroType & { kind: 'array' | 'map' }, tape: T.JsonTape, entry: number, nesting: number): void {
    if (tape.kind(entry) !== T.ARRAY) throw mismatch(type)
    const end = tape.next(entry)
    let count = 0
    for (let k = tape.first(entry); k < end; k = tape.next(k)) count++
    if (count > 0) this.varint(count)
    for (let k = tape.first(entry); k < end; k = tape.next(k)) this.value(type.items, tape, k, nesting + 1)
    this.varint(0)
  }

  private map(type: AvroType & { kind: 'array' | 'map' }, tape: T.JsonTape, entry: number, nesting: number): void {
    if (tape.kind(entry) !== T.OBJECT) throw mismatch(type)
    const end = tape.next(entry)
    let count = 0
    for (let k = tape.first(entry); k < end; k = tape.next(tape.next(k))) count++
    if (count > 0) this.varint(count)
    for (let key = tape.first(entry); key < end; ) {
      const value = tape.next(key)
      this.text(tape, key)
      this.value(type.items, tape, value, nesting + 1)
      key = tape.next(value)
    }
    this.varint(0)
  }

  private union(branches: readonly AvroType[], tape: T.JsonTape, entry: number, nesting: number): void {
    const wrapped = wrappedBranch(branches, tape, entry)
    const branch = wrapped >= 0 ? wrapped : suitingBranch(branches, tape, entry, this.symbols)
    if (branch < 0) throw new Refusal(`it is none of ${branches.map(typeName).join(', ')}`)
    this.varint(branch)
    const value = wrapped >= 0 ? tape.next(tape.first(entry)) : entry
    this.value(branches[branch], tape, value, nesting + 1)
  }

  private integer(type: Primitives, tape: T.JsonTape, entry: number): void {
    if (tape.isString(entry)) {
      this.instant(type, tape, entry)
      return
    }
    const { bytes } = tape
    const at = tape.startOf(entry)
    const end = tape.endOf(entry)
    if (tape.kind(entry) !== T.INTEGER) throw mismatch(type)
    if (!fitsInt64(bytes, at, end)) throw new Refusal('the integer is beyond 64 bits')
    if (type.kind === 'int') {
      const n = numberOf(bytes, at, end, true)
      if (n !== (n | 0)) throw new Refusal('the integer is beyond 32 bits')
    }
    reserve(this.out, MAX_VARINT_BYTES)
    writeDecimalAsVarint(this.out, bytes, at, end - at)
  }

  private instant(type: Primitives, tape: T.JsonTape, entry: number): void {
    const scale = type.logicalType === 'timestamp-millis' ? 1 : type.logicalType === 'timestamp-micros' ? 1000 : 0
    if (scale === 0 || type.kind !== 'long') throw mismatch(type)
    const at = tape.startOf(entry)
    const escaped = tape.kind(entry) === T.ESCAPED
    const ms = escaped ? isoTextToMs(tape.text(entry)) : isoToMs(tape.bytes, at, tape.endOf(entry) - at)
    if (Number.isNaN(ms)) throw new Refusal('the time is not an ISO-8601 instant with a zone')
    reserve(this.out, MAX_VARINT_BYTES)
    if (Number.isSafeInteger(ms * scale)) {
      writeVarint(this.out, ms * scale)
      return
    }
    const digits = Buffer.from(`${ms}000`)
    writeDecimalAsVarint(this.out, digits, 0, digits.length)
  }

  private real(type: AvroType, tape: T.JsonTape, entry: number): void {
    const kind = tape.kind(entry)
    if (kind !== T.INTEGER && kind !== T.DECIMAL) throw mismatch(type)
    const n = numberOf(tape.bytes, tape.startOf(entry), tape.endOf(entry), kind === T.INTEGER)
    if (!Number.isFinite(type.kind === 'float' ? Math.fround(n) : n)) throw new Refusal('the number is not finite')
    reserve(this.out, 8)
    const { buffer, end } = this.out
    this.out.end = type.kind === 'float' ? buffer.writeFloatLE(n, end) : buffer.writeDoubleLE(n, end)
  }

  private text(tape: T.JsonTape, entry: number): void {
    if (tape.kind(entry) === T.STRING) {
      this.block(tape.bytes, tape.startOf(entry), tape.endOf(entry))
      return
    }
    const bytes = tape.utf8(entry)
    if (bytes === null) throw new Refusal(T.NOT_UNICODE)
    this.blockOf(bytes)
  }

  private varint(n: number): void {
    reserve(this.out, MAX_VARINT_BYTES)
    writeVarint(this.out, n)
  }

  private blockOf(bytes: Buffer): void {
    this.block(bytes, 0, bytes.length)
  }

  private block(bytes: Uint8Array, at: number, end: number): void {
    this.varint(end - at)
    this.raw(bytes, at, end)
  }

  private raw(bytes: Uint8Array, at: number, end: number): void {
    reserve(this.out, end - at)
    copyBytes(bytes, at, end - at, this.out.buffer, this.out.end)
    this.out.end += end - at
  }
}

function isAscii(tape: T.JsonTape, entry: number): boolean {
  const end = tape.endOf(entry)
  for (let k = tape.startOf(entry); k < end; k++) if (tape.bytes[k] >= 0x80) return false
  return true
}

function latin1(type: AvroType, tape: T.JsonTape, entry: number): Buffer {
  if (!tape.isString(entry)) throw mismatch(type)
  const text = tape.text(entry)
  for (let k = 0; k < text.length; k++) {
    if (text.charCodeAt(k) > 0xff) throw new Refusal('a text that stands for bytes has a character above 255')
  }
  return Buffer.from(text, 'latin1')
}

function mismatch(type: AvroType): Refusal {
  return new Refusal(`it is not of the schema's type ${typeName(type)}`)
}

/** The same refusal with one more name before its path. */
function within(name: string, refusal: Refusal): Refusal {
  return new Refusal(refusal.hasPath ? `${name}.${refusal.reason}` : `${name}: ${refusal.reason}`, true)
}
