/** A record's headers, decoded where someone needs them: joining never does, dead letters and tests do. */
import type { RawChunk } from '../chunk.ts'
import { Cursor, Malformed } from './cursor.ts'

/** The headers of record i of a chunk; the values are views into its bytes. */
export function headersOf(chunk: RawChunk, i: number): readonly (readonly [string, Buffer | null])[] {
  const length = chunk.headersLength[i]
  if (length <= 0) return []
  const at = chunk.headersAt[i]
  const cursor = new Cursor(chunk.bytes, at, at + length)
  const headers: (readonly [string, Buffer | null])[] = []
  for (let left = cursor.varint(); left > 0; left--) {
    const nameBytes = cursor.varint()
    const nameAt = cursor.skip(nameBytes)
    const name = chunk.bytes.toString('utf8', nameAt, nameAt + nameBytes)
    const valueBytes = cursor.nullable()
    headers.push([name, valueBytes < 0 ? null : chunk.bytes.subarray(cursor.at - valueBytes, cursor.at)])
  }
  return headers
}

/** Steps over headers and checks them; the cursor's end is the record's. */
export function skipHeaders(cursor: Cursor, count: number): void {
  if (count < 0) throw new Malformed('a record has a negative number of headers')
  // Each header takes two bytes or more, so hostile counts end at the record's end.
  for (let left = count; left > 0; left--) {
    cursor.skip(cursor.varint())
    cursor.nullable()
  }
}
