/**
 * Builds chunks (src/log/chunk.ts) from the records of a file, as if they had been fetched from a partition: the
 * offset is the record's number, there are no keys and no timestamps (0).
 *
 * A chunk's buffer is handed over with it, never used again.
 */
import type { RawChunk } from '../log/chunk.ts'

/** The last record of a chunk goes over its end; most are small. */
const GROWTH = 1.25

export class ChunkBuilder {
  private readonly topic: string
  private readonly chunkBytes: number
  private bytes: Buffer
  private end = 0
  private valueAt: number[] = []
  private nextOffset = 0

  constructor(topic: string, chunkBytes: number) {
    this.topic = topic
    this.chunkBytes = chunkBytes
    this.bytes = Buffer.allocUnsafeSlow(chunkBytes)
  }

  /** The number that the next record will get. */
  get offset(): number {
    return this.nextOffset + this.valueAt.length
  }

  get isFull(): boolean {
    return this.end >= this.chunkBytes
  }

  get isEmpty(): boolean {
    return this.valueAt.length === 0
  }

  add(value: Uint8Array): void {
    this.reserve(value.length)
    this.valueAt.push(this.end)
    this.bytes.set(value, this.end)
    this.end += value.length
  }

  addText(text: string): void {
    this.reserve(Buffer.byteLength(text))
    this.valueAt.push(this.end)
    this.end += this.bytes.write(text, this.end)
  }

  take(): RawChunk {
    const count = this.valueAt.length
    const nothing = new Int32Array(count)
    const offset = new Float64Array(count)
    const valueLength = new Int32Array(count)
    for (let i = 0; i < count; i++) {
      offset[i] = this.nextOffset + i
      valueLength[i] = (i + 1 < count ? this.valueAt[i + 1] : this.end) - this.valueAt[i]
    }
    this.nextOffset += count
    const chunk: RawChunk = {
      topic: this.topic,
      partition: 0,
      highWatermark: -1,
      nextOffset: this.nextOffset,
      count,
      bytes: this.bytes.subarray(0, this.end),
      offset,
      stampMs: new Float64Array(count),
      keyAt: nothing,
      keyLength: new Int32Array(count).fill(-1),
      valueAt: Int32Array.from(this.valueAt),
      valueLength,
      headersAt: nothing,
      headersLength: nothing,
    }
    this.bytes = Buffer.allocUnsafeSlow(this.chunkBytes)
    this.valueAt = []
    this.end = 0
    return chunk
  }

  private reserve(bytes: number): void {
    const need = this.end + bytes
    if (need <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(need, Math.ceil(this.bytes.length * GROWTH)))
    this.bytes.copy(grown, 0, 0, this.end)
    this.bytes = grown
  }
}
