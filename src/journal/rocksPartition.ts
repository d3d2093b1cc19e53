/**
 * One partition of the journal on RocksDB.
 *
 * The wake list. A put must not read what it replaces, so a user's due time is kept twice: in a due record under the
 * user's key, which decides, and in a wake entry in the order of due times, which only finds. A wake entry whose time
 * is not that of its user's due record is stale; whoever reads the list passes over it and deletes it. Since due times
 * come to pass, stale entries are few and short-lived.
 * `nextDueMs` is a lower bound, kept in memory: most questions after due users are answered by it without RocksDB.
 *
 * Invariants:
 * 1. Everything happens in turns, in the order of the calls.
 * 2. A user's state, due record and wake entry are written in one batch.
 * 3. Clearing spans two column families: a flag is set with its first step and taken off with its last, and a flag
 *    found at the start finishes it.
 */
import type { Database, Operation } from './database.ts'
import { EntryWriter, FRAME_BYTES, payloadOf } from './frame.ts'
import { dueOfWake, KEY_BYTES, Keys, readOrdered, sequenceOf, userOfWake, writeOrdered } from './keys.ts'
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
import { Turns } from './turns.ts'

const NEVER = Number.POSITIVE_INFINITY
const DUE_BYTES = 8
/** Segments are large: this many lie in memory while they are read. */
const SEGMENTS_PAGE = 4
/** Most questions find few due users; a scan of the whole list takes larger and larger pages. */
const WAKES_PAGE_FIRST = 64
const WAKES_PAGE_MOST = 1024

/** One reading of the wake list. */
interface Scan {
  readonly beforeMs: number
  /** Where the next page begins; null at the end. */
  from: Buffer | null
  limit: number
  /** Puts that had been asked for when it began: what was put since may be due before all that it finds. */
  readonly puts: number
  foundLive: boolean
}

export class RocksPartition implements PartitionJournal {
  readonly counts: JournalCounts = noCounts()
  nextDueMs = NEVER
  private readonly database: Database
  private readonly keys: Keys
  private readonly onClose: () => void
  private readonly turns = new Turns()
  private closed = false
  private puts = 0
  /** Segments below it are deleted: the next trim's range begins here, for ranges that overlap are costly to read. */
  private trimmedTo = 0

  constructor(database: Database, partition: number, onClose: () => void) {
    this.database = database
    this.keys = new Keys(partition)
    this.onClose = onClose
  }

  /** Ends a clearing that was cut off, and finds the soonest wake entry. */
  begin(): Promise<void> {
    return this.turn(async () => {
      const [clearing] = await this.database.read('segments', [this.keys.clearing])
      if (clearing) await this.finishClearing()
      const [first] = await this.database.page('users', this.keys.wakesFrom(-NEVER), this.keys.wakesEnd, 1)
      this.nextDueMs = first ? dueOfWake(first.key) : NEVER
    })
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
    return this.turn(() => this.database.write('segments', operations))
  }

  async append(sequence: number, bytes: Uint8Array): Promise<void> {
    this.trimmedTo = Math.min(this.trimmedTo, sequence)
    const entry = new EntryWriter(bytes.length + FRAME_BYTES + KEY_BYTES).add(this.keys.segment(sequence), bytes)
    const sizeBytes = bytes.length
    return this.turn(async () => {
      await this.database.write('segments', [{ put: entry }])
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
        yield record
      }
      if (page.length < SEGMENTS_PAGE) return
      from = this.keys.segment(last + 1)
    }
  }

  cut(from: number): Promise<void> {
    const operation = { deleteFrom: this.keys.segment(from), deleteTo: this.keys.segmentsEnd }
    return this.turn(() => this.database.write('segments', [operation]))
  }

  async putUsers(users: readonly StoredUser[]): Promise<void> {
    const writer = new EntryWriter(putBytes(users))
    const operations: Operation[] = []
    let stateBytes = 0
    for (const user of users) {
      stateBytes += user.state.length
      this.addPut(writer, user, operations)
    }
    this.puts++
    return this.turn(async () => {
      await this.database.write('users', operations)
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
    const operations = keys.flatMap((key) => [{ delete: this.keys.state(key) }, { delete: this.keys.due(key) }])
    return this.turn(() => this.database.write('users', operations))
  }

  async awaken(keys: readonly Buffer[]): Promise<void> {
    const writer = new EntryWriter(keys.reduce((sum, key) => sum + 2 * (key.length + KEY_BYTES + FRAME_BYTES) + DUE_BYTES, 0))
    const due = Buffer.allocUnsafe(DUE_BYTES)
    writeOrdered(due, AWAKE_MS, 0)
    const operations = keys.flatMap((key) => [
      { put: writer.add(this.keys.due(key), due, Buffer.alloc(0)) },
      { put: writer.add(this.keys.wake(AWAKE_MS, key)) },
    ])
    return this.turn(() => this.database.write('users', operations))
  }

  wakeDone(keys: readonly Buffer[]): Promise<void> {
    const operations = keys.map((key) => ({ delete: this.keys.due(key) }))
    return this.turn(() => this.database.write('users', operations))
  }

  async *wakes(beforeMs = NEVER): AsyncIterable<WakeEntry> {
    this.check()
    if (this.nextDueMs >= beforeMs) return
    const scan: Scan = {
      beforeMs,
      from: this.keys.wakesFrom(this.nextDueMs),
      limit: WAKES_PAGE_FIRST,
      puts: this.puts,
      foundLive: false,
    }
    while (scan.from !== null) yield* await this.turn(() => this.wakesOf(scan))
  }

  clear(): Promise<void> {
    this.trimmedTo = 0
    this.nextDueMs = NEVER
    const flag = new EntryWriter(FRAME_BYTES + KEY_BYTES).add(this.keys.clearing)
    return this.turn(async () => {
      await this.database.write('segments', [{ deleteFrom: this.keys.first, deleteTo: this.keys.last }, { put: flag }])
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
    await this.database.write('users', [{ deleteFrom: this.keys.first, deleteTo: this.keys.last }])
    await this.database.write('segments', [{ delete: this.keys.clearing }])
  }

  private async segmentsFrom(from: Buffer): Promise<readonly SegmentRecord[]> {
    const page = await this.database.page('segments', from, this.keys.segmentsEnd, SEGMENTS_PAGE)
    return page.map(({ key, value }) => {
      const sequence = sequenceOf(key)
      return { sequence, bytes: payloadOf(key, value, `segment ${sequence}`) }
    })
  }

  private addPut(writer: EntryWriter, user: StoredUser, operations: Operation[]): void {
    if (Number.isNaN(user.dueMs)) throw new JournalError('FAILED', 'journal: a due time is not a number')
    operations.push({ put: writer.add(this.keys.state(user.key), user.state) })
    if (user.dueMs === NEVER) {
      operations.push({ delete: this.keys.due(user.key) })
      return
    }
    const due = Buffer.allocUnsafe(DUE_BYTES)
    writeOrdered(due, user.dueMs, 0)
    operations.push({ put: writer.add(this.keys.due(user.key), due, user.note) })
    operations.push({ put: writer.add(this.keys.wake(user.dueMs, user.key)) })
    if (user.dueMs < this.nextDueMs) this.nextDueMs = user.dueMs
  }

  /** The next page's live entries; moves the scan on and deletes what it finds stale. */
  private async wakesOf(scan: Scan): Promise<readonly WakeEntry[]> {
    const page = await this.database.page('users', scan.from!, this.keys.wakesEnd, scan.limit)
    const dueKeys = page.map(({ key }) => this.keys.due(userOfWake(key)))
    const dues = await this.database.read('users', dueKeys)
    const entries: WakeEntry[] = []
    const stale: Operation[] = []
    scan.from = page.length < scan.limit ? null : after(page[page.length - 1].key)
    scan.limit = Math.min(scan.limit * 4, WAKES_PAGE_MOST)
    for (const [i, { key, value }] of page.entries()) {
      payloadOf(key, value, 'a wake entry')
      const dueMs = dueOfWake(key)
      const record = dues[i] && payloadOf(dueKeys[i], dues[i], 'a due record')
      if (!record || readOrdered(record, 0) !== dueMs) {
        stale.push({ delete: key })
        continue
      }
      this.noteLive(scan, dueMs)
      if (dueMs >= scan.beforeMs) {
        scan.from = null
        break
      }
      entries.push({ key: userOfWake(key), dueMs, note: record.subarray(DUE_BYTES) })
    }
    if (scan.from === null) this.noteLive(scan, NEVER)
    await this.database.write('users', stale)
    return entries
  }

  /** The first live entry of a scan is the soonest of all, unless something was put meanwhile. */
  private noteLive(scan: Scan, dueMs: number): void {
    if (scan.foundLive) return
    scan.foundLive = true
    if (scan.puts === this.puts) this.nextDueMs = dueMs
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

/** The least key above this one. */
function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)])
}

/** Bytes that the entries of these users take together, or somewhat more. */
function putBytes(users: readonly StoredUser[]): number {
  let total = 0
  for (const { key, state, note } of users) {
    total += 3 * (key.length + KEY_BYTES + FRAME_BYTES) + state.length + DUE_BYTES + note.length
  }
  return total
}
