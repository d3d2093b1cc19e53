import { createRequire } from 'node:module'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { beforeAll, describe, expect, it } from 'vitest'
import { RecordBatchBuilder } from '../../../src/log/recordBatch/builder.ts'
import { batchOf, type PlainRecord, read, record, sectionOf } from './records.ts'

const require = createRequire(import.meta.url)
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0')
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder')
const Record = require('kafkajs/src/protocol/recordBatch/record/v0')
const Decoder = require('kafkajs/src/protocol/decoder')
const Long = require('kafkajs/src/utils/long')
const { CompressionCodecs, CompressionTypes } = require('kafkajs')

const someRecords: PlainRecord[] = [
  { stampMs: 1_700_000_000_000, key: 'u1', value: 'x'.repeat(300), headers: [] },
  { stampMs: 1_699_999_999_000, key: null, value: 'views', headers: [['trace', 'ab']] },
  { stampMs: 1_700_009_000_000, key: 'u2', value: null, headers: [] },
  { stampMs: 1_800_000_000_000, key: '', value: 'ä€😀', headers: [['a', ''], ['bb', 'c'.repeat(70)]] }, // biome-ignore format: one record a line
  ...Array.from({ length: 200 }, (_, i) => record(`u${i}`, 'y'.repeat(i), 1_700_000_000_000 + i)),
]
const codecs = [
  ['none', CompressionTypes.None],
  ['gzip', CompressionTypes.GZIP],
  ['lz4', CompressionTypes.LZ4],
] as const

/** The batch that kafkajs writes of the records. */
async function batchOfKafkajs(records: readonly PlainRecord[], compression: number): Promise<Buffer> {
  const first = records[0].stampMs
  const encoded = await RecordBatch({
    compression,
    firstOffset: Long.fromInt(0),
    firstTimestamp: Long.fromNumber(first),
    maxTimestamp: Long.fromNumber(Math.max(...records.map((one) => one.stampMs))),
    lastOffsetDelta: records.length - 1,
    producerId: Long.fromInt(-1),
    producerEpoch: -1,
    firstSequence: -1,
    records: records.map((one, offsetDelta) =>
      Record({
        offsetDelta,
        timestampDelta: one.stampMs - first,
        key: one.key,
        value: one.value,
        headers: Object.fromEntries(one.headers),
      }),
    ),
  })
  return encoded.buffer
}

beforeAll(() => {
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder: { buffer: Buffer }) => compressFrameSync(encoder.buffer),
    decompress: async (bytes: Buffer) => decompressFrameSync(bytes),
  })
})

describe('a record batch builder', () => {
  it('writes these bytes for these records, for ever', () => {
    const batch = batchOf([
      { stampMs: 1_700_000_000_000, key: 'user-1', value: 'seen', headers: [] },
      { stampMs: 1_700_000_000_250, key: null, value: null, headers: [['h', 'x']] },
    ])
    expect(batch.toString('hex')).toBe(
      '00000000000000000000004e0000000002c389d3780000000000010000018bcfe568000000018bcfe568faffffffffffffffffffffffffffff00000002200000000c757365722d31087365656e001600f4030201010202680278',
    )
  })

  for (const [name, type] of codecs) {
    it(`writes the very bytes that kafkajs writes (${name})`, async () => {
      const ours = batchOf(someRecords, name)
      expect(ours.equals(await batchOfKafkajs(someRecords, type))).toBe(true)
    })

    it(`is read by kafkajs to the same records (${name})`, async () => {
      const { records } = await decodeBatch(new Decoder(batchOf(someRecords, name)))
      const seen = records.map((one: { timestamp: string; key: Buffer; value: Buffer; headers: object }) => ({
        stampMs: Number(one.timestamp),
        key: one.key === null ? null : `${one.key}`,
        value: one.value === null ? null : `${one.value}`,
        headers: Object.entries(one.headers).map(([header, value]) => [header, `${value}`]),
      }))
      expect(seen).toEqual(someRecords)
    })
  }

  it('writes LZ4 frames of version 01 with independent blocks, which is all that Java reads', () => {
    for (const bytes of [10, 70_000, 500_000, 6_000_000]) {
      const batch = batchOf([record('k', 'x'.repeat(bytes))], 'lz4')
      const flags = batch[61 + 4]
      expect(flags >> 6).toBe(1)
      expect(flags & 0x20).toBe(0x20)
    }
  })

  it('hands out bytes that later batches do not touch', () => {
    const builder = new RecordBatchBuilder({ compression: 'none' })
    const add = (text: string) => builder.add(1, Buffer.from(text), 0, 3, null, 0, -1)
    add('one')
    const first = builder.finish()
    const copy = Buffer.from(first.bytes)
    add('two')
    expect(builder.finish().bytes.includes('two')).toBe(true)
    expect(first.bytes.equals(copy)).toBe(true)
  })

  it('counts records and their bytes as the batch will hold them', () => {
    const builder = new RecordBatchBuilder({ compression: 'none' })
    builder.add(5, Buffer.from('key'), 0, 3, Buffer.from('value'), 0, 5)
    builder.add(9, null, 0, 0, Buffer.from('value'), 0, 5)
    expect(builder.count).toBe(2)
    expect(builder.sizeBytes).toBe(sectionOf([record('key', 'value', 5), record(null, 'value', 9)]).length)
    const { bytes, count } = builder.finish()
    expect(count).toBe(2)
    expect(bytes.length).toBe(61 + 15 + 12)
    expect(builder.count).toBe(0)
    expect(builder.sizeBytes).toBe(0)
  })

  it('grows for records larger than its buffer and keeps what was in it', () => {
    const builder = new RecordBatchBuilder({ compression: 'none' })
    builder.add(1, Buffer.from('first'), 0, 5, null, 0, -1)
    builder.add(2, null, 0, -1, Buffer.alloc(20_000_000, 7), 0, 20_000_000)
    const chunk = read(builder.finish().bytes)
    expect(chunk.bytes.toString('utf8', chunk.keyAt[0], chunk.keyAt[0] + 5)).toBe('first')
    expect(chunk.valueLength[1]).toBe(20_000_000)
  })

  it('refuses a timestamp that is no whole number of milliseconds, and an empty batch', () => {
    const builder = new RecordBatchBuilder({ compression: 'none' })
    for (const stamp of [Number.NaN, 0.5, Number.POSITIVE_INFINITY, 9e15]) {
      expect(() => builder.add(stamp, null, 0, -1, null, 0, -1)).toThrow(RangeError)
    }
    expect(() => builder.finish()).toThrow(RangeError)
  })
})
