/**
 * One file of a partition: record batches from `baseOffset` on, and a sparse index of where they lie.
 *
 * Invariants:
 * 1. The first `sizeBytes` are durable and never change; what lies beyond is being written or was given up.
 * 2. The index is a cache: a sealed segment builds it when it is first read.
 *
 * Fails: LogError CORRUPT where the file is not what was written.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { LogError } from '../port.ts'
import * as layout from '../recordBatch/layout.ts'
import { type BatchPlace, batchAt, walkFile } from './batches.ts'
import { readAt } from './files.ts'

const INDEX_EVERY_BYTES = 16 * 1024

export function segmentName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.log`
}

export class Segment {
  readonly baseOffset: number
  readonly path: string
  sizeBytes: number
  /** The newest timestamp in it, which retention goes by. */
  newestMs: number
  private offsets: number[] = []
  private places: number[] = []
  private indexed: boolean

  /** `indexed`: the caller notes every batch, from the first on. */
  constructor(folder: string, baseOffset: number, sizeBytes: number, newestMs: number, indexed: boolean) {
    this.baseOffset = baseOffset
    this.path = `${folder}/${segmentName(baseOffset)}`
    this.sizeBytes = sizeBytes
    this.newestMs = newestMs
    this.indexed = indexed
  }

  /** Takes note of a batch that is durable now. */
  note(batch: BatchPlace): void {
    this.sizeBytes = batch.at + batch.length
    if (batch.newestMs > this.newestMs) this.newestMs = batch.newestMs
    this.index(batch)
  }

  /**
   * Whole batches, the first of which holds `offset`: about `maxBytes`, or one batch if it alone is more. Null where
   * the segment ends before that offset.
   */
  async read(offset: number, maxBytes: number): Promise<Buffer | null> {
    const handle = await open(this.path, 'r')
    try {
      if (!this.indexed) await this.buildIndex(handle)
      const first = await this.find(handle, offset)
      if (first === null) return null
      const length = Math.min(this.sizeBytes - first.at, Math.max(maxBytes, first.length))
      const bytes = await readAt(handle, first.at, length)
      const end = this.wholeBatches(bytes, first)
      // The file has become shorter than it was.
      if (end === 0) throw this.corrupt(first.baseOffset)
      return bytes.subarray(0, end)
    } finally {
      await handle.close()
    }
  }

  private async find(handle: FileHandle, offset: number): Promise<BatchPlace | null> {
    const entry = lastAtMost(this.offsets, offset)
    if (entry < 0) return null
    let expected = this.offsets[entry]
    for (let at = this.places[entry]; at < this.sizeBytes; ) {
      const block = await readAt(handle, at, Math.min(INDEX_EVERY_BYTES, this.sizeBytes - at))
      let skipped = 0
      for (; skipped < block.length; ) {
        const batch = batchAt(block, skipped, expected)
        // A header that is cut off by the block's end, and not by the segment's, comes with the next block.
        if (batch === null && skipped > 0 && at + block.length < this.sizeBytes) break
        if (batch === null || at + skipped + batch.length > this.sizeBytes) throw this.corrupt(expected)
        if (offset < batch.nextOffset) return { ...batch, at: at + skipped }
        expected = batch.nextOffset
        skipped += batch.length
      }
      at += skipped
    }
    return null
  }

  /** Where the last whole batch of the bytes ends, each having been checked to follow the one before. */
  private wholeBatches(bytes: Buffer, first: BatchPlace): number {
    let end = 0
    let expected = first.baseOffset
    while (end + layout.RECORDS <= bytes.length) {
      const batch = batchAt(bytes, end, expected)
      if (batch === null) throw this.corrupt(expected)
      if (end + batch.length > bytes.length) break
      expected = batch.nextOffset
      end += batch.length
    }
    return end
  }

  private async buildIndex(handle: FileHandle): Promise<void> {
    const fresh = new Segment('', this.baseOffset, 0, 0, true)
    let next = this.baseOffset
    const end = await walkFile(handle, this.baseOffset, this.sizeBytes, false, (batch) => {
      fresh.index(batch)
      next = batch.nextOffset
    })
    if (end < this.sizeBytes) throw this.corrupt(next)
    this.offsets = fresh.offsets
    this.places = fresh.places
    this.indexed = true
  }

  private index(batch: BatchPlace): void {
    const last = this.places.length - 1
    if (last >= 0 && batch.at - this.places[last] < INDEX_EVERY_BYTES) return
    this.offsets.push(batch.baseOffset)
    this.places.push(batch.at)
  }

  private corrupt(offset: number): LogError {
    return new LogError('CORRUPT', `${this.path}: offset ${offset} should begin a record batch, and does not`)
  }
}

/** The last index whose value is at most `limit`, in ascending values; -1 if there is none. */
export function lastAtMost(values: readonly number[], limit: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle] <= limit) low = middle + 1
    else high = middle
  }
  return low - 1
}
