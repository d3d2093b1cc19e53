/**
 * Cuts a chunk where its source would go further ahead of the others than it may: what waits in one fetch after an outage
 * can be minutes of event time, and joined in one go it would let events come in time that all sources together find late.
 */
import type { EventBatch } from '../join/event.ts'
import { REFUSED } from '../join/event.ts'
import type { Rules } from '../join/rules.ts'
import type { RawChunk } from '../log/chunk.ts'

/** How many of the batch's records may be joined now, if the source may go to `limitMs`: at least one that counts. */
export function countWithin(batch: EventBatch, limitMs: number, basis: Rules['basis']): number {
  const { count, kind } = batch
  const timeMs = basis === 'arrival' ? batch.stampMs : batch.timeMs
  if (limitMs === Number.POSITIVE_INFINITY) return count
  let taken = 0
  for (let i = 0; i < count; i++) {
    if (kind[i] >= REFUSED) continue
    if (taken > 0 && timeMs[i] > limitMs) return i
    taken++
  }
  return count
}

/** The chunk's first `count` records, and the rest, which gives the bytes of both back. */
export function splitChunk(chunk: RawChunk, count: number): readonly [RawChunk, RawChunk] {
  const head = { ...part(chunk, 0, count), nextOffset: chunk.offset[count], release: undefined }
  return [head, part(chunk, count, chunk.count)]
}

/** Records from..to, with no more of the bytes than they lie in. */
function part(chunk: RawChunk, from: number, to: number): RawChunk {
  const [start, end] = span(chunk, from, to)
  const column = (places: Int32Array): Int32Array => places.slice(from, to).map((at) => at - start)
  return {
    ...chunk,
    count: to - from,
    bytes: chunk.bytes.subarray(start, end),
    offset: chunk.offset.subarray(from, to),
    stampMs: chunk.stampMs.subarray(from, to),
    keyAt: column(chunk.keyAt),
    keyLength: chunk.keyLength.subarray(from, to),
    valueAt: column(chunk.valueAt),
    valueLength: chunk.valueLength.subarray(from, to),
    headersAt: column(chunk.headersAt),
    headersLength: chunk.headersLength.subarray(from, to),
  }
}

/** Of the bytes that the records' keys, values and headers lie in. */
function span(chunk: RawChunk, from: number, to: number): readonly [number, number] {
  let start = chunk.bytes.length
  let end = 0
  for (const [at, length] of [
    [chunk.keyAt, chunk.keyLength],
    [chunk.valueAt, chunk.valueLength],
    [chunk.headersAt, chunk.headersLength],
  ]) {
    for (let i = from; i < to; i++) {
      if (length[i] <= 0) continue
      start = Math.min(start, at[i])
      end = Math.max(end, at[i] + length[i])
    }
  }
  return [Math.min(start, end), end]
}
