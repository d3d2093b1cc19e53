/**
 * How large the segments are that a partition's journal keeps: by their numbers, as they are written, or read at a start.
 *
 * Invariant: `counts.bytesKept` is the sum of those that are known; each counts once.
 */
import type { JournalCounts } from './port.ts'

export class SegmentSizes {
  private readonly counts: JournalCounts
  /** In the order of their numbers. */
  private readonly sizes = new Map<number, number>()

  constructor(counts: JournalCounts) {
    this.counts = counts
  }

  put(sequence: number, bytes: number): void {
    this.counts.bytesKept += bytes - (this.sizes.get(sequence) ?? 0)
    this.sizes.set(sequence, bytes)
  }

  /** Those below it are deleted. */
  trim(before: number): void {
    for (const sequence of this.sizes.keys()) {
      if (sequence >= before) return
      this.drop(sequence)
    }
  }

  /** Those from it on are deleted. */
  cut(from: number): void {
    for (const sequence of [...this.sizes.keys()]) if (sequence >= from) this.drop(sequence)
  }

  private drop(sequence: number): void {
    this.counts.bytesKept -= this.sizes.get(sequence)!
    this.sizes.delete(sequence)
  }
}
