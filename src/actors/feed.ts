/**
 * A partition's chunks on their way to the join: kept in the inbox, taken one at a time, read once their reader knows
 * what they were written by.
 *
 * Owns: the inbox, the batch that is read into, and the reasons to take nothing for now (gate.ts). Invariants:
 * 1. A chunk in hand is joined in its turn (`turnstile`) or put back; what a stopped partition has in hand is dropped.
 * 2. What others must give first (preparing.ts) is waited for beside all else: commits, ticks and rebalances go on.
 *
 * How it fails: with what reading or `join` throws, told by the turnstile; nothing is taken after it.
 */
import type { SourceReader } from '../codec/port.ts'
import { EventBatch } from '../join/event.ts'
import type { JoinState } from '../join/state.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Patience } from '../log/patience.ts'
import { skipBelow } from './arrival.ts'
import { Gate } from './gate.ts'
import { Inbox, type SourceProgress } from './inbox.ts'
import { isPrepared, prepared } from './preparing.ts'
import { Pump } from './pump.ts'
import type { Turnstile } from './turnstile.ts'

export interface FeedOptions {
  readonly readers: readonly SourceReader[]
  readonly inboxBytes: number
  readonly alignWithinMs: number
  readonly pause: (source: number) => void
  readonly resume: (source: number) => void
}

export interface FeedParts {
  readonly state: JoinState
  readonly turnstile: Turnstile
  /** Whether the partition was stopped. */
  readonly waiting: Patience
  /** Per source: the next offset to take, and the log's end when last heard of. */
  readonly position: Float64Array
  readonly endOffset: Float64Array
  readonly isReplaying: () => boolean
  /** Joins what was read of the chunk. */
  readonly join: (source: number, chunk: RawChunk) => Promise<void>
}

export class Feed {
  readonly gate = new Gate()
  /** Of the chunk in hand. */
  readonly batch = new EventBatch()
  private readonly options: FeedOptions
  private readonly parts: FeedParts
  private readonly inbox: Inbox
  private readonly progress: SourceProgress
  private readonly pump = new Pump(
    () => this.next(),
    ({ source, chunk }) => this.take(source, chunk),
  )

  constructor(options: FeedOptions, parts: FeedParts) {
    const { state, position, endOffset } = parts
    this.options = options
    this.parts = parts
    this.inbox = new Inbox({ ...options, sources: position.length, limitBytes: options.inboxBytes })
    this.progress = {
      highestMs: (source) => state.clocks.highestMs[source],
      hasMore: (source) => position[source] < endOffset[source],
    }
  }

  get bytes(): number {
    return this.inbox.bytes
  }

  isPaused(source: number): boolean {
    return this.inbox.isPaused(source)
  }

  isEmpty(source: number): boolean {
    return this.inbox.waiting(source) === 0
  }

  /** The position behind the last chunk that waits; undefined where none does. */
  endOf(source: number): number | undefined {
    return this.inbox.endOf(source)
  }

  /** Keeps a chunk until its turn comes. */
  put(source: number, chunk: RawChunk): void {
    this.inbox.put(source, chunk)
    void this.run()
  }

  /** Takes what may be taken; resolves when there is nothing. */
  run(): Promise<void> {
    return this.pump.run()
  }

  /** Goes on after a rebalance, which may have forgotten what is paused. */
  release(): void {
    this.gate.isHeld = false
    if (!this.parts.waiting.isStopped()) this.inbox.pauseAgain()
    else this.pauseAll()
    void this.run()
  }

  /** Forgets what waits, and takes nothing more. */
  quiesce(): void {
    this.gate.isQuiet = true
    this.inbox.clear()
  }

  clear(): void {
    this.inbox.clear()
  }

  /** What comes is of no use any more. */
  pauseAll(): void {
    for (const source of this.parts.position.keys()) this.options.pause(source)
  }

  private next(): { source: number; chunk: RawChunk } | undefined {
    const { waiting, isReplaying } = this.parts
    if (waiting.isStopped() || this.gate.isShut || isReplaying()) return undefined
    return this.inbox.take(this.progress)
  }

  private async take(source: number, chunk: RawChunk): Promise<void> {
    const { turnstile, waiting } = this.parts
    while (!(await turnstile.run(() => this.tryRead(source, chunk))))
      await prepared(this.options.readers[source], chunk, waiting)
  }

  private async tryRead(source: number, chunk: RawChunk): Promise<boolean> {
    const { waiting, position, state } = this.parts
    if (waiting.isStopped() || chunk.nextOffset <= position[source]) return true
    const reader = this.options.readers[source]
    if (this.gate.isShut) this.inbox.putBack(source, chunk)
    else if (!isPrepared(reader, chunk)) return false
    else {
      reader.read(chunk, this.batch)
      skipBelow(this.batch, position[source])
      await this.parts.join(source, this.inbox.inStep(source, chunk, this.batch, state.rules.basis, this.progress))
    }
    return true
  }
}
