/**
 * A shared snapshot on its way to its store: bytes as they are captured become frames, which are compressed and written
 * in the background, in their order.
 *
 * Invariant: what waits is bounded by `limitBytes`; beyond it the snapshot fails (a store that is too slow costs a
 * snapshot, never the join).
 */
import { discard } from '../log/recordBatch/discard.ts'
import { takeBuffer } from '../log/recordBatch/pool.ts'
import { dataFrame, type End, endFrame, FRAME_BYTES, type Header, headerFrame } from '../snapshots/format.ts'
import type { SnapshotSink } from '../snapshots/port.ts'

/** Frames being compressed or written at a time. */
const UNDER_WAY = 3

export class SnapshotFrames {
  /** Bytes captured and not yet written. */
  waitingBytes = 0
  bytesWritten = 0
  private readonly sink: SnapshotSink
  private readonly id: string
  private readonly limitBytes: number
  private number = 1
  private piece = takeBuffer(FRAME_BYTES)
  private end = 0
  private readonly queue: Promise<unknown>[] = []
  private written: Promise<void>
  private failure: Error | undefined

  constructor(sink: SnapshotSink, header: Omit<Header, 'version'>, limitBytes: number) {
    this.sink = sink
    this.id = header.id
    this.limitBytes = limitBytes
    this.written = this.sink.write(headerFrame(header))
    this.written.catch((error: Error) => this.fail(error))
  }

  /** Appends to the run of bytes of a kind. Throws once the snapshot has failed. */
  put(kind: number, bytes: Uint8Array): void {
    if (this.failure !== undefined) throw this.failure
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(bytes.length - at, FRAME_BYTES - this.end)
      this.piece.buffer.set(bytes.subarray(at, at + length), this.end)
      this.end += length
      at += length
      if (this.end === FRAME_BYTES) this.cut(kind)
    }
    if (this.waitingBytes > this.limitBytes) {
      throw new Error(`${this.waitingBytes} bytes wait for the store, beyond snapshots.memory`)
    }
  }

  /** Ends the frame in hand: the next bytes are of another kind. */
  cut(kind: number): void {
    if (this.end === 0) return
    const { piece, number } = this
    const length = this.end
    this.piece = takeBuffer(FRAME_BYTES)
    this.end = 0
    this.number++
    this.waitingBytes += length
    const bytes = piece.buffer.subarray(0, length)
    const compressed = this.turn().then(() => dataFrame(this.id, kind, number, bytes))
    void compressed.finally(piece.release).catch(() => {})
    const done = Promise.all([compressed, this.written]).then(async ([frame]) => {
      if (this.failure !== undefined) throw this.failure
      await this.sink.write(frame)
      this.bytesWritten += frame.length
      discard(frame)
      this.waitingBytes -= length
    })
    done.catch((error: Error) => this.fail(error))
    this.written = done
    this.queue.push(done)
    void done.finally(() => this.queue.splice(this.queue.indexOf(done), 1)).catch(() => {})
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    while (this.queue.length > UNDER_WAY) await Promise.race(this.queue)
  }

  /** All frames are in the store; gives the last one, which publishes them. */
  async last(counts: Omit<End, 'frames'>): Promise<Buffer> {
    await this.written
    if (this.failure !== undefined) throw this.failure
    return endFrame(this.id, this.number, { frames: this.number, ...counts })
  }

  /** Not all at once: compression takes other threads. */
  private async turn(): Promise<void> {
    const { queue } = this
    if (queue.length >= UNDER_WAY) await queue[queue.length - UNDER_WAY]
  }

  private fail(error: Error): void {
    this.failure ??= error
  }
}
