/**
 * One partition of the embedded log: its segments, its appends one after the other, and what readers may see.
 *
 * Invariants:
 * 1. An append is answered, and its records are seen, only when they are durable: `high` is the durable end.
 * 2. Appends that wait together share one fsync. They wait at most `fsyncMs` for each other.
 * 3. A group of appends lies in one segment. One that fails is cut off again before the next is written.
 * 4. Retention deletes whole segments, oldest first, never the active one.
 *
 * Fails: an append rejects with LogError TOO_LARGE, CORRUPT, CLOSED or FAILED (what the system said); a read with
 * OUT_OF_RANGE and the missing range, or CORRUPT.
 */
import { type FileHandle, open, rm, utimes } from 'node:fs/promises'
import { LogError } from '../port.ts'
import type { EncodedBatch } from '../recordBatch/builder.ts'
import * as layout from '../recordBatch/layout.ts'
import { batchAt, checksumHolds } from './batches.ts'
import { syncFolder, writeAll } from './files.ts'
import { lastAtMost, Segment, segmentName } from './segment.ts'

export interface PartitionOptions {
  readonly topic: string
  readonly partition: number
  readonly folder: string
  readonly fsyncMs: number
  readonly segmentBytes: number
  readonly retentionMs: number
  readonly maxBatchBytes: number
  readonly nowMs: () => number
}

interface Waiting {
  readonly bytes: Buffer
  readonly resolve: (baseOffset: number) => void
  readonly reject: (error: Error) => void
}

/** Beyond this, waiting appends are written without waiting for more. */
const GROUP_BYTES = 4 * 1024 * 1024
const NOTHING = Buffer.alloc(0)

export class PartitionLog {
  readonly topic: string
  readonly partition: number
  /** The durable end: the offset that the next record gets. */
  high: number
  private readonly options: PartitionOptions
  private readonly segments: Segment[]
  private handle: FileHandle
  private waiting: Waiting[] = []
  private waitingBytes = 0
  private running: Promise<void> | null = null
  private hurry: (() => void) | null = null
  /** The file may hold more than the active segment's size: cut it before writing on. */
  private overhang = false
  /** The active segment's name is not durable yet. */
  private unnamed = false
  private expiring: Promise<void> | null = null
  private closed = false
  private readonly listeners = new Set<() => void>()

  /** `segments` ascend; `handle` is the last one's, open for writing. */
  constructor(options: PartitionOptions, segments: Segment[], handle: FileHandle, high: number) {
    this.topic = options.topic
    this.partition = options.partition
    this.options = options
    this.segments = segments
    this.handle = handle
    this.high = high
  }

  get low(): number {
    return this.segments[0].baseOffset
  }

  /** Calls back whenever `high` has moved; returns what ends that. */
  onAppended(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  async append(batch: EncodedBatch): Promise<number> {
    this.check(batch.bytes)
    return new Promise((resolve, reject) => {
      this.waiting.push({ bytes: batch.bytes, resolve, reject })
      this.waitingBytes += batch.bytes.length
      if (this.waitingBytes >= GROUP_BYTES) this.hurry?.()
      this.running ??= this.run()
    })
  }

  /**
   * Whole batches from the one on that holds `offset`, about `maxBytes` of them; empty at the end of the log.
   */
  async read(offset: number, maxBytes: number): Promise<Buffer> {
    if (offset < this.low) throw this.outOfRange(offset, this.low)
    if (offset > this.high) throw this.beyondEnd(offset)
    if (offset === this.high) return NOTHING
    const bases = this.segments.map((one) => one.baseOffset)
    const i = lastAtMost(bases, offset)
    try {
      const bytes = await this.segments[i].read(offset, maxBytes)
      if (bytes !== null) return bytes
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw this.located(error as Error)
    }
    // Retention took the segment meanwhile, or someone took a file.
    throw this.outOfRange(offset, Math.max(this.low, bases[i + 1] ?? this.high))
  }

  /** One at a time, so that the files left never have a hole. */
  deleteExpired(): Promise<void> {
    this.expiring ??= this.deleteOldest().finally(() => {
      this.expiring = null
    })
    return this.expiring
  }

  private async deleteOldest(): Promise<void> {
    const oldestMs = this.options.nowMs() - this.options.retentionMs
    while (this.segments.length > 1 && this.segments[0].newestMs < oldestMs) {
      const [expired] = this.segments.splice(0, 1)
      await rm(expired.path, { force: true })
    }
  }

  async close(): Promise<void> {
    this.closed = true
    this.hurry?.()
    await this.running
    await this.expiring?.catch(() => {})
    await this.handle.close()
  }

  private get active(): Segment {
    return this.segments[this.segments.length - 1]
  }

  private check(bytes: Buffer): void {
    if (this.closed) throw new LogError('CLOSED', 'the log is closed')
    if (bytes.length > this.options.maxBatchBytes) {
      const limit = `the ${this.options.maxBatchBytes} bytes that the topic takes (max.message.bytes)`
      throw new LogError('TOO_LARGE', `${this.where()}: a batch of ${bytes.length} bytes is more than ${limit}`)
    }
    const batch = bytes.length < layout.RECORDS ? null : batchAt(bytes, 0, 0)
    if (batch === null || batch.length !== bytes.length || !checksumHolds(bytes)) {
      throw new LogError('CORRUPT', `${this.where()}: what is to be appended is not one record batch at base offset 0`)
    }
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      await this.gather()
      const group: Waiting[] = []
      try {
        await this.prepare()
        this.takeInto(group)
        await this.store(group)
      } catch (error) {
        await this.cutOverhang()
        if (group.length === 0) this.takeInto(group)
        const failed = new LogError('FAILED', `${this.where()}: append: ${(error as Error).message}`, { cause: error })
        for (const one of group) one.reject(failed)
      }
    }
    this.running = null
  }

  /** Gives up what was written of a failed append; where even that fails, the next append tries it first. */
  private async cutOverhang(): Promise<void> {
    this.overhang = true
    await this.handle.truncate(this.active.sizeBytes).then(
      () => {
        this.overhang = false
      },
      () => {},
    )
  }

  /** Lets appends come together before they are written. */
  private async gather(): Promise<void> {
    const { fsyncMs } = this.options
    if (fsyncMs <= 0 || this.closed || this.waitingBytes >= GROUP_BYTES) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, fsyncMs)
      this.hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.hurry = null
  }

  /** Cuts off what a failed append has left, and rolls where the next batch would make the segment too large. */
  private async prepare(): Promise<void> {
    if (this.overhang) await this.handle.truncate(this.active.sizeBytes)
    this.overhang = false
    const nextBytes = this.waiting[0].bytes.length
    if (this.active.sizeBytes > 0 && this.active.sizeBytes + nextBytes > this.options.segmentBytes) await this.roll()
    if (this.unnamed) await syncFolder(this.options.folder)
    this.unnamed = false
  }

  private takeInto(group: Waiting[]): void {
    let room = Math.min(GROUP_BYTES, this.options.segmentBytes - this.active.sizeBytes)
    let taken = 0
    do {
      room -= this.waiting[taken].bytes.length
      taken++
    } while (taken < this.waiting.length && this.waiting[taken].bytes.length <= room)
    group.push(...this.waiting.splice(0, taken))
    for (const one of group) this.waitingBytes -= one.bytes.length
  }

  private async store(group: readonly Waiting[]): Promise<void> {
    const { active } = this
    const buffers: Buffer[] = []
    const places: ReturnType<typeof batchAt>[] = []
    let at = active.sizeBytes
    let next = this.high
    for (const { bytes } of group) {
      // The caller's batch stays as it is: its first eight bytes are replaced on the way.
      const header = Buffer.from(bytes.subarray(0, layout.RECORDS))
      layout.writeInt64(header, layout.BASE_OFFSET, next)
      const place = batchAt(header, 0, next)!
      places.push({ ...place, at })
      buffers.push(header, bytes.subarray(layout.RECORDS))
      at += bytes.length
      next = place.nextOffset
    }
    await writeAll(this.handle, buffers, active.sizeBytes)
    await this.handle.datasync()
    for (const place of places) active.note(place!)
    this.high = next
    for (const [i, one] of group.entries()) one.resolve(places[i]!.baseOffset)
    for (const listener of [...this.listeners]) listener()
  }

  private async roll(): Promise<void> {
    const { folder } = this.options
    const sealed = this.active
    const { handle } = this
    this.handle = await open(`${folder}/${segmentName(this.high)}`, 'w+')
    // From here on the file exists and must be the active one: what went into the older would lie behind its end.
    this.segments.push(new Segment(folder, this.high, 0, Number.NEGATIVE_INFINITY, true))
    this.unnamed = true
    // A sealed file's own time says how old its newest record is, so that it need not be read for it. Neither this
    // nor the tidying up may fail an append.
    const newestSeconds = Math.max(0, sealed.newestMs) / 1000
    await utimes(sealed.path, newestSeconds, newestSeconds).catch(() => {})
    await handle.close().catch(() => {})
    await this.deleteExpired().catch(() => {})
  }

  private outOfRange(from: number, to: number): LogError {
    const missing = `offsets ${from} to ${to - 1} are missing, it goes on at ${to}`
    return new LogError('OUT_OF_RANGE', `${this.where()}: position ${from} is no longer in the log: ${missing}`)
  }

  private beyondEnd(position: number): LogError {
    const missing = `it ends at ${this.high}, offsets ${this.high} to ${position - 1} are missing`
    return new LogError('OUT_OF_RANGE', `${this.where()}: position ${position} is not in the log: ${missing}`)
  }

  private located(error: Error): Error {
    if (error instanceof LogError)
      return new LogError(error.code, `${this.where()}: ${error.message}`, { cause: error })
    return new LogError('FAILED', `${this.where()}: read: ${error.message}`, { cause: error })
  }

  private where(): string {
    return `topic ${this.topic}, partition ${this.partition}`
  }
}
