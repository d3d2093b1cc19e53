/**
 * A batch of decoded events: the fields that the join needs, in columns, beside the bytes they were read from.
 *
 * Owns: the columns. Filled by a codec, read by the join, reused for the next batch: nothing here outlives its batch.
 *
 * Invariants:
 * 1. Ids are text (a long 12 is "12"), as UTF-8 in `text`, with their lengths in bytes; -1 is null. An empty id is "".
 * 2. A record with `kind` REFUSED has no other column than `offset` and `stampMs`, and a reason in `refusals`.
 * 3. `payload` is the bytes of the chunk that the batch was decoded from, or a buffer made for it where its reader
 *    encoded records anew.
 */
export const VIEW = 0
export const ENGAGEMENT = 1
export const REFUSED = 2
/** Taken before, or quarantined: counted elsewhere, and to be passed over. Greater than REFUSED. */
export const SKIPPED = 3
/** No event: it tells clocks (`told`). In a consolidated topic alone. */
export const CLOCK = 4

/** How far a source partition is, as told by a record. */
export interface ToldClock {
  readonly name: string
  readonly clockMs: number
}

const INITIAL_TEXT_BYTES = 1 << 16

export class EventBatch {
  count = 0
  kind = new Uint8Array(0)
  offset = new Float64Array(0)
  stampMs = new Float64Array(0)
  timeMs = new Float64Array(0)
  /** Finite, or NaN where the event has none. */
  value = new Float64Array(0)

  /** UTF-8 texts of ids and types. */
  text: Buffer = Buffer.allocUnsafe(INITIAL_TEXT_BYTES)
  textEnd = 0

  userAt = new Int32Array(0)
  userLength = new Int32Array(0)
  itemAt = new Int32Array(0)
  itemLength = new Int32Array(0)
  viewIdAt = new Int32Array(0)
  viewIdLength = new Int32Array(0)
  engagementIdAt = new Int32Array(0)
  engagementIdLength = new Int32Array(0)
  typeAt = new Int32Array(0)
  typeLength = new Int32Array(0)

  /** Where the event's own record (without a wire-format header) lies, at payloadAt. */
  payload: Buffer = Buffer.alloc(0)
  payloadAt = new Int32Array(0)
  payloadLength = new Int32Array(0)
  /** Which writer schema the payload was written with: an index into the source's list. */
  writer = new Int32Array(0)

  /** Why record i was refused. */
  readonly refusals = new Map<number, string>()
  /** What record i of kind CLOCK tells. */
  readonly told = new Map<number, readonly ToldClock[]>()
  /** Those refused for what the log alone would not tell again. */
  readonly decided = new Set<number>()

  /** Forgets the last batch and makes room for `count` records. */
  reset(count: number, payload: Buffer): void {
    this.count = count
    this.payload = payload
    this.textEnd = 0
    if (this.refusals.size > 0) this.refusals.clear()
    if (this.decided.size > 0) this.decided.clear()
    if (this.told.size > 0) this.told.clear()
    if (count <= this.kind.length) return
    const room = Math.max(count, this.kind.length * 2, 256)
    this.kind = new Uint8Array(room)
    this.offset = new Float64Array(room)
    this.stampMs = new Float64Array(room)
    this.timeMs = new Float64Array(room)
    this.value = new Float64Array(room)
    this.userAt = new Int32Array(room)
    this.userLength = new Int32Array(room)
    this.itemAt = new Int32Array(room)
    this.itemLength = new Int32Array(room)
    this.viewIdAt = new Int32Array(room)
    this.viewIdLength = new Int32Array(room)
    this.engagementIdAt = new Int32Array(room)
    this.engagementIdLength = new Int32Array(room)
    this.typeAt = new Int32Array(room)
    this.typeLength = new Int32Array(room)
    this.payloadAt = new Int32Array(room)
    this.payloadLength = new Int32Array(room)
    this.writer = new Int32Array(room)
  }

  /** Makes room for `bytes` more of text and returns where they go; the caller writes there and moves `textEnd`. */
  reserveText(bytes: number): number {
    const need = this.textEnd + bytes
    if (need > this.text.length) {
      const grown = Buffer.allocUnsafe(Math.max(need, this.text.length * 2))
      this.text.copy(grown, 0, 0, this.textEnd)
      this.text = grown
    }
    return this.textEnd
  }

  /** `decided`: for a reason that the log alone does not give, so that it must be written down. */
  refuse(i: number, reason: string, decided = false): void {
    this.kind[i] = REFUSED
    this.refusals.set(i, reason)
    if (decided) this.decided.add(i)
  }
}
