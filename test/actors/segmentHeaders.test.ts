/** A segment keeps what a chunk's records are read by: headers where there are some, and no room for them elsewhere. */
import { expect, test } from 'vitest'
import { decodeSegment, encodeSegment, segmentBytes } from '../../src/actors/segment.ts'
import { RecordBatchBuilder, type RecordHeader } from '../../src/log/recordBatch/builder.ts'
import { headersOf } from '../../src/log/recordBatch/headers.ts'
import { readRecordBatches } from '../../src/log/recordBatch/reader.ts'

function chunkOf(headers: readonly (readonly RecordHeader[])[]) {
  const builder = new RecordBatchBuilder({ compression: 'none' })
  for (const own of headers) builder.add(7, null, 0, -1, Buffer.from('value'), 0, 5, own)
  const options = { topic: 'all', partition: 3, fromOffset: 0, highWatermark: 9, maxInflatedBytes: 1 << 20 }
  return readRecordBatches(builder.finish().bytes, options)
}

test('headers come back record by record, and cost nothing where there are none', () => {
  const some = chunkOf([[], [['origin', Buffer.from('views 1 2 avro')]], []])
  const none = chunkOf([[], [], []])
  const flags = new Uint8Array([1, 3, 0])
  for (const chunk of [some, none]) {
    const bytes = encodeSegment(0, 0, chunk, flags)
    expect(bytes.length).toBe(segmentBytes(chunk))
    const read = decodeSegment(bytes, () => 'all', 3)!
    expect([...read.flags]).toEqual([1, 3, 0])
    for (let i = 0; i < chunk.count; i++) expect(headersOf(read.chunk, i)).toEqual(headersOf(chunk, i))
  }
  expect(segmentBytes(some) - some.bytes.length).toBe(segmentBytes(none) - none.bytes.length + 3 * 8)
})
