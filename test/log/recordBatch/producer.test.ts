/** A batch that is stamped as part of a transaction: whole for readers, with its producer where Kafka looks for it. */
import { describe, expect, it } from 'vitest'
import * as layout from '../../../src/log/recordBatch/layout.ts'
import { nextSequence, stampProducer } from '../../../src/log/recordBatch/producer.ts'
import { readRecordBatches } from '../../../src/log/recordBatch/reader.ts'
import { unsealedBatch } from '../../support/kafkaTools.ts'

const OPTIONS = { topic: 'samples', partition: 0, fromOffset: 0, highWatermark: 10, maxInflatedBytes: 1 << 20 }
const STAMP = { producerId: 2n ** 40n + 7n, epoch: 3, sequence: 2 ** 31 - 2 }

describe('a stamped batch', () => {
  it.each(['none', 'lz4'] as const)('has its producer and a right checksum (%s)', (compression) => {
    const { bytes } = unsealedBatch(['a', 'b', 'c'], compression)
    expect(() => readRecordBatches(bytes, OPTIONS)).toThrow(/checksum/)
    stampProducer(bytes, STAMP)
    const chunk = readRecordBatches(bytes, OPTIONS)
    expect(chunk.count).toBe(3)
    expect(chunk.bytes.toString('latin1', chunk.valueAt[2], chunk.valueAt[2] + 1)).toBe('c')
    expect(bytes.readBigInt64BE(layout.PRODUCER_ID)).toBe(STAMP.producerId)
    expect(bytes.readInt16BE(layout.PRODUCER_EPOCH)).toBe(STAMP.epoch)
    expect(bytes.readInt32BE(layout.BASE_SEQUENCE)).toBe(STAMP.sequence)
    expect(bytes.readInt16BE(layout.ATTRIBUTES) & layout.TRANSACTIONAL).toBe(layout.TRANSACTIONAL)
  })

  it('is left out where its transaction was aborted', () => {
    const { bytes } = unsealedBatch(['a'])
    stampProducer(bytes, STAMP)
    const abortedTransactions = [{ producerId: STAMP.producerId, firstOffset: 0 }]
    expect(readRecordBatches(bytes, { ...OPTIONS, abortedTransactions })).toMatchObject({ count: 0, nextOffset: 1 })
  })
})

describe('sequence numbers', () => {
  it('count records, and go on at 0 after the last of 31 bits', () => {
    expect(nextSequence(0, 5)).toBe(5)
    expect(nextSequence(2 ** 31 - 2, 1)).toBe(2 ** 31 - 1)
    expect(nextSequence(2 ** 31 - 2, 2)).toBe(0)
    expect(nextSequence(2 ** 31 - 2, 5)).toBe(3)
  })
})
