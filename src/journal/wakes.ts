/**
 * The wake list of one partition on RocksDB.
 *
 * A put must not read what it replaces, so a user's due time is kept twice: in a due record under the user's key,
 * which decides, and in a wake entry in the order of due times, which only finds. A wake entry whose time is not that
 * of its user's due record is stale; whoever reads the list passes over it and deletes it. Since due times come to
 * pass, stale entries are few and short-lived, and those that were just read are not even left: their places are
 * remembered until they are done.
 *
 * `nextDueMs` is a lower bound, kept in memory: most questions after due users are answered by it without RocksDB.
 * It also is where reading begins, so that nobody steps over the graves of what was done before.
 *
 * Invariant: `page`, and the writing of the operations made here, happen in the partition's turns; what is noted in
 * memory happens when the call is made, which is earlier. So a scan may raise `nextDueMs` only if nothing was put
 * since it began.
 */
import type { Database, Operation } from './database.ts'
import { type EntryWriter, FRAME_BYTES, payloadOf } from './frame.ts'
import { DUE_BYTES, dueOfWake, KEY_BYTES, type Keys, readOrdered, userOfWake, writeOrdered } from './keys.ts'
import { AWAKE_MS, type WakeEntry } from './port.ts'

const NEVER = Number.POSITIVE_INFINITY
/** Most questions find few due users; a scan of the whole list takes larger and larger pages. */
const PAGE_FIRST = 32
const PAGE_MOST = 1024
/** Bytes of the entries of one user, at most, without the user's key (each has it once) and its note. */
export const WAKE_BYTES = 2 * (KEY_BYTES + FRAME_BYTES) + DUE_BYTES

/** Places of entries that were read and are not done. Forgetting one leaves a stale entry. */
const PLACES_MOST = 4_096

/** One reading of the list. */
export interface Scan {
  readonly beforeMs: number
  /** Where the next page begins; null at the end. */
  from: Buffer | null
  limit: number
  readonly puts: number
  foundLive: boolean
}

export class WakeList {
  nextDueMs = NEVER
  private readonly database: Database
  private readonly keys: Keys
  private readonly places = new Map<string, Buffer>()
  private puts = 0

  constructor(database: Database, keys: Keys) {
    this.database = database
    this.keys = keys
  }

  /** Finds the soonest entry of a journal just opened; it may be stale. */
  async begin(): Promise<void> {
    const [first] = await this.database.page('users', this.keys.wakesFrom(-NEVER), this.keys.wakesEnd, 1)
    this.nextDueMs = first ? dueOfWake(first.key) : NEVER
  }

  scan(beforeMs: number): Scan {
    const from = this.nextDueMs < beforeMs ? this.keys.wakesFrom(this.nextDueMs) : null
    return { beforeMs, from, limit: PAGE_FIRST, puts: this.puts, foundLive: false }
  }

  /** The operations that put a user on the list in the place of where it was. */
  addPut(writer: EntryWriter, user: WakeEntry, operations: Operation[]): void {
    if (user.dueMs === NEVER) {
      this.addDone(user.key, operations)
      return
    }
    this.puts++
    this.addForgotten(user.key, operations)
    const due = Buffer.allocUnsafe(DUE_BYTES)
    writeOrdered(due, user.dueMs, 0)
    operations.push({ put: writer.add(this.keys.due(user.key), due, user.note) })
    operations.push({ put: writer.add(this.keys.wake(user.dueMs, user.key)) })
    if (user.dueMs < this.nextDueMs) this.nextDueMs = user.dueMs
  }

  /** The operations that take a user off the list. */
  addDone(user: Buffer, operations: Operation[]): void {
    operations.push({ delete: this.keys.due(user) })
    this.addForgotten(user, operations)
  }

  /** Deletes the entries whose places are known. The awake ones must go here: no reader comes by their time. */
  private addForgotten(user: Buffer, operations: Operation[]): void {
    operations.push({ delete: this.keys.wake(AWAKE_MS, user) })
    const name = user.toString('latin1')
    const place = this.places.get(name)
    if (!place) return
    this.places.delete(name)
    operations.push({ delete: place })
  }

  clear(): void {
    this.nextDueMs = NEVER
    this.puts++
    this.places.clear()
  }

  /** The scan's next entries; moves it on and deletes what it finds stale. */
  async page(scan: Scan): Promise<readonly WakeEntry[]> {
    const rows = await this.database.page('users', scan.from!, this.keys.wakesEnd, scan.limit)
    const dueKeys = rows.map(({ key }) => this.keys.due(userOfWake(key)))
    const records = await this.database.read('users', dueKeys)
    const entries: WakeEntry[] = []
    const stale: Operation[] = []
    scan.from = rows.length < scan.limit ? null : after(rows[rows.length - 1].key)
    scan.limit = Math.min(scan.limit * 2, PAGE_MOST)
    for (const [i, { key, value }] of rows.entries()) {
      payloadOf(key, value, 'a wake entry')
      const dueMs = dueOfWake(key)
      const record = records[i] && payloadOf(dueKeys[i], records[i], 'a due record')
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
      this.remember(key)
    }
    if (scan.from === null) this.noteLive(scan, NEVER)
    await this.database.write('users', stale)
    return entries
  }

  /** A place that is out of date does no harm: what is deleted there is stale, or was to be deleted anyway. */
  private remember(key: Buffer): void {
    if (this.places.size >= PLACES_MOST) this.places.clear()
    this.places.set(userOfWake(key).toString('latin1'), key)
  }

  /** The first live entry of a scan is the soonest of all, unless something was put meanwhile. */
  private noteLive(scan: Scan, dueMs: number): void {
    if (scan.foundLive) return
    scan.foundLive = true
    if (scan.puts === this.puts) this.nextDueMs = dueMs
  }
}

/** The least key above this one. */
function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)])
}
