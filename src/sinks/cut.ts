/** A record that its topic cannot hold, cut to what fits in any case, with headers that say how large it was. */
import type { RawChunk } from '../log/chunk.ts'
import { type RecordHeader, sizeOfHeaders } from '../log/recordBatch/builder.ts'
import { headersOf } from '../log/recordBatch/headers.ts'

const KEY_BYTES = 'key_bytes'
export const VALUE_BYTES = 'value_bytes'

export interface WholeRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** Of both headers, with their numbers. */
const SAYING_SO_BYTES = 64

/** The key keeps up to half of the room, the value what is left. What was cut before keeps saying how large it was. */
export function cutTo(roomBytes: number, { key, value, headers }: WholeRecord): WholeRecord {
  const room = Math.max(0, roomBytes - sizeOfHeaders(headers) - SAYING_SO_BYTES)
  const keyCut = headOf(key, Math.floor(room / 2))
  const valueCut = headOf(value, room - (keyCut?.length ?? 0))
  const said = [...saying(headers, KEY_BYTES, key, keyCut), ...saying(headers, VALUE_BYTES, value, valueCut)]
  return { key: keyCut, value: valueCut, headers: [...headers, ...said] }
}

/** What record i of a chunk says of having been cut. */
export function cutSizes(chunk: RawChunk, i: number): readonly RecordHeader[] {
  return headersOf(chunk, i).flatMap(([name, value]): RecordHeader[] =>
    value !== null && (name === KEY_BYTES || name === VALUE_BYTES) ? [[name, value]] : [],
  )
}

function headOf(bytes: Buffer | null, most: number): Buffer | null {
  return bytes === null || bytes.length <= most ? bytes : bytes.subarray(0, most)
}

function saying(
  headers: readonly RecordHeader[],
  name: string,
  whole: Buffer | null,
  cut: Buffer | null,
): RecordHeader[] {
  if (whole === null || cut?.length === whole.length || headers.some(([said]) => said === name)) return []
  return [[name, Buffer.from(String(whole.length))]]
}
