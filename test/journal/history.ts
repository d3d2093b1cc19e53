/**
 * A fixed, endless series of writes to a journal, and what the journal holds after each of them, so that one that was
 * killed or damaged can be compared with all that it ever was: it must be what it was after some write, and after none
 * of those that it had acknowledged may be missing.
 */
import { createHash } from 'node:crypto'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import type { PartitionJournal, StoredUser } from '../../src/journal/port.ts'

const USERS = 60
const PER_PUT = 6
/** Rounds from one clearing to the next. */
const CLEAR_EVERY = 41

export interface Contents {
  mark: string | null
  readonly segments: Map<number, Buffer>
  readonly users: Map<string, { state: string; dueMs: number }>
}

export type Kinds = 'all' | 'withoutSegments'

type Write = (journal: PartitionJournal, contents: Contents) => Promise<void>

/** The kinds of write, in turn; `n` counts rounds of them. */
const WRITES: readonly ((n: number) => Write)[] = [
  (n) => (journal, contents) => {
    contents.segments.set(n, segment(n))
    return journal.append(n, segment(n))
  },
  (n) => (journal, contents) => {
    const users = usersOf(n)
    for (const { key, state, dueMs } of users) {
      contents.users.set(key.toString(), { state: digest(state), dueMs })
    }
    return journal.putUsers(users)
  },
  (n) => (journal, contents) => {
    const keys = usersOf(n - 2).map(({ key }) => key)
    for (const key of keys) {
      const user = contents.users.get(key.toString())
      if (user) user.dueMs = Number.POSITIVE_INFINITY
    }
    return journal.wakeDone(keys)
  },
  (n) => (journal, contents) => {
    const key = Buffer.from(`user-${(n * 31) % USERS}`)
    contents.users.delete(key.toString())
    return journal.deleteUsers([key])
  },
  (n) => (journal, contents) => {
    if (n % CLEAR_EVERY === CLEAR_EVERY - 1) {
      contents.mark = null
      contents.segments.clear()
      contents.users.clear()
      return journal.clear()
    }
    for (const sequence of contents.segments.keys()) if (sequence < n - 20) contents.segments.delete(sequence)
    contents.mark = `mark ${n}`
    return journal.trim(n - 20, Buffer.from(contents.mark))
  },
]

const [, PUT, DONE, DELETE, TRIM] = WRITES
/** A series without segments: nothing in it is numbered by the caller. */
const WITHOUT_SEGMENTS = [PUT, DONE, DELETE, TRIM]

/** The write of this number, and what it makes of the contents. */
export function write(number: number, kinds: Kinds = 'all'): Write {
  const writes = kinds === 'all' ? WRITES : WITHOUT_SEGMENTS
  return writes[number % writes.length](Math.floor(number / writes.length))
}

export function emptyContents(): Contents {
  return { mark: null, segments: new Map(), users: new Map() }
}

export async function readContents(journal: PartitionJournal): Promise<Contents> {
  const contents = emptyContents()
  contents.mark = (await journal.mark())?.toString() ?? null
  for await (const { sequence, bytes } of journal.segments()) contents.segments.set(sequence, bytes)
  const names = Array.from({ length: USERS }, (_, i) => `user-${i}`)
  const states = await journal.getUsers(names.map((name) => Buffer.from(name)))
  for (const [i, state] of states.entries()) {
    if (state) contents.users.set(names[i], { state: digest(state), dueMs: Number.POSITIVE_INFINITY })
  }
  for await (const { key, dueMs, note } of journal.wakes()) {
    const user = contents.users.get(key.toString())
    if (!user || note.toString() !== key.toString()) throw new Error(`${key} is to be woken, but is not stored`)
    user.dueMs = dueMs
  }
  return contents
}

/** What a journal is at first, and after each write of the series. */
export class History {
  readonly fingerprints: string[] = []
  private readonly kinds: Kinds
  private readonly contents = emptyContents()
  private readonly store = openMemoryJournal()
  private journal: PartitionJournal | undefined

  constructor(kinds: Kinds = 'all') {
    this.kinds = kinds
    this.fingerprints.push(fingerprint(this.contents))
  }

  /** Knows what it is after so many writes. */
  async extendTo(writes: number): Promise<readonly string[]> {
    this.journal ??= await this.store.partition(0)
    while (this.fingerprints.length <= writes) {
      await write(this.fingerprints.length - 1, this.kinds)(this.journal, this.contents)
      this.fingerprints.push(fingerprint(this.contents))
    }
    return this.fingerprints
  }
}

/** One text for equal contents. */
export function fingerprint({ mark, segments, users }: Contents): string {
  const parts = [
    ...[...segments].sort(([a], [b]) => a - b).map(([sequence, bytes]) => `${sequence} ${digest(bytes)}`),
    ...[...users].map(([name, { state, dueMs }]) => `${name} ${state} ${dueMs}`).sort(),
  ]
  return digest(Buffer.from(JSON.stringify([mark, parts])))
}

function usersOf(n: number): StoredUser[] {
  if (n < 0) return []
  return Array.from({ length: PER_PUT }, (_, i) => {
    const name = `user-${(n * 17 + i * 7) % USERS}`
    const state = filled(`${name} ${n} `, 200 + ((n * 131 + i * 37) % 1500))
    return { key: Buffer.from(name), state, dueMs: 1000 + ((n * 997 + i) % 5000), note: Buffer.from(name) }
  })
}

function segment(n: number): Buffer {
  return filled(`segment ${n} `, 1000 + ((n * 7919) % 9000))
}

function filled(text: string, sizeBytes: number): Buffer {
  return Buffer.alloc(sizeBytes, text)
}

function digest(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('base64')
}
