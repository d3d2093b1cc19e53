/**
 * Answers of a broker, each in one buffer of its size: four bytes of length, then as many. And the end of the large ones,
 * which are fetches: a frame's memory goes back once each partition's part of it has been decoded, where the collector
 * would let some 60 MB of them gather.
 *
 * Invariant: a large frame that was dropped as often as it was held is empty; nobody looks into a part that he has
 * dropped. One that is dropped less often is the collector's.
 */
import { discard } from '../recordBatch/discard.ts'

const LENGTH_BYTES = 4
/** Far above any answer: a fetch has a limit, or is one batch beyond it. "HTTP" as a length is more, and so is a TLS alert. */
export const MOST_FRAME_BYTES = 256 << 20
/** Smaller ones are not worth it. */
const LARGE_BYTES = 64 << 10

interface Frame {
  readonly bytes: Buffer
  holds: number
}

/** Large frames, by their memory. */
const large = new WeakMap<ArrayBufferLike, Frame>()

function largeFrame(sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes)
  large.set(bytes.buffer, { bytes, holds: 0 })
  return bytes
}

/** The part is still to be decoded. All parts of a frame are held before the first of them is dropped. */
export function holdFrame(part: Buffer): void {
  const frame = large.get(part.buffer)
  if (frame !== undefined) frame.holds++
}

/** Nobody looks into the part any more. */
export function dropFrame(part: Buffer): void {
  const frame = large.get(part.buffer)
  if (frame !== undefined && --frame.holds === 0) discard(frame.bytes)
}

/** Puts frames together out of what is read. */
export class Frames {
  private readonly length = Buffer.alloc(LENGTH_BYTES)
  private lengthFilled = 0
  private frame: Buffer | undefined
  private filled = 0

  /**
   * The frames that are whole with these bytes, their lengths in front. Copies what it needs: the bytes are the caller's
   * again. Throws where they cannot be a frame.
   */
  take(bytes: Buffer): Buffer[] {
    const whole: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      if (this.frame === undefined) at += this.takeLength(bytes, at)
      if (this.frame === undefined) continue
      const taken = bytes.copy(this.frame, this.filled, at)
      this.filled += taken
      at += taken
      if (this.filled < this.frame.length) continue
      whole.push(this.frame)
      this.frame = undefined
      this.lengthFilled = 0
    }
    return whole
  }

  private takeLength(bytes: Buffer, at: number): number {
    const taken = bytes.copy(this.length, this.lengthFilled, at)
    this.lengthFilled += taken
    if (this.lengthFilled < LENGTH_BYTES) return taken
    const bodyBytes = this.length.readInt32BE(0)
    if (bodyBytes < 0 || bodyBytes > MOST_FRAME_BYTES) throw new Error(`an answer of ${bodyBytes} bytes`)
    const sizeBytes = LENGTH_BYTES + bodyBytes
    this.frame = sizeBytes < LARGE_BYTES ? Buffer.allocUnsafe(sizeBytes) : largeFrame(sizeBytes)
    this.length.copy(this.frame)
    this.filled = LENGTH_BYTES
    return taken
  }
}
