/**
 * The journal in memory: the honest twin of `rocks.ts`, for tests. It copies what it takes and gives, keeps the same
 * orders and refuses the same misuse, and forgets everything with the process. What is closed can be opened again.
 */
import {
  AWAKE_MS,
  type JournalCounts,
  JournalError,
  type JournalStore,
  noCounts,
  type PartitionJournal,
  type SegmentRecord,
  type StoredUser,
  type WakeEntry,
} from './port.ts'
import { SegmentSizes } from './sizes.ts'

/** What one partition's journal holds. Buffers in it are never written to again. */
export interface Contents {
  mark: Buffer | null
  readonly segments: Map<number, Buffer>
  readonly users: Map<string, StoredUser>
}

export function newContents(): Contents {
  return { mark: null, segments: new Map(), users: new Map() }
}

export function copyContents({ mark, segments, users }: Contents): Contents {
  return { mark, segments: new Map(segments), users: new Map(users) }
}

/** One partition's journal over contents that the caller keeps. */
export function openMemoryPartition(contents: Contents, onClose: () => void = () => {}): PartitionJournal {
  return new MemoryPartition(contents, onClose)
}

export function openMemoryJournal(): JournalStore {
  return new MemoryStore()
}

class MemoryStore implements JournalStore {
  readonly broken = null
  readonly movedAside = 0
  private readonly contents = new Map<number, Contents>()
  private readonly open = new Map<number, MemoryPartition>()
  private closed = false

  async partition(partition: number): Promise<PartitionJournal> {
    if (this.closed) throw new JournalError('CLOSED', 'journal: closed')
    if (this.open.has(partition)) throw new JournalError('LOCKED', `journal: partition ${partition} is open already`)
    const contents = this.contents.get(partition) ?? newContents()
    this.contents.set(partition, contents)
    const journal = new MemoryPartition(contents, () => this.open.delete(partition))
    this.open.set(partition, journal)
    return journal
  }

  async marks(count: number): Promise<readonly (Buffer | null)[]> {
    if (this.closed) throw new JournalError('CLOSED', 'journal: closed')
    return Array.from({ length: count }, (_, partition) => this.contents.get(partition)?.mark ?? null)
  }

  async close(): Promise<void> {
    this.closed = true
    for (const journal of [...this.open.values()]) await journal.close()
  }
}

class MemoryPartition implements PartitionJournal {
  readonly counts: JournalCounts = noCounts()
  private readonly sizes = new SegmentSizes(this.counts)
  private readonly contents: Contents
  private readonly onClose: () => void
  private closed = false

  constructor(contents: Contents, onClose: () => void) {
    this.contents = contents
    this.onClose = onClose
  }

  async mark(): Promise<Buffer | null> {
    this.check()
    return this.contents.mark && Buffer.from(this.contents.mark)
  }

  async trim(before: number, mark: Buffer): Promise<void> {
    this.check()
    this.contents.mark = Buffer.from(mark)
    this.sizes.trim(before)
    this.dropSegments((sequence) => sequence < before)
  }

  async append(sequence: number, bytes: Uint8Array): Promise<void> {
    this.check()
    this.contents.segments.set(sequence, Buffer.from(bytes))
    this.sizes.put(sequence, bytes.length)
    this.counts.segmentsWritten++
    this.counts.bytesWritten += bytes.length
  }

  async *segments(): AsyncIterable<SegmentRecord> {
    this.check()
    let last = Number.NaN
    for (const sequence of [...this.contents.segments.keys()].sort((a, b) => a - b)) {
      if (sequence > last + 1) throw new JournalError('DAMAGED', `journal: segments after ${last} are missing`)
      last = sequence
      const bytes = Buffer.from(this.contents.segments.get(sequence) ?? [])
      this.counts.segmentsRead++
      this.counts.bytesRead += bytes.length
      this.sizes.put(sequence, bytes.length)
      yield { sequence, bytes }
    }
  }

  async segment(sequence: number): Promise<Buffer | null> {
    this.check()
    const bytes = this.contents.segments.get(sequence)
    if (bytes === undefined) return null
    this.counts.segmentsRead++
    this.counts.bytesRead += bytes.length
    return Buffer.from(bytes)
  }

  async cut(from: number): Promise<void> {
    this.check()
    this.sizes.cut(from)
    this.dropSegments((sequence) => sequence >= from)
  }

  async putUsers(users: readonly StoredUser[]): Promise<void> {
    this.check()
    for (const user of users) {
      const { dueMs } = user
      const [key, state, note] = [user.key, user.state, user.note].map((bytes) => Buffer.from(bytes))
      this.contents.users.set(name(key), { key, state, dueMs, note })
      this.counts.usersWritten++
      this.counts.bytesWritten += state.length
    }
  }

  async getUsers(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    this.check()
    return keys.map((key) => {
      const user = this.contents.users.get(name(key))
      if (!user) return null
      this.counts.usersRead++
      this.counts.bytesRead += user.state.length
      return Buffer.from(user.state)
    })
  }

  async deleteUsers(keys: readonly Buffer[]): Promise<void> {
    this.check()
    for (const key of keys) this.contents.users.delete(name(key))
  }

  async awaken(keys: readonly Buffer[], note: Buffer): Promise<void> {
    this.check()
    for (const key of keys) {
      const user = this.contents.users.get(name(key))
      if (user) this.contents.users.set(name(key), { ...user, dueMs: AWAKE_MS, note: Buffer.from(note) })
    }
  }

  async wakeDone(keys: readonly Buffer[]): Promise<void> {
    this.check()
    for (const key of keys) {
      const user = this.contents.users.get(name(key))
      if (user) this.contents.users.set(name(key), { ...user, dueMs: Number.POSITIVE_INFINITY })
    }
  }

  async *wakes(beforeMs = Number.POSITIVE_INFINITY): AsyncIterable<WakeEntry> {
    this.check()
    const due = [...this.contents.users.values()].filter((user) => user.dueMs < beforeMs)
    due.sort((a, b) => a.dueMs - b.dueMs || Buffer.compare(a.key, b.key))
    for (const { key, dueMs, note } of due) yield { key: Buffer.from(key), dueMs, note: Buffer.from(note) }
  }

  get nextDueMs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const user of this.contents.users.values()) next = Math.min(next, user.dueMs)
    return next
  }

  async clear(): Promise<void> {
    this.check()
    this.sizes.cut(0)
    this.contents.mark = null
    this.contents.segments.clear()
    this.contents.users.clear()
  }

  async close(): Promise<void> {
    this.closed = true
    this.onClose()
  }

  private dropSegments(drop: (sequence: number) => boolean): void {
    for (const sequence of [...this.contents.segments.keys()]) {
      if (drop(sequence)) this.contents.segments.delete(sequence)
    }
  }

  private check(): void {
    if (this.closed) throw new JournalError('CLOSED', 'journal: closed')
  }
}

/** One character a byte: equal only for equal bytes, whether they are UTF-8 or not. */
function name(key: Buffer): string {
  return key.toString('latin1')
}
