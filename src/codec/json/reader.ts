/**
 * Reads the mapped fields of a JSON record into the batch's columns.
 *
 * Ids are texts, or integers of 64 bits as their exact digits; times are numbers in the field's unit, or ISO-8601 texts
 * with a zone. What is something else, or missing where it must be there, is refused with the field's path.
 */
import type { DecodeLimits, Source } from '../../config/model.ts'
import type { EventBatch } from '../../join/event.ts'
import { Refusal } from '../error.ts'
import { isoTextToMs, isoToMs } from '../isoTime.ts'
import { fitsInt64, numberOf, shiftedFloor } from './decimal.ts'
import { BLOCKED, MISSING, PathFinder } from './paths.ts'
import * as T from './tape.ts'

const VIEW_ID = 0
const USER = 1
const ITEM = 2
const TIME = 3
const ENGAGEMENT_ID = 4
const TYPE = 5
const VALUE = 6
const SHIFT = { s: 3, ms: 0, us: -3 } as const

export class JsonRecordReader {
  private readonly tape: T.JsonTape
  private readonly finder: PathFinder
  private readonly names: readonly string[]
  private readonly shift: number
  private readonly hasType: boolean
  private readonly constType: Buffer | null
  private batch!: EventBatch
  /** Of the text stored last. */
  private textAt = 0
  private textLength = 0

  constructor(source: Source, limits: DecodeLimits) {
    const { role, fields } = source
    const isEngagement = role === 'engagements'
    const type = isEngagement ? fields.type : undefined
    const paths = [
      fields.viewId,
      fields.userId,
      fields.itemId,
      fields.time.path,
      isEngagement ? fields.engagementId : undefined,
      type && 'path' in type ? type.path : undefined,
      isEngagement ? fields.value : undefined,
    ]
    this.tape = new T.JsonTape(limits)
    this.finder = new PathFinder(paths)
    this.names = paths.map((path) => (path === undefined ? '' : path.join('.')))
    this.shift = SHIFT[fields.time.unit ?? 'ms']
    this.hasType = type !== undefined && 'path' in type
    this.constType = type && 'const' in type ? Buffer.from(type.const) : null
  }

  read(batch: EventBatch, row: number, bytes: Buffer, at: number, end: number): boolean {
    const { textEnd } = batch
    this.batch = batch
    try {
      this.tape.scan(bytes, at, end)
      if (this.tape.kind(0) !== T.OBJECT) throw new Refusal('the record is not a JSON object')
      this.finder.find(this.tape)
      this.fill(row)
      batch.payloadAt[row] = at
      batch.payloadLength[row] = end - at
      return true
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      batch.textEnd = textEnd
      batch.refuse(row, error.reason)
      return false
    }
  }

  private fill(row: number): void {
    const { batch } = this
    this.storeId(VIEW_ID, false)
    batch.viewIdAt[row] = this.textAt
    batch.viewIdLength[row] = this.textLength
    this.storeId(USER, true)
    batch.userAt[row] = this.textAt
    batch.userLength[row] = this.textLength
    this.storeId(ITEM, true)
    batch.itemAt[row] = this.textAt
    batch.itemLength[row] = this.textLength
    this.storeId(ENGAGEMENT_ID, false)
    batch.engagementIdAt[row] = this.textAt
    batch.engagementIdLength[row] = this.textLength
    this.storeType()
    batch.typeAt[row] = this.textAt
    batch.typeLength[row] = this.textLength
    batch.timeMs[row] = this.time()
    batch.value[row] = this.value()
  }

  /** The entry of a field; MISSING where there is none or null, and the field need not be there. */
  private entryOf(field: number, required: boolean): number {
    const entry = this.finder.found[field]
    if (entry === BLOCKED) throw this.refusal(field, 'its path leads through something that is no object')
    if (entry !== MISSING && this.tape.kind(entry) !== T.NULL) return entry
    if (required) throw this.refusal(field, entry === MISSING ? 'is missing' : 'is null')
    return MISSING
  }

  private storeId(field: number, required: boolean): void {
    const entry = this.entryOf(field, required)
    if (entry === MISSING) {
      this.textLength = -1
      return
    }
    if (this.tape.isString(entry)) {
      this.storeText(field, entry)
      return
    }
    if (this.tape.kind(entry) !== T.INTEGER) throw this.refusal(field, 'an id must be a text or an integer')
    const { bytes } = this.tape
    const at = this.tape.startOf(entry)
    const end = this.tape.endOf(entry)
    if (!fitsInt64(bytes, at, end)) throw this.refusal(field, 'the integer is beyond 64 bits')
    // "-0" is 0.
    const isMinusZero = end - at === 2 && bytes[at] === 0x2d && bytes[at + 1] === 0x30
    this.storeBytes(bytes, isMinusZero ? at + 1 : at, end)
  }

  private storeType(): void {
    if (this.constType !== null) {
      this.storeBytes(this.constType, 0, this.constType.length)
      return
    }
    const entry = this.entryOf(TYPE, this.hasType)
    if (entry === MISSING) this.textLength = -1
    else if (this.tape.isString(entry)) this.storeText(TYPE, entry)
    else throw this.refusal(TYPE, 'the type must be a text')
  }

  private storeText(field: number, entry: number): void {
    if (this.tape.kind(entry) === T.STRING) {
      this.storeBytes(this.tape.bytes, this.tape.startOf(entry), this.tape.endOf(entry))
      return
    }
    const bytes = this.tape.utf8(entry)
    if (bytes === null) throw this.refusal(field, T.NOT_UNICODE)
    this.storeBytes(bytes, 0, bytes.length)
  }

  private storeBytes(bytes: Uint8Array, from: number, end: number): void {
    const { batch } = this
    const length = end - from
    const at = batch.reserveText(length)
    const { text } = batch
    for (let k = 0; k < length; k++) text[at + k] = bytes[from + k]
    batch.textEnd = at + length
    this.textAt = at
    this.textLength = length
  }

  private time(): number {
    const entry = this.entryOf(TIME, true)
    const { tape } = this
    const at = tape.startOf(entry)
    const end = tape.endOf(entry)
    if (tape.isString(entry)) {
      const ms = tape.kind(entry) === T.STRING ? isoToMs(tape.bytes, at, end - at) : isoTextToMs(tape.text(entry))
      if (Number.isNaN(ms)) throw this.refusal(TIME, 'the time is not an ISO-8601 instant with a zone')
      return ms
    }
    if (tape.kind(entry) !== T.INTEGER && tape.kind(entry) !== T.DECIMAL) {
      throw this.refusal(TIME, 'the time must be a number or an ISO-8601 text')
    }
    const ms = shiftedFloor(tape.bytes, at, end, this.shift)
    if (Number.isNaN(ms)) throw this.refusal(TIME, 'the time is beyond 2^53 milliseconds')
    return ms
  }

  private value(): number {
    const entry = this.entryOf(VALUE, false)
    if (entry === MISSING) return Number.NaN
    const kind = this.tape.kind(entry)
    if (kind !== T.INTEGER && kind !== T.DECIMAL) throw this.refusal(VALUE, 'the value is not a number')
    const value = numberOf(this.tape.bytes, this.tape.startOf(entry), this.tape.endOf(entry), kind === T.INTEGER)
    if (!Number.isFinite(value)) throw this.refusal(VALUE, 'the value is not finite')
    return value
  }

  private refusal(field: number, reason: string): Refusal {
    return new Refusal(`${this.names[field]}: ${reason}`)
  }
}
