import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { describe, expect, it } from 'vitest'
import { LogError } from '../../../src/log/port.ts'
import * as layout from '../../../src/log/recordBatch/layout.ts'
import { anyRecords, batchOf, plain, rawBatch, read, record, sealed, sectionOf } from './records.ts'

const two = [record('a', 'one', 1000), record('b', 'two', 1500)]
const readable = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const seen = [record('a', 'seen '.repeat(60))]
/** The section of `seen` as the zstd command compressed it: from a file, with its size, and from a pipe, without. */
const ZSTD_SIZED = '28b52ffd643600b5000078e8040000000261d8047365656e2000010024508b1278933248'
const ZSTD_STREAM = '28b52ffd0058b5000078e8040000000261d8047365656e2000010024508b12'

function refusal(bytes: Buffer, options = {}): LogError {
  try {
    read(bytes, options)
  } catch (error) {
    expect(error).toBeInstanceOf(LogError)
    return error as LogError
  }
  throw new Error('the bytes were not refused')
}

describe('reading record batches', () => {
  it('gives back any records, whatever the compression', () => {
    fc.assert(
      fc.property(anyRecords, fc.constantFrom(...readable), (records, codec) => {
        const chunk = read(batchOf(records, codec))
        expect(plain(chunk)).toEqual(records)
        expect(chunk.nextOffset).toBe(records.length)
      }),
      { numRuns: 150 },
    )
  })

  it('reads several batches with different compressions into one chunk', () => {
    const batches = readable.map((codec, i) => batchOf(two, codec, i * 10))
    const chunk = read(Buffer.concat(batches))
    expect(plain(chunk)).toEqual([...two, ...two, ...two, ...two, ...two])
    expect([...chunk.offset.subarray(0, chunk.count)]).toEqual([0, 1, 10, 11, 20, 21, 30, 31, 40, 41])
    expect(chunk.nextOffset).toBe(42)
  })

  it('owns its bytes', () => {
    const bytes = batchOf(two)
    const chunk = read(bytes)
    bytes.fill(0)
    expect(plain(chunk)).toEqual(two)
  })

  it('stops at a batch that the fetch cut off, wherever it was cut', () => {
    const whole = batchOf(two)
    const next = batchOf(two, 'none', 2)
    for (let cut = 0; cut < next.length; cut++) {
      const chunk = read(Buffer.concat([whole, next.subarray(0, cut)]))
      expect(chunk.count).toBe(2)
      expect(chunk.nextOffset).toBe(2)
    }
    expect(read(Buffer.alloc(0), { fromOffset: 7 }).nextOffset).toBe(7)
  })

  it('leaves out records below the position and moves past them', () => {
    const bytes = Buffer.concat([batchOf(two, 'none', 4), batchOf(two, 'lz4', 6)])
    const chunk = read(bytes, { fromOffset: 7 })
    expect(plain(chunk)).toEqual([two[1]])
    expect(chunk.offset[0]).toBe(7)
    const beyond = read(bytes, { fromOffset: 20 })
    expect(beyond.count).toBe(0)
    expect(beyond.nextOffset).toBe(20)
  })

  it('takes the batch stamp where the log stamps on append', () => {
    const batch = batchOf(two)
    batch.writeInt16BE(layout.LOG_APPEND_TIME, layout.ATTRIBUTES)
    layout.writeInt64(batch, layout.MAX_STAMP, 77_000)
    expect(plain(read(sealed(batch))).map((one) => one.stampMs)).toEqual([77_000, 77_000])
  })

  it('reads a batch that compaction has thinned out or emptied', () => {
    const thin = batchOf([two[1]], 'none', 10)
    thin.writeInt32BE(5, layout.LAST_OFFSET_DELTA)
    const empty = rawBatch(0, 0, Buffer.alloc(0), 20)
    empty.writeInt32BE(4, layout.LAST_OFFSET_DELTA)
    const chunk = read(Buffer.concat([sealed(thin), sealed(empty)]))
    expect(plain(chunk)).toEqual([two[1]])
    expect(chunk.nextOffset).toBe(25)
  })

  it('leaves out control batches and aborted transactions and moves past them', () => {
    const transactional = (producerId: bigint, baseOffset: number, attributes = layout.TRANSACTIONAL) => {
      const batch = batchOf(two, 'none', baseOffset)
      batch.writeInt16BE(attributes, layout.ATTRIBUTES)
      batch.writeBigInt64BE(producerId, layout.PRODUCER_ID)
      return sealed(batch)
    }
    const marker = (producerId: bigint, baseOffset: number) =>
      transactional(producerId, baseOffset, layout.TRANSACTIONAL | layout.CONTROL)
    const bytes = Buffer.concat([
      transactional(7n, 0),
      transactional(8n, 2),
      marker(7n, 4),
      transactional(7n, 6),
      transactional(8n, 8),
      marker(8n, 10),
      marker(7n, 12),
    ])
    const abortedTransactions = [
      { producerId: 8n, firstOffset: 8 },
      { producerId: 7n, firstOffset: 0 },
    ]
    const chunk = read(bytes, { abortedTransactions })
    expect([...chunk.offset.subarray(0, chunk.count)]).toEqual([2, 3, 6, 7])
    expect(chunk.nextOffset).toBe(14)
    expect(read(marker(7n, 0)).nextOffset).toBe(2)
  })

  it('reads zstd, sized and streamed', () => {
    for (const hex of [ZSTD_SIZED, ZSTD_STREAM]) {
      expect(plain(read(rawBatch(4, 1, Buffer.from(hex, 'hex'))))).toEqual(seen)
    }
  })

  it('reads snappy as one bare block too', () => {
    const framed = batchOf(two, 'snappy').subarray(layout.RECORDS)
    expect(plain(read(rawBatch(2, 2, framed.subarray(20))))).toEqual(two)
  })
})

describe('what cannot be read is refused with topic, partition and offset', () => {
  const where = /topic views, partition 3, offset 40\b/

  it('a wrong checksum', () => {
    const batch = batchOf(two, 'none', 40)
    batch[batch.length - 2] ^= 1
    const error = refusal(batch)
    expect(error.code).toBe('CORRUPT')
    expect(error.message).toMatch(where)
  })

  it('message formats older than 0.11', () => {
    const batch = batchOf(two, 'none', 40)
    batch[layout.MAGIC] = 1
    const error = refusal(batch.subarray(0, 34))
    expect(error.code).toBe('CODEC')
    expect(error.message).toMatch(/older than 0\.11/)
    expect(error.message).toMatch(where)
  })

  it('an unknown codec', () => {
    const error = refusal(rawBatch(5, 1, Buffer.alloc(10), 40))
    expect(error.code).toBe('CODEC')
    expect(error.message).toMatch(where)
  })

  it('batches that inflate beyond the limit, in every codec', () => {
    const zeros = Buffer.alloc(3_000_000)
    const long = [record('k', 'x'.repeat(3_000_000))]
    // A run of 128 KiB a block.
    const zstd = Buffer.from(`28b52ffd0038${'0200100a'.repeat(23)}0300100a`, 'hex')
    const batches = [
      rawBatch(1, 1, zlib.gzipSync(zeros), 40),
      batchOf(long, 'snappy', 40),
      rawBatch(3, 1, compressFrameSync(zeros), 40),
      rawBatch(4, 1, zstd, 40),
    ]
    for (const batch of batches) {
      const error = refusal(batch)
      expect(error.code).toBe('TOO_LARGE')
      expect(error.message).toMatch(where)
    }
  })

  it('of batches that each stay within the limit, no more than reach it: the rest comes with the next fetch', () => {
    const records = [record('k', 'x'.repeat(700_000))]
    const fetched = Buffer.concat([0, 1, 2, 3, 4].map((at) => batchOf(records, 'lz4', at)))
    const offsets: number[] = []
    for (let fromOffset = 0; fromOffset < 5; ) {
      const chunk = read(fetched, { fromOffset })
      expect(chunk.count).toBeLessThanOrEqual(2)
      offsets.push(...chunk.offset.slice(0, chunk.count))
      fromOffset = chunk.nextOffset
    }
    expect(offsets).toEqual([0, 1, 2, 3, 4])
    const plainly = Buffer.concat([0, 1, 2, 3, 4].map((at) => batchOf(records, 'none', at)))
    expect(read(plainly).count).toBe(5)
  })

  it('takes what stays just within the limit', () => {
    for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
      const records = [record('k', 'x'.repeat((1 << 20) - 200))]
      expect(plain(read(batchOf(records, codec)))).toEqual(records)
    }
  })

  it('compressed data that would make its decoder loop or allocate', () => {
    const backwards = Buffer.from(`0afcf0ffffff${'00'.repeat(20)}`, 'hex')
    expect(refusal(rawBatch(2, 1, backwards)).code).toBe('CORRUPT')
    const hugeSnappy = Buffer.from('ffffffff0f00', 'hex')
    expect(refusal(rawBatch(2, 1, hugeSnappy)).code).toBe('CORRUPT')
    const hugeLz4 = Buffer.concat([Buffer.from('04224d186840ffffffffffffff7f00', 'hex'), Buffer.alloc(8)])
    expect(['CORRUPT', 'TOO_LARGE']).toContain(refusal(rawBatch(3, 1, hugeLz4)).code)
    const hugeZstd = Buffer.from('28b52ffdc0f8ffffffffffff7f0100000000', 'hex')
    expect(refusal(rawBatch(4, 1, hugeZstd)).code).toBe('CORRUPT')
    // 310 bytes by its header, made by 32,000 copies of up to 128 KiB.
    const busyZstd = Buffer.from('28b52ffd643600b5000078e8040000000224d804b765fb6e2000fd0024508b1278933248', 'hex')
    expect(refusal(rawBatch(4, 1, busyZstd)).code).toBe('CORRUPT')
  })

  it('counts that the bytes cannot hold, and negative ones', () => {
    for (const count of [1_000_000_000, 3, -1]) {
      expect(refusal(rawBatch(0, count, sectionOf(two))).code).toBe('CORRUPT')
    }
  })

  it('records that lie about their lengths', () => {
    const good = sectionOf([record('key', 'value')])
    const broken = [
      Buffer.from('ffffffffffffffffffff01', 'hex'), // a length without end
      Buffer.from('01000000000000', 'hex'), // length -1
      Buffer.from([good[0] + 2, ...good.subarray(1)]), // longer than the section
      Buffer.from([good[0] - 2, ...good.subarray(1)]), // shorter than its fields
      Buffer.from([...good.subarray(0, 4), 0x05, ...good.subarray(5)]), // key of length -3
      Buffer.from([...good.subarray(0, good.length - 1), 0x7f]), // -64 headers
      Buffer.from([...good.subarray(0, good.length - 1), 0x7e]), // 63 headers that are not there
    ]
    for (const section of broken) {
      expect(refusal(rawBatch(0, 1, section)).code, section.toString('hex')).toBe('CORRUPT')
    }
  })

  it('offsets that run backwards, within a batch and between two', () => {
    const [first, second] = [sectionOf([two[0]]), sectionOf([two[1]])]
    expect(refusal(rawBatch(0, 2, Buffer.concat([first, second]))).code).toBe('CORRUPT')
    expect(refusal(Buffer.concat([batchOf(two, 'none', 5), batchOf(two, 'none', 6)])).code).toBe('CORRUPT')
  })

  it('any bytes that were changed under the checksum, or they read the same', () => {
    fc.assert(
      fc.property(anyRecords, fc.constantFrom(...readable), fc.nat(), fc.integer({ min: 1, max: 255 }), (records, codec, place, flip) => {
        const batch = batchOf(records, codec)
        batch[layout.MAGIC + (place % (batch.length - layout.MAGIC))] ^= flip
        expect(['CORRUPT', 'CODEC']).toContain(refusal(batch).code)
      }), // biome-ignore format: one property
      { numRuns: 150 },
    )
  })

  it('changed zstd frames end in records or a LogError, never in a hang', () => {
    const frames = fc.constantFrom(ZSTD_SIZED, ZSTD_STREAM)
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(frames, flips, (hex, changes) => {
        const frame = Buffer.from(hex, 'hex')
        for (const [place, byte] of changes) frame[place % frame.length] = byte
        try {
          expect(read(rawBatch(4, 1, frame)).count).toBe(1)
        } catch (error) {
          expect(error).toBeInstanceOf(LogError)
        }
      }),
      { numRuns: 1500 },
    )
  })

  it('hostile bytes with a right checksum end in records or a LogError, never in a hang', () => {
    const noise = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(anyRecords, fc.nat(4), noise, fc.nat(), fc.nat(300), (records, codec, bytes, place, count) => {
        const section = Buffer.from(
          batchOf(records, codec === 4 ? 'none' : layout.CODECS[codec]).subarray(layout.RECORDS),
        )
        section.set(bytes.subarray(0, section.length), place % Math.max(1, section.length - bytes.length))
        let chunk: ReturnType<typeof read> | undefined
        try {
          chunk = read(rawBatch(codec, count, section))
        } catch (error) {
          expect(error).toBeInstanceOf(LogError)
        }
        if (chunk !== undefined) expect(chunk.count).toBe(count)
      }),
      { numRuns: 1500 },
    )
  })
})
