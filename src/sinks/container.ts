/**
 * Avro object containers, as they are written: the header with schema, codec and sync marker, and blocks of records.
 * Reading is in ../files/container.ts and wholePrefix.ts.
 */
import { promisify } from 'node:util'
import { deflateRaw } from 'node:zlib'
import type { AvroSchema } from '../config/model.ts'
import { MAGIC, MAX_LONG_BYTES } from '../files/container.ts'

export type ContainerCodec = 'null' | 'deflate'

const deflate = promisify(deflateRaw) as (bytes: Uint8Array) => Promise<Buffer>

export function containerHeader(schema: AvroSchema, codec: ContainerCodec, sync: Buffer): Buffer {
  const entries: [string, Buffer][] = [
    ['avro.schema', Buffer.from(JSON.stringify(schema))],
    ['avro.codec', Buffer.from(codec)],
  ]
  const parts = [MAGIC, long(entries.length)]
  for (const [key, value] of entries) parts.push(long(key.length), Buffer.from(key), long(value.length), value)
  return Buffer.concat([...parts, long(0), sync])
}

/** One block: how many records, how many bytes, the bytes, the sync marker. */
export async function containerBlock(
  records: Buffer,
  count: number,
  codec: ContainerCodec,
  sync: Buffer,
): Promise<Buffer> {
  const body = codec === 'deflate' ? await deflate(records) : records
  return Buffer.concat([long(count), long(body.length), body, sync])
}

function long(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(MAX_LONG_BYTES)
  let at = 0
  // Zigzag of a value that is not negative; beyond 32 bits only division is exact.
  let rest = value * 2
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80
  bytes[at++] = rest
  return bytes.subarray(0, at)
}
