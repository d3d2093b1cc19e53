/** What the parts of the journal's contract share: short ways to write users and to show what was read. */
import type { SegmentRecord, StoredUser, WakeEntry } from '../../src/journal/port.ts'

export function bytes(value: string): Buffer {
  return Buffer.from(value)
}

export function put(user: string, dueMs: number, state = user, note = 'n'): StoredUser {
  return { key: bytes(user), state: bytes(state), dueMs, note: bytes(note) }
}

export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const value of values) found.push(value)
  return found
}

export function text(values: readonly (SegmentRecord | Buffer | null)[]): (string | null)[] {
  return values.map((value) => {
    if (value === null) return null
    return Buffer.isBuffer(value) ? value.toString() : `${value.sequence}=${value.bytes.toString()}`
  })
}

export function wakesText(wakes: readonly WakeEntry[]): string[] {
  return wakes.map(({ key, dueMs, note }) => `${key}@${dueMs}:${note}`)
}
