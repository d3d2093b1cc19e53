/**
 * One partition of the journal on RocksDB: its segments and mark, and its users (their wake list: wakes.ts).
 *
 * Invariants:
 * 1. Everything happens in turns, in the order of the calls.
 * 2. A user's state and its place in the wake list are written in one batch.
 * 3. Clearing spans two column families: a flag is set with its first step and taken off with its last, and a flag
 *    found at the start finishes it.
 */
import type { Database, Family, Operation } from './database.ts'
import { EntryWriter, FRAME_BYTES, payloadOf } from './frame.ts'
import { KEY_BYTES, Keys, numberOf } from './keys.ts'
import {
  AWAKE_MS,
  type JournalCounts,
  JournalError,
  noCounts,
  type PartitionJournal,
  type SegmentRecord,
  type StoredUser,
  type WakeEntry,
} from './port.ts'
import { Rooms } from './rooms.ts'
import { Serials } from './serials.ts'
import { SegmentSizes } from './sizes.ts'
import { Turns } from './turns.ts'
import { WAKE_BYTES, WakeList } from './wakes.ts'

/** Segments are large: this many lie in memory while they are read. */
const SEGMENTS_PAGE = 4

/** Of all partitions: what is kept does not grow with their number. */
const rooms = new Rooms()

export class RocksPartition implements PartitionJournal {
  readonly counts: JournalCounts = noCounts()
  private readonly sizes = new SegmentSizes(this.counts)
  private readonly database: Database
  private readonly keys: Keys
  private readonly wakeList: WakeList
  private readonly serials: Serials
  private readonly onClose: () => void
  private readonly turns = new Turns()
  private closed = false
  /** Segments below it are deleted: the next trim's range begins here, for ranges that overlap are costly to read. */
  private trimmedTo = 0

  constructor(database: Database, partition: number, onClose: () => void) {
    this.database = database
    this.keys = new Keys(partition)
    this.serials = new Serials(database, this.keys)
    this.wakeList = new WakeList(database, this.keys)
    this.onClose = onClose
  }

  /** Ends a clearing that was cut off, and finds the soonest wake entry. False: it was damaged, and is empty now. */
  async begin(): Promise<boolean> {
    try {
      const whole = await this.turn(async () => {
        if (!(await this.serials.begin())) return false
        const [clearing] = await this.database.read('segments', [this.keys.clearing])
        if (clearing) await this.finishClearing()
        await this.wakeList.begin()
        return true
      })
      if (whole) return true
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'DAMAGED') throw error
    }
    await this.clear()
    return false
  }

  mark(): Promise<Buffer | null> {
    return this.turn(async () => {
      const [value] = await this.database.read('segments', [this.keys.mark])
      return value && payloadOf(this.keys.mark, value, 'the mark')
    })
  }

  trim(before: number, mark: Buffer): Promise<void> {
    const entry = new EntryWriter(mark.length + FRAME_BYTES + KEY_BYTES).add(this.keys.mark, mark)
    const operations: Operation[] = [{ put: entry }]
    if (before > this.trimmedTo) {
      operations.push({ deleteFrom: this.keys.segment(this.trimmedTo), deleteTo: this.keys.segment(before) })
      this.trimmedTo = before
    }
    this.sizes.trim(before)
    return this.turn(() => this.write('segments', operations))
  }

  async append(sequence: number, bytes: Uint8Array): Promise<void> {
    this.trimmedTo = Math.min(this.trimmedTo, sequence)
    const room = rooms.take(bytes.length + FRAME_BYTES + KEY_BYTES)
    const entry = new EntryWriter(room.length, room).add(this.keys.segment(sequence), bytes)
    const sizeBytes = bytes.length
    this.sizes.put(sequence, sizeBytes)
    return this.turn(async () => {
      await this.write('segments', [{ put: entry }])
      rooms.giveBack(room)
      this.counts.segmentsWritten++
      this.counts.bytesWritten += sizeBytes
    })
  }

  async *segments(): AsyncIterable<SegmentRecord> {
    let from = this.keys.segment(0)
    let last = Number.NaN
    for (;;) {
      const page = await this.turn(() => this.segmentsFrom(from))
      for (const record of page) {
        if (record.sequence > last + 1) throw this.missing(last)
        last = record.sequence
        this.counts.segmentsRead++
        this.counts.bytesRead += record.bytes.length
        this.sizes.put(last, record.bytes.length)
        yield record
      }
      if (page.length < SEGMENTS_PAGE) return
      from = this.keys.segment(last + 1)
    }
  }

  segment(sequence: number): Promise<Buffer | null> {
    const key = this.keys.segment(sequence)
    return this.turn(async () => {
      const [value] = await this.database.read('segments', [key])
      if (!value) return null
      const bytes = payloadOf(key, value, `segment ${sequence}`)
      this.counts.segmentsRead++
      this.counts.bytesRead += bytes.length
      return bytes
    })
  }

  cut(from: number): Promise<void> {
    const operation = { deleteFrom: this.keys.segment(from), deleteTo: this.keys.segmentsEnd }
    this.sizes.cut(from)
    return this.turn(() => this.write('segments', [operation]))
  }

  async putUsers(users: readonly StoredUser[]): Promise<void> {
    const writer = new EntryWriter(putBytes(users))
    const operations: Operation[] = []
    let stateBytes = 0
    for (const user of users) {
      stateBytes += user.state.length
      if (Number.isNaN(user.dueMs)) throw new JournalError('FAILED', 'journal: a due time is not a number')
      operations.push({ put: writer.add(this.keys.state(user.key), user.state) })
      this.wakeList.addPut(writer, user, operations)
    }
    return this.turn(async () => {
      await this.write('users', operations)
      this.counts.usersWritten += users.length
      this.counts.bytesWritten += stateBytes
    })
  }

  getUsers(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    const stateKeys = keys.map((key) => this.keys.state(key))
    return this.turn(async () => {
      const values = await this.database.read('users', stateKeys)
      return values.map((value, i) => {
        if (!value) return null
        const state = payloadOf(stateKeys[i], value, "a user's state")
        this.counts.usersRead++
        this.counts.bytesRead += state.length
        return state
      })
    })
  }

  deleteUsers(keys: readonly Buffer[]): Promise<void> {
    const operations: Operation[] = []
    for (const key of keys) {
      operations.push({ delete: this.keys.state(key) })
      this.wakeList.addDone(key, operations)
    }
    return this.turn(() => this.write('users', operations))
  }

  awaken(keys: readonly Buffer[], note: Buffer): Promise<void> {
    const writer = new EntryWriter(keys.reduce((sum, key) => sum + 2 * key.length + WAKE_BYTES + note.length, 0))
    const operations: Operation[] = []
    for (const key of keys) this.wakeList.addPut(writer, { key, dueMs: AWAKE_MS, note }, operations)
    return this.turn(() => this.write('users', operations))
  }

  wakeDone(keys: readonly Buffer[]): Promise<void> {
    const operations: Operation[] = []
    for (const key of keys) this.wakeList.addDone(key, operations)
    return this.turn(() => this.write('users', operations))
  }

  async *wakes(beforeMs = Number.POSITIVE_INFINITY): AsyncIterable<WakeEntry> {
    this.check()
    const scan = this.wakeList.scan(beforeMs)
    while (scan.from !== null) yield* await this.turn(() => this.wakeList.page(scan))
  }

  get nextDueMs(): number {
    return this.wakeList.nextDueMs
  }

  clear(): Promise<void> {
    this.trimmedTo = 0
    this.sizes.cut(0)
    this.wakeList.clear()
    const flag = new EntryWriter(FRAME_BYTES + KEY_BYTES).add(this.keys.clearing)
    return this.turn(async () => {
      const all = { deleteFrom: this.keys.first, deleteTo: this.keys.last }
      await this.database.write('segments', [all, { put: flag }, this.serials.stampClearing()])
      await this.finishClearing()
    })
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.turns.settled()
    this.onClose()
  }

  private async finishClearing(): Promise<void> {
    await this.write('users', [{ deleteFrom: this.keys.first, deleteTo: this.keys.last }])
    await this.write('segments', [{ delete: this.keys.clearing }])
  }

  private write(family: Family, operations: readonly Operation[]): Promise<void> {
    if (operations.length === 0) return Promise.resolve()
    return this.database.write(family, [...operations, ...this.serials.stamp(family)])
  }

  private async segmentsFrom(from: Buffer): Promise<readonly SegmentRecord[]> {
    const page = await this.database.page('segments', from, this.keys.segmentsEnd, SEGMENTS_PAGE)
    return page.map(({ key, value }) => {
      const sequence = numberOf(key)
      return { sequence, bytes: payloadOf(key, value, `segment ${sequence}`), value }
    })
  }

  private missing(last: number): JournalError {
    return this.database.damaged(new JournalError('DAMAGED', `journal: segments after ${last} are missing`))
  }

  private async turn<T>(work: () => Promise<T>): Promise<T> {
    this.check()
    return this.turns.take(async () => {
      try {
        return await work()
      } catch (error) {
        throw this.database.damaged(error)
      }
    })
  }

  private check(): void {
    if (this.closed) throw new JournalError('CLOSED', 'journal: closed')
  }
}

/** Bytes that the entries of these users take together, or somewhat more. */
function putBytes(users: readonly StoredUser[]): number {
  let total = 0
  for (const { key, state, note } of users) {
    total += 3 * key.length + KEY_BYTES + FRAME_BYTES + state.length + WAKE_BYTES + note.length
  }
  return total
}
