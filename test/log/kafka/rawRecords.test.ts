import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lastOffsetOf } from '../../../src/log/kafka/rawRecords.ts'
import { RecordBatchBuilder } from '../../../src/log/recordBatch/builder.ts'
import * as layout from '../../../src/log/recordBatch/layout.ts'

function batchAt(baseOffset: number, count: number): Buffer {
  const builder = new RecordBatchBuilder({ compression: 'none' })
  for (let i = 0; i < count; i++) builder.add(1000 + i, null, 0, -1, Buffer.from('value'), 0, 5)
  const { bytes } = builder.finish()
  layout.writeInt64(bytes, layout.BASE_OFFSET, baseOffset)
  return bytes
}

describe('the last offset of a fetched record set', () => {
  it('is that of the last whole batch, wherever the bytes are cut off', () => {
    const [first, second] = [batchAt(2 ** 33 + 5, 3), batchAt(2 ** 33 + 8, 4)]
    const both = Buffer.concat([first, second])
    fc.assert(
      fc.property(fc.integer({ min: 0, max: both.length }), (length) => {
        const expected = length === both.length ? 2 ** 33 + 11 : length >= first.length ? 2 ** 33 + 7 : -1
        expect(lastOffsetOf(both.subarray(0, length))).toBe(expected)
      }),
    )
  })

  it('counts what compaction took out at the end of a batch', () => {
    const bytes = batchAt(100, 1)
    bytes.writeInt32BE(9, layout.LAST_OFFSET_DELTA)
    expect(lastOffsetOf(bytes)).toBe(109)
  })

  it('hands damaged lengths on to the reader that judges them, and ends on any bytes', () => {
    const bytes = batchAt(7, 1)
    bytes.writeInt32BE(-1, layout.BATCH_LENGTH)
    expect(lastOffsetOf(bytes)).toBe(7)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => void lastOffsetOf(Buffer.from(noise))))
  })
})
