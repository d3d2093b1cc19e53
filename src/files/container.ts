/**
 * The parts of an Avro object container, for whoever reads one: header, block framing, and where the records of a block
 * end. Shared by the reader of event files and by the recovery of sample files.
 */
import { inflateRawSync } from 'node:zlib'
import avro from 'avsc'
import type { AvroSchema } from '../config/model.ts'

export const MAGIC = Buffer.from('Obj\x01', 'latin1')
export const SYNC_BYTES = 16
export const MAX_LONG_BYTES = 10
const MAX_INFLATED_BYTES = 1 << 28

export interface ContainerHeader {
  /** Where the first block begins. */
  readonly end: number
  readonly schema: AvroSchema
  readonly type: avro.Type
  readonly codec: 'null' | 'deflate'
  readonly sync: Buffer
}

const METADATA = avro.Type.forSchema({ type: 'map', values: 'bytes' })

/** Only the place of a record's end is wanted: longs are passed over, where avsc's own throw beyond 2^53. */
const LONG = avro.types.LongType.__with(
  {
    fromBuffer: () => 0,
    toBuffer: () => Buffer.alloc(1),
    fromJSON: Number,
    toJSON: Number,
    isValid: () => true,
    compare: () => 0,
  },
  true,
)

/** Undefined where the bytes end within the header; throws where they are no header. */
export function parseContainerHeader(bytes: Buffer): ContainerHeader | undefined {
  const begin = bytes.subarray(0, MAGIC.length)
  if (!begin.equals(MAGIC.subarray(0, begin.length))) throw new Error('it does not begin as one')
  if (bytes.length < MAGIC.length) return undefined
  const { value, offset } = METADATA.decode(bytes, MAGIC.length)
  const end = offset + SYNC_BYTES
  if (offset < 0 || end > bytes.length) return undefined
  const metadata = value as Record<string, Buffer>
  const codec = metadata['avro.codec']?.toString() ?? 'null'
  if (codec !== 'null' && codec !== 'deflate') throw new Error(`its codec is ${codec}; null and deflate can be read`)
  const schema = JSON.parse(metadata['avro.schema']?.toString() ?? 'null') as AvroSchema
  const type = avro.Type.forSchema(schema as avro.Schema, { registry: { long: LONG } })
  return { end, schema, type, codec, sync: Buffer.from(bytes.subarray(offset, end)) }
}

/** The records of a block, inflated, and where each ends; throws where they are not what the block says. */
export function recordsOfBlock(
  block: Buffer,
  count: number,
  header: ContainerHeader,
): { bytes: Buffer; ends: number[] } {
  const bytes = header.codec === 'deflate' ? inflateRawSync(block, { maxOutputLength: MAX_INFLATED_BYTES }) : block
  const ends: number[] = []
  let at = 0
  for (let i = 0; i < count; i++) {
    at = header.type.decode(bytes, at).offset
    if (at < 0) throw new Error('a block ends within a record')
    ends.push(at)
  }
  if (at !== bytes.length) throw new Error('a block holds more than its records')
  return { bytes, ends }
}

/** A zigzag long that is no more than 2^53, and the place after it; undefined where the bytes end within it. */
export function readLong(bytes: Buffer, start: number): { value: number; end: number } | undefined {
  let value = 0
  let factor = 1
  for (let at = start; at < bytes.length && at < start + MAX_LONG_BYTES; at++) {
    value += (bytes[at] & 0x7f) * factor
    factor *= 0x80
    if (bytes[at] < 0x80) return { value: value % 2 === 0 ? value / 2 : -(value + 1) / 2, end: at + 1 }
  }
  return undefined
}
