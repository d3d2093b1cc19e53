/**
 * Cuts a chunk where its source would go further ahead of the others than it may: what waits in one fetch after an outage
 * can be minutes of event time, and joined in one go it would let events come in time that all sources together find late.
 */
import type { EventBatch } from '../join/event.ts'
import { REFUSED } from '../join/event.ts'
import type { Rules } from '../join/rules.ts'
import type { RawChunk } from '../log/chunk.ts'

/** Of one chunk: what is left behind the last of them is cut again when its turn comes. */
const MOST_CUTS = 1_000

/**
 * Where a chunk is to be cut, by the batch that was read of it: before the first record beyond `limitMs`, and from there on
 * wherever a piece would hold more than `spanMs`, so that a chunk of sparse records is not read anew for each of them. A
 * piece has at least one record that counts.
 */
export function cutsOf(batch: EventBatch, limitMs: number, spanMs: number, basis: Rules['basis']): number[] {
  const cuts: number[] = []
  if (limitMs === Number.POSITIVE_INFINITY) return cuts
  const { count, kind } = batch
  const timeMs = basis === 'arrival' ? batch.stampMs : batch.timeMs
  let untilMs = limitMs
  let isEmpty = true
  for (let i = 0; i < count && cuts.length < MOST_CUTS; i++) {
    if (kind[i] >= REFUSED) continue
    if (!isEmpty && timeMs[i] > untilMs) {
      cuts.push(i)
      untilMs = timeMs[i] + spanMs
    }
    isEmpty = false
  }
  return cuts
}

/** The chunk in pieces, cut before these records. The last one gives the bytes of all back. */
export function splitChunk(chunk: RawChunk, cuts: readonly number[]): readonly RawChunk[] {
  return [...cuts, chunk.count].map((to, k) => {
    const piece = part(chunk, cuts[k - 1] ?? 0, to)
    return to === chunk.count ? piece : { ...piece, nextOffset: chunk.offset[to], release: undefined }
  })
}

/** Records from..to, with no more of the bytes than they lie in. */
function part(chunk: RawChunk, from: number, to: number): RawChunk {
  const [start, end] = span(chunk, from, to)
  const column = (places: Int32Array): Int32Array => places.subarray(from, to).map((at) => at - start)
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
