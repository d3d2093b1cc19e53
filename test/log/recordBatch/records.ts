/** Records for tests: made into batches, and read back out of chunks as plain objects. */
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import type { Compression } from '../../../src/config/model.ts'
import type { RawChunk } from '../../../src/log/chunk.ts'
import { RecordBatchBuilder } from '../../../src/log/recordBatch/builder.ts'
import { headersOf } from '../../../src/log/recordBatch/headers.ts'
import * as layout from '../../../src/log/recordBatch/layout.ts'
import { type ReadOptions, readRecordBatches } from '../../../src/log/recordBatch/reader.ts'

export interface PlainRecord {
  readonly stampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string])[]
}

export const readOptions: ReadOptions = {
  topic: 'views',
  partition: 3,
  fromOffset: 0,
  highWatermark: -1,
  maxInflatedBytes: 1 << 20,
}

export function read(bytes: Buffer, options: Partial<ReadOptions> = {}): RawChunk {
  return readRecordBatches(bytes, { ...readOptions, ...options })
}

/** One batch of the records, all bytes taken at an offset into a larger buffer. */
export function batchOf(records: readonly PlainRecord[], compression: Compression = 'none', baseOffset = 0): Buffer {
  const builder = new RecordBatchBuilder({ compression })
  for (const { stampMs, key, value, headers } of records) {
    const text = Buffer.from(`..${key ?? ''}${value ?? ''}`)
    const keyBytes = key === null ? -1 : Buffer.byteLength(key)
    const valueBytes = value === null ? -1 : Buffer.byteLength(value)
    const valueAt = 2 + Math.max(keyBytes, 0)
    const pairs = headers.map(([name, content]) => [name, Buffer.from(content)] as const)
    builder.add(stampMs, text, 2, keyBytes, text, valueAt, valueBytes, pairs)
  }
  const { bytes } = builder.finish()
  layout.writeInt64(bytes, layout.BASE_OFFSET, baseOffset)
  return bytes
}

export function plain(chunk: RawChunk): PlainRecord[] {
  const text = (at: number, length: number) => (length < 0 ? null : chunk.bytes.toString('utf8', at, at + length))
  return Array.from({ length: chunk.count }, (_, i) => ({
    stampMs: chunk.stampMs[i],
    key: text(chunk.keyAt[i], chunk.keyLength[i]),
    value: text(chunk.valueAt[i], chunk.valueLength[i]),
    headers: headersOf(chunk, i).map(([name, value]) => [name, `${value}`] as const),
  }))
}

/** The batch with its checksum made right again after its bytes were changed. */
export function sealed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(layout.ATTRIBUTES)), layout.CRC)
  return batch
}

/** A batch with that attributes number whose records section is these bytes. */
export function rawBatch(attributes: number, count: number, records: Buffer, baseOffset = 0): Buffer {
  const batch = Buffer.concat([batchOf([record('k', 'v')]).subarray(0, layout.RECORDS), records])
  layout.writeInt64(batch, layout.BASE_OFFSET, baseOffset)
  batch.writeInt32BE(batch.length - layout.PREFIX_BYTES, layout.BATCH_LENGTH)
  batch.writeInt16BE(attributes, layout.ATTRIBUTES)
  batch.writeInt32BE(Math.max(count - 1, 0), layout.LAST_OFFSET_DELTA)
  batch.writeInt32BE(count, layout.RECORD_COUNT)
  return sealed(batch)
}

export function record(key: string | null, value: string | null, stampMs = 1000): PlainRecord {
  return { stampMs, key, value, headers: [] }
}

/** The records section of an uncompressed batch. */
export function sectionOf(records: readonly PlainRecord[]): Buffer {
  return batchOf(records).subarray(layout.RECORDS)
}

const text = fc.string({ unit: 'grapheme', maxLength: 80 })

export const anyRecords: fc.Arbitrary<PlainRecord[]> = fc.array(
  fc.record({
    stampMs: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
    key: fc.option(text),
    value: fc.option(
      fc.oneof(
        text,
        fc.integer({ min: 0, max: 20_000 }).map((n) => 'ab'.repeat(n)),
      ),
    ),
    headers: fc.array(fc.tuple(text, text), { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 40 },
)
