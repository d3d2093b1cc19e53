/**
 * A partition's inbox: chunks that were fetched and not yet joined, a queue a source.
 *
 * Owns: which source is taken next, and which are paused.
 * Invariants:
 * 1. What waits is bounded in bytes a source: beyond it the source is paused, and resumed at half of it.
 * 2. The source that is furthest behind in time goes first, and a source further ahead than `alignWithinMs` of one that
 *    still has records to read waits, so that a backlog is joined in step. It goes no further than that within a chunk
 *    either (align.ts).
 */
import type { EventBatch } from '../join/event.ts'
import type { Rules } from '../join/rules.ts'
import type { RawChunk } from '../log/chunk.ts'
import { cutsOf, splitChunk } from './align.ts'

export interface InboxOptions {
  readonly sources: number
  readonly limitBytes: number
  readonly alignWithinMs: number
  readonly pause: (source: number) => void
  readonly resume: (source: number) => void
}

type Basis = Rules['basis']

interface Lane {
  readonly chunks: RawChunk[]
  bytes: number
  paused: boolean
  isSetAside: boolean
}

export interface SourceProgress {
  /** The source's highest event time. */
  highestMs(source: number): number
  /** Whether the source has records that were not taken yet, as far as is known. */
  hasMore(source: number): boolean
}

export class Inbox {
  private readonly lanes: Lane[]
  private readonly options: InboxOptions

  constructor(options: InboxOptions) {
    this.options = options
    this.lanes = Array.from({ length: options.sources }, () => ({
      chunks: [],
      bytes: 0,
      paused: false,
      isSetAside: false,
    }))
  }

  put(source: number, chunk: RawChunk): void {
    const lane = this.lanes[source]
    lane.chunks.push(chunk)
    lane.bytes += chunk.bytes.length
    if (lane.paused || lane.bytes < this.options.limitBytes) return
    lane.paused = true
    this.options.pause(source)
  }

  /**
   * What of the chunk may be joined now, of which the batch was read: all, or as much as goes no further ahead than
   * `alignWithinMs`. The rest is put back, and the batch has no more of it. `basis`: what the clocks go by.
   */
  inStep(source: number, chunk: RawChunk, batch: EventBatch, basis: Basis, progress: SourceProgress): RawChunk {
    const cuts = cutsOf(batch, this.limitMs(source, progress), this.options.alignWithinMs, basis)
    if (cuts.length === 0) return chunk
    const [head, ...rest] = splitChunk(chunk, cuts)
    for (const part of rest.reverse()) this.putBack(source, part)
    batch.count = cuts[0]
    return head
  }

  waiting(source: number): number {
    return this.lanes[source].chunks.length
  }

  isPaused(source: number): boolean {
    return this.lanes[source].paused
  }

  /** The position behind the last chunk that waits; undefined where none does. */
  endOf(source: number): number | undefined {
    return this.lanes[source].chunks.at(-1)?.nextOffset
  }

  get bytes(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.bytes, 0)
  }

  /** The next chunk in the order of time, or undefined where none may be taken now. */
  take(progress: SourceProgress): { source: number; chunk: RawChunk } | undefined {
    const source = this.slowest(progress)
    if (source < 0 || this.isAhead(source, progress)) return undefined
    return { source, chunk: this.takeFrom(source)! }
  }

  /** The time up to which the source may go now, beyond its next record. */
  private limitMs(source: number, progress: SourceProgress): number {
    const { alignWithinMs } = this.options
    if (alignWithinMs === Number.POSITIVE_INFINITY) return alignWithinMs
    let limitMs = Number.POSITIVE_INFINITY
    for (let other = 0; other < this.lanes.length; other++) {
      if (other === source || !progress.hasMore(other)) continue
      limitMs = Math.min(limitMs, progress.highestMs(other) + alignWithinMs)
    }
    return limitMs
  }

  takeFrom(source: number): RawChunk | undefined {
    const lane = this.lanes[source]
    const chunk = lane.chunks.shift()
    if (chunk === undefined) return undefined
    lane.bytes -= chunk.bytes.length
    if (lane.paused && lane.bytes <= this.options.limitBytes / 2) {
      lane.paused = false
      this.options.resume(source)
    }
    return chunk
  }

  /** A chunk that was taken and not joined after all. */
  putBack(source: number, chunk: RawChunk): void {
    const lane = this.lanes[source]
    lane.chunks.unshift(chunk)
    lane.bytes += chunk.bytes.length
  }

  /** A chunk that was taken and cannot be read yet: none of its source is taken until it is `ready`; others go on, in step. */
  setAside(source: number, chunk: RawChunk): void {
    this.putBack(source, chunk)
    this.lanes[source].isSetAside = true
  }

  ready(source: number): void {
    this.lanes[source].isSetAside = false
  }

  /** Pauses again what was paused: a rebalance may have forgotten it. */
  pauseAgain(): void {
    this.lanes.forEach((lane, source) => {
      if (lane.paused) this.options.pause(source)
    })
  }

  /** Forgets what waits of one source. */
  forget(source: number): void {
    while (this.takeFrom(source) !== undefined);
    this.ready(source)
  }

  /** Forgets everything: the partition is given up. */
  clear(): void {
    for (const lane of this.lanes) {
      lane.chunks.length = 0
      lane.bytes = 0
      lane.paused = false
      lane.isSetAside = false
    }
  }

  private slowest(progress: SourceProgress): number {
    let slowest = -1
    for (let source = 0; source < this.lanes.length; source++) {
      if (!this.isTakeable(source)) continue
      if (slowest < 0 || progress.highestMs(source) < progress.highestMs(slowest)) slowest = source
    }
    return slowest
  }

  private isTakeable(source: number): boolean {
    const { chunks, isSetAside } = this.lanes[source]
    return chunks.length > 0 && !isSetAside
  }

  private isAhead(source: number, progress: SourceProgress): boolean {
    const limitMs = progress.highestMs(source) - this.options.alignWithinMs
    for (let other = 0; other < this.lanes.length; other++) {
      if (other === source || this.isTakeable(other)) continue
      if (progress.hasMore(other) && progress.highestMs(other) < limitMs) return true
    }
    return false
  }
}
