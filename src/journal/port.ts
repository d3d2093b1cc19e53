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
  /** The journal of one partition; opening it twice is an error, LOCKED, until the first is closed. */
  partition(partition: number): Promise<PartitionJournal>
  /** The marks of partitions 0 to `count` - 1, open or not; null where there is none that can be read. */
  marks(count: number): Promise<readonly (Buffer | null)[]>
  /** Set by the first write that failed. From then on every call rejects with FAILED: go on with the log alone. */
  readonly broken: JournalError | null
  /** Folders that this start found damaged and moved aside, beginning an empty one. */
  readonly movedAside: number
  /** Waits for what is under way, writes it to the disk and closes the partitions too. */
  close(): Promise<void>
}

export interface SegmentRecord {
  readonly sequence: number
  readonly bytes: Buffer
  /** What they lie in, where that is the reader's alone: he may give it back when nobody looks into it any more. */
  readonly value?: Buffer
}

export interface StoredUser {
  /** The user's id, as UTF-8. */
  readonly key: Buffer
  readonly state: Buffer
  /** When the user next has something to do, event time in ms; Infinity: never. */
  readonly dueMs: number
  /** Kept beside the due time, so that a start reads the wake list alone. At most 512 bytes. */
  readonly note: Buffer
}

export interface WakeEntry {
  readonly key: Buffer
  readonly dueMs: number
  readonly note: Buffer
}

/** The due time of users that were stored and are in memory again: later than any event. */
export const AWAKE_MS = 9e15

/** Calls take effect in the order in which they were made, awaited or not, and copy what they are given at once. */
export interface PartitionJournal {
  /** The mark last written, or null. */
  mark(): Promise<Buffer | null>
  /** Writes the mark and deletes the segments numbered below `before`, in one atomic write. */
  trim(before: number, mark: Buffer): Promise<void>
  /** Number each segment one above the last. */
  append(sequence: number, bytes: Uint8Array): Promise<void>
  /** All segments, in their order. A damaged or missing one ends the iteration with an error of code DAMAGED. */
  segments(): AsyncIterable<SegmentRecord>
  /** One segment; null where there is none. */
  segment(sequence: number): Promise<Buffer | null>
  /** Deletes the segments numbered `from` and above. */
  cut(from: number): Promise<void>
  /** Writes users and their places in the wake list, replacing what was stored of them. One atomic write. */
  putUsers(users: readonly StoredUser[]): Promise<void>
  /** In the order asked for; null where nothing is stored. */
  getUsers(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]>
  /** Deletes users with their places in the wake list. */
  deleteUsers(keys: readonly Buffer[]): Promise<void>
  /** Moves stored users to the end of the wake list, due at AWAKE_MS, with this note: they are in memory, and stay stored. */
  awaken(keys: readonly Buffer[], note: Buffer): Promise<void>
  /** Takes a user off the wake list; its state stays stored. */
  wakeDone(keys: readonly Buffer[]): Promise<void>
  /**
   * The wake list, soonest first; `beforeMs` bounds the due time (exclusive). Entries stay on it until `wakeDone`, a
   * new `putUsers` or `deleteUsers`. What is written meanwhile may or may not be seen.
   */
  wakes(beforeMs?: number): AsyncIterable<WakeEntry>
  /** No stored user is due before this; Infinity: none is due. It costs nothing to ask, and may be too early. */
  readonly nextDueMs: number
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
  /** Of the segments that there are, as far as they were written or read since the journal was opened. */
  bytesKept: number
}

export class JournalError extends Error {
  readonly code: 'DAMAGED' | 'LOCKED' | 'CLOSED' | 'FAILED'
  constructor(code: JournalError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'JournalError'
    this.code = code
  }
}

/** Of what was read, which is not what was written. */
export function isDamage(error: unknown): error is JournalError {
  return error instanceof JournalError && error.code === 'DAMAGED'
}

export function noCounts(): JournalCounts {
  const written = { segmentsWritten: 0, usersWritten: 0, bytesWritten: 0 }
  return { ...written, segmentsRead: 0, usersRead: 0, bytesRead: 0, bytesKept: 0 }
}
