/**
 * The journal port: where one partition's state may lie beside memory. It stores bytes by number and by key and knows
 * nothing of what they mean (src/actors/recovery.ts does). Two implementations, `rocks.ts` and `memory.ts`, are held to
 * one contract suite (test/contract/journal.ts).
 *
 * A journal is a cache: whatever is wrong with it costs a replay, never a label. So every way of failing ends in an
 * error or in a `null`, and never in wrong bytes: values carry a checksum.
 *
 * Owns: segments (one value a batch, numbered upward), user snapshots (one value a user), the wake list (each stored
 * user's next due time, ordered by it), and one mark (written together with what it speaks of).
 */
export interface JournalStore {
  /** The journal of one partition; opening it twice is an error. */
  partition(partition: number): Promise<PartitionJournal>
  close(): Promise<void>
}

export interface SegmentRecord {
  readonly sequence: number
  readonly bytes: Buffer
}

export interface StoredUser {
  /** The user's id, as UTF-8. */
  readonly key: Buffer
  readonly state: Buffer
  /** When the user next has something to do, event time in ms; Infinity: never. */
  readonly dueMs: number
  /** Kept beside the due time, so that a start reads the wake list alone. At most 64 bytes. */
  readonly note: Buffer
}

export interface WakeEntry {
  readonly key: Buffer
  readonly dueMs: number
  readonly note: Buffer
}

export interface PartitionJournal {
  /** The mark last written, or null. */
  mark(): Promise<Buffer | null>
  /** Writes the mark and deletes the segments numbered below `before`, in one atomic write. */
  trim(before: number, mark: Buffer): Promise<void>
  append(sequence: number, bytes: Uint8Array): Promise<void>
  /** All segments, in their order. A damaged one ends the iteration with an error of code DAMAGED. */
  segments(): AsyncIterable<SegmentRecord>
  /** Deletes the segments numbered `from` and above. */
  cut(from: number): Promise<void>
  /** Writes users and their places in the wake list, replacing what was stored of them. One atomic write. */
  putUsers(users: readonly StoredUser[]): Promise<void>
  /** In the order asked for; null where nothing is stored. */
  getUsers(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]>
  /** Deletes users with their places in the wake list. */
  deleteUsers(keys: readonly Buffer[]): Promise<void>
  /** Takes a user off the wake list; its state stays stored. */
  wakeDone(keys: readonly Buffer[]): Promise<void>
  /** The wake list, soonest first; `beforeMs` bounds the due time (exclusive). */
  wakes(beforeMs?: number): AsyncIterable<WakeEntry>
  /** Forgets everything of this partition. */
  clear(): Promise<void>
  readonly counts: JournalCounts
  close(): Promise<void>
}

export interface JournalCounts {
  segmentsWritten: number
  segmentsRead: number
  usersWritten: number
  usersRead: number
  bytesWritten: number
  bytesRead: number
}

export class JournalError extends Error {
  readonly code: 'DAMAGED' | 'LOCKED' | 'CLOSED' | 'FAILED'
  constructor(code: JournalError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'JournalError'
    this.code = code
  }
}
