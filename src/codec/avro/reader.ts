/**
 * Walks one record's bytes along a plan: mapped fields go to the batch's columns, the rest is skipped.
 *
 * Invariants:
 * 1. A record that is read ends exactly where its bytes end; nothing in it was believed without a check of bounds.
 * 2. The work is proportional to the record's bytes: values of zero bytes are counted, not visited.
 * 3. No object and no closure is made for a record that is read.
 * A record that does not hold to its schema or to the limits is refused with the path of the field and the reason.
 */
import { isUtf8 } from 'node:buffer'
import type { DecodeLimits } from '../../config/model.ts'
import type { EventBatch } from '../../join/event.ts'
import { Refusal } from '../error.ts'
import { MAX_DECIMAL_BYTES, writeDecimal, writeWideDecimal } from '../integer.ts'
import { isoToMs } from '../isoTime.ts'
import { Cursor } from './cursor.ts'
import * as P from './plan.ts'

const COPY_BY_HAND_BYTES = 48

export class RecordReader {
  private readonly cursor = new Cursor()
  private readonly limits: DecodeLimits
  private batch!: EventBatch
  private row = 0
  /** Where the walk is: the index of the child taken on each level, from the root on. */
  private readonly trail: Int32Array
  private level = 0
  /** Values without bytes that the record may still claim. */
  private emptyLeft = 0
  private hasTime = false

  constructor(limits: DecodeLimits) {
    this.limits = limits
    // A union and the container in it are two levels of the trail, but one of nesting.
    this.trail = new Int32Array(limits.depth * 2 + 4)
  }

  /** Reads the record in [at, end) as event `row`; refuses it in the batch if it cannot. Returns whether it was read. */
  read(plan: P.Plan, batch: EventBatch, row: number, bytes: Buffer, at: number, end: number): boolean {
    const textEnd = batch.textEnd
    try {
      this.walkRecord(plan, batch, row, bytes, at, end)
      return true
    } catch (error) {
      batch.textEnd = textEnd
      batch.refuse(row, this.reason(plan, error))
      return false
    }
  }

  private walkRecord(plan: P.Plan, batch: EventBatch, row: number, bytes: Buffer, at: number, end: number): void {
    this.level = -1
    if (end - at > this.limits.recordBytes) {
      throw new Refusal(`a record of ${end - at} bytes is over the limit of ${this.limits.recordBytes}`)
    }
    this.batch = batch
    this.row = row
    this.hasTime = false
    this.emptyLeft = this.limits.items
    batch.viewIdLength[row] = -1
    batch.userLength[row] = -1
    batch.itemLength[row] = -1
    batch.engagementIdLength[row] = -1
    batch.typeLength[row] = -1
    batch.value[row] = Number.NaN
    const { cursor } = this
    cursor.set(bytes, at, end)
    this.walk(plan.root, 0, 1)
    this.level = -1
    if (cursor.pos !== end) throw new Refusal(`${end - cursor.pos} bytes are left after the record`)
    if (batch.userLength[row] < 0) throw new Refusal(`${plan.userPath}: the user id is null`)
    if (batch.itemLength[row] < 0) throw new Refusal(`${plan.itemPath}: the item id is null`)
    if (!this.hasTime) throw new Refusal(`${plan.timePath}: the time is null`)
    if (plan.constType !== null) this.storeCopy(P.COLUMN_TYPE, plan.constType)
    else if (plan.needsType && batch.typeLength[row] < 0) throw new Refusal(`${plan.typePath}: the type is null`)
    batch.payloadAt[row] = at
    batch.payloadLength[row] = end - at
  }

  private walk(step: P.Step, level: number, nesting: number): void {
    const { cursor } = this
    switch (step.op) {
      case P.NULL:
        if (step.emptyLevels > 0) this.countEmpty(step, 1, nesting)
        return
      case P.BOOLEAN:
        cursor.boolean()
        return
      case P.INT:
        cursor.int()
        return
      case P.LONG:
        cursor.long()
        return
      case P.FIXED:
        cursor.skip(step.width)
        return
      case P.BYTES:
        cursor.skip(cursor.length(this.limits.stringBytes))
        return
      case P.ENUM:
        cursor.index(step.width, 'the enum')
        return
      case P.ARRAY:
        this.walkArray(step, level, nesting)
        return
      case P.MAP:
        this.walkMap(step, level, nesting)
        return
      case P.UNION: {
        const branch = cursor.index(step.children.length, 'the union')
        this.trail[level] = branch
        this.walk(step.children[branch], level + 1, nesting)
        return
      }
      case P.RECORD:
        this.walkFields(step, level, nesting)
        return
      default:
        this.readTargets(step)
    }
  }

  private walkFields(step: P.Step, level: number, nesting: number): void {
    this.checkDepth(nesting)
    if (step.emptyValues > 0) this.countEmpty(step, 1, nesting + 1)
    const { children } = step
    for (let k = 0; k < children.length; k++) {
      this.trail[level] = k
      this.level = level
      this.walk(children[k], level + 1, nesting + 1)
    }
    this.level = level - 1
  }

  private walkArray(step: P.Step, level: number, nesting: number): void {
    this.checkDepth(nesting)
    this.trail[level] = 0
    const item = step.children[0]
    let total = 0
    for (let count = this.blockCount(); count !== 0; count = this.blockCount()) {
      const { blockEnd } = this
      total = this.countItems(total, count)
      if (item.op === P.NULL) this.countEmpty(item, count, nesting + 1)
      else if (item.op === P.FIXED) this.cursor.skip(count * item.width)
      else {
        for (let k = 0; k < count; k++) {
          this.level = level
          this.walk(item, level + 1, nesting + 1)
        }
        this.level = level - 1
      }
      this.checkBlockEnd(blockEnd)
    }
  }

  private walkMap(step: P.Step, level: number, nesting: number): void {
    this.checkDepth(nesting)
    this.trail[level] = 0
    const item = step.children[0]
    let total = 0
    for (let count = this.blockCount(); count !== 0; count = this.blockCount()) {
      const { blockEnd } = this
      total = this.countItems(total, count)
      for (let k = 0; k < count; k++) {
        this.level = level
        this.cursor.skip(this.cursor.length(this.limits.stringBytes))
        this.walk(item, level + 1, nesting + 1)
      }
      this.level = level - 1
      this.checkBlockEnd(blockEnd)
    }
  }

  /** Where the block must end by its own account; -1 if it gives none. */
  private blockEnd = -1

  private blockCount(): number {
    const { cursor } = this
    const count = cursor.long()
    this.blockEnd = -1
    if (count >= 0) return count
    const sizeBytes = cursor.long()
    if (sizeBytes < 0) throw new Refusal('the size of a block is negative')
    if (sizeBytes > cursor.end - cursor.pos) throw new Refusal('the record ends too early')
    this.blockEnd = cursor.pos + sizeBytes
    return -count
  }

  private checkBlockEnd(blockEnd: number): void {
    if (blockEnd >= 0 && this.cursor.pos !== blockEnd)
      throw new Refusal('a block does not have the size that it states')
  }

  private countItems(total: number, count: number): number {
    if (total + count > this.limits.items) throw new Refusal(`it has more items than the limit of ${this.limits.items}`)
    return total + count
  }

  /** What holds them is at `nesting` - 1. */
  private countEmpty(step: P.Step, times: number, nesting: number): void {
    if (step.emptyLevels > 0) this.checkDepth(nesting + step.emptyLevels - 1)
    this.emptyLeft -= times * step.emptyValues
    if (this.emptyLeft < 0) throw new Refusal(`items without bytes are more than the limit of ${this.limits.items}`)
  }

  private checkDepth(nesting: number): void {
    if (nesting > this.limits.depth) throw new Refusal(`it is nested deeper than the limit of ${this.limits.depth}`)
  }

  private readTargets(step: P.Step): void {
    const { targets } = step
    const { cursor } = this
    const at = cursor.pos
    for (let k = 0; k < targets.length; k++) {
      cursor.pos = at
      const target = targets[k]
      if (target.column === P.COLUMN_TIME) this.readTime(target)
      else if (target.column === P.COLUMN_VALUE) this.readValue(target)
      else this.readText(target)
    }
  }

  private readText(target: P.Target): void {
    const { cursor } = this
    switch (target.from) {
      case P.FROM_STRING: {
        const length = cursor.length(this.limits.stringBytes)
        this.storeText(target.column, length)
        cursor.pos += length
        return
      }
      case P.FROM_ENUM:
        this.storeCopy(target.column, target.symbols[cursor.index(target.symbols.length, 'the enum')])
        return
      case P.FROM_INT:
        this.storeInteger(target.column, cursor.int())
        return
      default:
        this.storeInteger(target.column, cursor.long())
    }
  }

  /** Stores `length` bytes at the cursor, which must be UTF-8: two ids that differ must differ as text too. */
  private storeText(column: number, length: number): void {
    const { batch } = this
    const { buffer, pos } = this.cursor
    const at = batch.reserveText(length)
    const { text } = batch
    if (length <= COPY_BY_HAND_BYTES) {
      let bits = 0
      for (let k = 0; k < length; k++) bits |= text[at + k] = buffer[pos + k]
      if (bits >= 0x80) checkUtf8(buffer, pos, length)
    } else {
      checkUtf8(buffer, pos, length)
      buffer.copy(text, at, pos, pos + length)
    }
    this.place(column, at, length)
  }

  private storeCopy(column: number, bytes: Buffer): void {
    const at = this.batch.reserveText(bytes.length)
    const { text } = this.batch
    for (let k = 0; k < bytes.length; k++) text[at + k] = bytes[k]
    this.place(column, at, bytes.length)
  }

  private storeInteger(column: number, n: number): void {
    const { batch, cursor } = this
    const at = batch.reserveText(MAX_DECIMAL_BYTES)
    const end = Number.isSafeInteger(n)
      ? writeDecimal(batch.text, at, n)
      : writeWideDecimal(batch.text, at, cursor.negative, cursor.high, cursor.low)
    this.place(column, at, end - at)
  }

  private place(column: number, at: number, length: number): void {
    const { batch, row } = this
    batch.textEnd = at + length
    switch (column) {
      case P.COLUMN_VIEW_ID:
        batch.viewIdAt[row] = at
        batch.viewIdLength[row] = length
        return
      case P.COLUMN_USER:
        batch.userAt[row] = at
        batch.userLength[row] = length
        return
      case P.COLUMN_ITEM:
        batch.itemAt[row] = at
        batch.itemLength[row] = length
        return
      case P.COLUMN_ENGAGEMENT_ID:
        batch.engagementIdAt[row] = at
        batch.engagementIdLength[row] = length
        return
      default:
        batch.typeAt[row] = at
        batch.typeLength[row] = length
    }
  }

  private readTime(target: P.Target): void {
    const { cursor } = this
    let ms: number
    if (target.from === P.FROM_STRING) {
      const length = cursor.length(this.limits.stringBytes)
      ms = isoToMs(cursor.buffer, cursor.pos, length)
      cursor.pos += length
      if (Number.isNaN(ms)) throw new Refusal('the time is not an ISO-8601 instant with a zone')
    } else {
      const n = target.from === P.FROM_INT ? cursor.int() : cursor.long()
      ms = target.unit === 'ms' ? n : target.unit === 's' ? n * 1000 : this.microsToMs(n)
    }
    if (!Number.isSafeInteger(ms)) throw new Refusal('the time is beyond 2^53 milliseconds')
    this.batch.timeMs[this.row] = ms
    this.hasTime = true
  }

  private microsToMs(n: number): number {
    if (Number.isSafeInteger(n)) return Math.floor(n / 1000)
    const { high, low, negative } = this.cursor
    const upper = Math.floor(high / 1000)
    const rest = (high - upper * 1000) * 0x1_0000_0000 + low
    const magnitude = upper * 0x1_0000_0000 + (negative ? Math.ceil(rest / 1000) : Math.floor(rest / 1000))
    return negative ? -magnitude : magnitude
  }

  private readValue(target: P.Target): void {
    const { cursor } = this
    const { from } = target
    const value =
      from === P.FROM_DOUBLE
        ? cursor.double()
        : from === P.FROM_FLOAT
          ? cursor.float()
          : from === P.FROM_INT
            ? cursor.int()
            : cursor.long()
    if (!Number.isFinite(value)) throw new Refusal('the value is not finite')
    this.batch.value[this.row] = value
  }

  /** The path of the field at which the walk stopped, and why. */
  private reason(plan: P.Plan, error: unknown): string {
    if (!(error instanceof Refusal)) throw error
    if (this.level < 0) return error.reason
    let path = ''
    let step = plan.root
    for (let k = 0; k <= this.level && step !== undefined; k++) {
      const index = this.trail[k]
      if (step.op === P.RECORD) path += `${path === '' ? '' : '.'}${step.names[index]}`
      else if (step.op === P.ARRAY) path += '[]'
      else if (step.op === P.MAP) path += '{}'
      step = step.children[index]
    }
    return `${path}: ${error.reason}`
  }
}

function checkUtf8(buffer: Buffer, at: number, length: number): void {
  if (!isUtf8(buffer.subarray(at, at + length))) throw new Refusal('the text is not UTF-8')
}
