/** A chunk that holds minutes is joined in steps: no source goes further ahead of the others than it may. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cutsOf, splitChunk } from '../../src/actors/align.ts'
import { Inbox, type SourceProgress } from '../../src/actors/inbox.ts'
import { EventBatch, REFUSED } from '../../src/join/event.ts'
import type { RawChunk } from '../../src/log/chunk.ts'

interface Row {
  readonly key: string
  readonly value: string | null
}

/** Records one after the other, as they lie in a batch: key, value, headers, some bytes between. */
function chunkOf(rows: readonly Row[], release?: () => void): RawChunk {
  const ints = (): Int32Array => new Int32Array(rows.length)
  const places = { keyAt: ints(), keyLength: ints(), valueAt: ints(), valueLength: ints() }
  let text = ''
  rows.forEach(({ key, value }, i) => {
    text += '#'
    places.keyAt[i] = text.length
    places.keyLength[i] = key.length
    text += key
    places.valueAt[i] = text.length
    places.valueLength[i] = value === null ? -1 : value.length
    text += value ?? ''
  })
  return {
    ...{ topic: 'views', partition: 0, highWatermark: 100, count: rows.length, bytes: Buffer.from(text, 'latin1') },
    offset: Float64Array.from(rows, (_, i) => 10 + i * 2),
    stampMs: Float64Array.from(rows, (_, i) => i),
    ...{ ...places, headersAt: ints(), headersLength: ints(), nextOffset: 10 + rows.length * 2, release },
  }
}

function rowsOf(chunk: RawChunk): Row[] {
  const text = (at: number, length: number) => chunk.bytes.toString('latin1', at, at + length)
  return Array.from({ length: chunk.count }, (_, i) => ({
    key: text(chunk.keyAt[i], chunk.keyLength[i]),
    value: chunk.valueLength[i] < 0 ? null : text(chunk.valueAt[i], chunk.valueLength[i]),
  }))
}

function batchOf(timesMs: readonly number[], refused: readonly number[] = []): EventBatch {
  const batch = new EventBatch()
  batch.reset(timesMs.length, Buffer.alloc(0))
  timesMs.forEach((timeMs, i) => {
    batch.kind[i] = refused.includes(i) ? REFUSED : 0
    batch.timeMs[i] = timeMs
    batch.stampMs[i] = timeMs + 1_000
  })
  return batch
}

const text = fc.string({ unit: 'grapheme-ascii', maxLength: 5 })
const rows = fc.array(fc.record({ key: text, value: fc.option(text) }), { minLength: 2, maxLength: 12 })

test('a chunk in pieces is the same records, in no more bytes, which the last gives back', () => {
  fc.assert(
    fc.property(rows, fc.array(fc.nat()), (all, places) => {
      const cuts = [...new Set(places.map((at) => 1 + (at % (all.length - 1))))].sort((a, b) => a - b)
      let released = 0
      const chunk = chunkOf(all, () => released++)
      const pieces = splitChunk(chunk, cuts)
      expect(pieces.map(rowsOf)).toEqual([0, ...cuts].map((from, k) => all.slice(from, cuts[k])))
      expect(pieces.map(({ nextOffset }) => nextOffset)).toEqual([
        ...cuts.map((to) => chunk.offset[to]),
        chunk.nextOffset,
      ])
      expect(pieces.flatMap(({ offset }) => [...offset])).toEqual([...chunk.offset])
      expect(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(chunk.bytes.length)
      for (const { release } of pieces) release?.()
      expect(released).toBe(1)
      expect(pieces.at(-1)!.release).toBeDefined()
    }),
  )
})

describe('a chunk is cut', () => {
  test('before the first record that is too far ahead', () => {
    expect(cutsOf(batchOf([5, 9, 7, 11, 8]), 10, 10, 'event')).toEqual([3])
    expect(cutsOf(batchOf([5, 9, 7]), 10, 10, 'event')).toEqual([])
    expect(cutsOf(batchOf([5, 9, 7]), 1_006, 10, 'arrival')).toEqual([1])
    expect(cutsOf(batchOf([5, 9, 7]), Number.POSITIVE_INFINITY, 10, 'event')).toEqual([])
  })

  test('behind one that counts, however far ahead it is', () => {
    expect(cutsOf(batchOf([50, 51]), 10, 10, 'event')).toEqual([1])
    expect(cutsOf(batchOf([90, 50, 51], [0]), 10, 10, 'event')).toEqual([2])
    expect(cutsOf(batchOf([90, 90], [0, 1]), 10, 10, 'event')).toEqual([])
  })

  test('at once into all its pieces, and into so many at most', () => {
    expect(cutsOf(batchOf([5, 15, 20, 25, 26, 40]), 10, 10, 'event')).toEqual([1, 4, 5])
    const sparse = Array.from({ length: 5_000 }, (_, i) => i * 100)
    expect(cutsOf(batchOf(sparse), 10, 10, 'event')).toHaveLength(1_000)
  })
})

describe('an inbox', () => {
  const inbox = (): Inbox =>
    new Inbox({ sources: 2, limitBytes: 1e6, alignWithinMs: 10, pause: () => {}, resume: () => {} })
  const progress = (otherMs: number, hasMore: boolean): SourceProgress => ({
    highestMs: (source) => (source === 0 ? 0 : otherMs),
    hasMore: () => hasMore,
  })
  const all = [
    { key: 'a', value: 'x' },
    { key: 'b', value: 'y' },
    { key: 'c', value: 'z' },
  ]

  test('gives what goes no further ahead, and the rest piece by piece', () => {
    const box = inbox()
    box.put(0, chunkOf(all))
    box.put(1, chunkOf(all))
    const { source, chunk } = box.take(progress(5, true))!
    const batch = batchOf([15, 16, 30])
    const head = box.inStep(source, chunk, batch, 'event', progress(5, true))
    expect([rowsOf(head), batch.count]).toEqual([all.slice(0, 1), 1])
    expect(rowsOf(box.takeFrom(0)!)).toEqual(all.slice(1, 2))
    expect(rowsOf(box.takeFrom(0)!)).toEqual(all.slice(2))
    box.takeFrom(1)
    expect(box.bytes).toBe(0)
  })

  test('gives all where nobody else has anything to read', () => {
    const box = inbox()
    const chunk = chunkOf(all)
    expect(box.inStep(0, chunk, batchOf([14, 15, 16]), 'event', progress(5, false))).toBe(chunk)
    expect(box.bytes).toBe(0)
  })
})
