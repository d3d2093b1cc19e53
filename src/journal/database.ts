/**
 * The one RocksDB of a node, as the journal uses it: two column families, batches, pages of a range, and what its
 * errors mean.
 *
 * Invariants:
 * 1. One write touches one column family (the binding's batches cannot do more) and is atomic.
 * 2. After a write has failed, nothing is asked of RocksDB any more: a store that "resumed" after a full disk has
 *    failed later writes (rocksdb #11643). Every call rejects with FAILED.
 * 3. Damage found while reading is noted in the folder, and the next start moves the folder aside: a compaction would
 *    meet the same bytes again and stop all writes.
 * 4. A write is in the system's page cache when it resolves: a killed process loses nothing. A machine that loses
 *    power may lose the newest writes, of both families alike.
 * 5. No iterator outlives a call: RocksDB waits for them when it closes.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import RocksDB, { type ColumnFamilyOptions, type Entry, type OpenOptions, type WriteBatch } from 'rocksdb-native'
import { JournalError } from './port.ts'

export type Family = 'segments' | 'users'

export type Operation =
  | { readonly put: { readonly key: Buffer; readonly value: Buffer } }
  | { readonly delete: Buffer }
  | { readonly deleteFrom: Buffer; readonly deleteTo: Buffer }

/** Its presence in the folder says that something in it was found damaged. */
export const DAMAGE_NOTE = 'DAMAGED'

const OUTSIDE =
  /no space left|too large|quota|permission denied|not permitted|read-only|too many open files|not a directory|cannot allocate/i
const MiB = 2 ** 20
/** A family that nobody writes would keep every log file alive: both are flushed each so many times the write buffer. */
const FLUSH_EVERY_BUFFERS = 4

export class Database {
  broken: JournalError | null = null
  /** Flushes of both families, so far: all that was written before one began is in table files when it has ended. */
  flushesBegun = 0
  flushesEnded = 0
  private readonly folder: string
  private readonly root: RocksDB
  private readonly families: Readonly<Record<Family, RocksDB>>
  private readonly flushEveryBytes: number
  private writtenBytes = 0
  private flushing: Promise<void> | null = null
  private closing = false

  /** Rejects with the binding's own error; `open.ts` says what it means. */
  static async open(folder: string, writeBufferBytes: number): Promise<Database> {
    const database = new Database(folder, writeBufferBytes)
    await database.root.ready()
    return database
  }

  private constructor(folder: string, writeBufferBytes: number) {
    this.folder = folder
    this.flushEveryBytes = FLUSH_EVERY_BUFFERS * writeBufferBytes
    const segments = new RocksDB.ColumnFamily('segments', {
      ...blobs(4096, writeBufferBytes),
      // Segments are read once, at a start.
      blockCache: false,
      tableCacheIndexAndFilterBlocks: false,
    })
    // With the states in blob files, the due records and wake entries alone fill the cache of blocks.
    const users = new RocksDB.ColumnFamily('users', blobs(512, writeBufferBytes / 2))
    const options: OpenOptions = {
      columnFamily: new RocksDB.ColumnFamily('default', { writeBufferSize: MiB }),
      columnFamilies: [segments, users],
      maxBackgroundJobs: 2,
      maxOpenFiles: 256,
    }
    this.root = new RocksDB(folder, options)
    this.families = {
      segments: this.root.session({ columnFamily: segments }),
      users: this.root.session({ columnFamily: users }),
    }
  }

  async write(family: Family, operations: readonly Operation[]): Promise<void> {
    this.check()
    if (operations.length === 0) return
    const batch = this.families[family].write({ capacity: operations.length, autoDestroy: true })
    let bytes = 0
    for (const operation of operations) bytes += addTo(batch, operation)
    try {
      await batch.flush()
    } catch (error) {
      throw this.breakFor(error)
    }
    this.writtenBytes += bytes
    if (this.writtenBytes >= this.flushEveryBytes) this.flushSoon()
  }

  /** In the order asked for; null where nothing is stored. */
  async read(family: Family, keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    this.check()
    if (keys.length === 0) return []
    const batch = this.families[family].read({ capacity: keys.length, autoDestroy: true })
    const values = keys.map((key) => batch.get(key))
    try {
      // All together: each value's promise rejects on its own, and none may do so unheard.
      await Promise.all([...values, batch.flush()])
      return await Promise.all(values)
    } catch (error) {
      throw this.damaged(error)
    }
  }

  /** The entries of [from, to), at most `limit`, in the order of their keys. */
  async page(family: Family, from: Buffer, to: Buffer, limit: number): Promise<readonly Entry[]> {
    this.check()
    const page: Entry[] = []
    try {
      // A capacity above the limit tells the iterator that it is done without asking once more.
      const entries = this.families[family].iterator({ gte: from, lt: to }, { limit, capacity: limit + 1 })
      for await (const entry of entries) page.push(entry)
    } catch (error) {
      throw this.damaged(error)
    }
    return page
  }

  /** Makes of any error of a read the one to throw, and notes damage for the next start. */
  damaged(error: unknown): JournalError {
    if (error instanceof JournalError && error.code !== 'DAMAGED') return error
    try {
      writeFileSync(join(this.folder, DAMAGE_NOTE), '')
    } catch {
      // A disk that takes no note will refuse RocksDB's writes too.
    }
    if (error instanceof JournalError) return error
    return new JournalError('DAMAGED', `journal: ${reasonOf(error)}`, { cause: error })
  }

  async close(): Promise<void> {
    if (this.closing) return
    this.closing = true
    await this.flushing
    if (!this.broken) await this.flushAll().catch(() => undefined)
    await this.root.close({ force: true })
  }

  private check(): void {
    if (this.broken) throw this.broken
    if (this.closing) throw new JournalError('CLOSED', 'journal: closed')
  }

  private flushSoon(): void {
    this.writtenBytes = 0
    if (this.flushing || this.closing) return
    this.flushesBegun++
    this.flushing = this.flushAll()
      .then(
        () => void this.flushesEnded++,
        (error) => void this.breakFor(error),
      )
      .finally(() => (this.flushing = null))
  }

  private async flushAll(): Promise<void> {
    await this.families.segments.flush()
    await this.families.users.flush()
  }

  private breakFor(error: unknown): JournalError {
    this.broken ??= new JournalError('FAILED', `journal: a write failed: ${reasonOf(error)}`, { cause: error })
    // Flushes and compactions run by themselves; what they fail of, the next write is told.
    if (!isFromOutside(error)) this.damaged(error)
    return this.broken
  }
}

/** What is trimmed or replaced is dropped with its whole file, or copied out of the oldest files when half is garbage. */
function blobs(minBlobSize: number, writeBufferSize: number): ColumnFamilyOptions {
  return {
    writeBufferSize,
    maxWriteBufferNumber: 2,
    enableBlobFiles: true,
    minBlobSize,
    blobFileSize: 2 * writeBufferSize,
    enableBlobGarbageCollection: true,
    blobGarbageCollectionAgeCutOff: 0.25,
    blobGarbageCollectionForceThreshold: 0.5,
  }
}

function addTo(batch: WriteBatch, operation: Operation): number {
  if ('put' in operation) {
    batch.tryPut(operation.put.key, operation.put.value)
    return operation.put.value.length
  }
  if ('delete' in operation) batch.tryDelete(operation.delete)
  else batch.tryDeleteRange(operation.deleteFrom, operation.deleteTo)
  return 0
}

/** Whether an error is none of the folder's own: an empty folder in its place would fail likewise. */
export function isFromOutside(error: unknown): boolean {
  return OUTSIDE.test(reasonOf(error))
}

/** A write batch wraps RocksDB's reason in an error of its own. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
