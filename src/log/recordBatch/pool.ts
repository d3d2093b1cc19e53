/**
 * Buffers of chunks, used again and again: a fresh one for each would be a megabyte of garbage a fetch, which the
 * collector answers with full collections.
 *
 * Owns: the spare buffers, which are bounded. A buffer that is never given back is the collector's.
 * Invariant: a buffer is in one chunk at a time; giving it back twice does nothing.
 */
import { discard } from './discard.ts'

const MOST_BYTES = 16 << 20
const MOST_BYTES_EACH = 4 << 20
const STEP_BYTES = 128 << 10
/** Without a chunk given back for so long, the spare buffers go back to the system. */
const IDLE_MS = 5_000

const spare: Buffer[] = []
let spareBytes = 0
let idle: NodeJS.Timeout | undefined

export interface Pooled {
  readonly buffer: Buffer
  readonly release: () => void
}

/** A buffer of that size, out of the pool where one fits without wasting more than it holds. */
export function takeBuffer(sizeBytes: number): Pooled {
  const whole = fitting(sizeBytes) ?? Buffer.allocUnsafeSlow(Math.ceil(sizeBytes / STEP_BYTES) * STEP_BYTES)
  let isTaken = true
  return {
    buffer: whole.subarray(0, sizeBytes),
    release: () => {
      if (isTaken) giveBack(whole)
      isTaken = false
    },
  }
}

function fitting(sizeBytes: number): Buffer | undefined {
  for (let k = spare.length - 1; k >= 0; k--) {
    const { length } = spare[k]
    if (length < sizeBytes || length > sizeBytes * 2 + STEP_BYTES) continue
    spareBytes -= length
    return spare.splice(k, 1)[0]
  }
  return undefined
}

function dropSpare(): void {
  for (const buffer of spare.splice(0)) discard(buffer)
  spareBytes = 0
}

function giveBack(buffer: Buffer): void {
  if (buffer.length > MOST_BYTES_EACH) return discard(buffer)
  spare.push(buffer)
  spareBytes += buffer.length
  idle = idle?.refresh() ?? setTimeout(dropSpare, IDLE_MS).unref()
  while (spareBytes > MOST_BYTES) {
    const oldest = spare.shift()!
    spareBytes -= oldest.length
    discard(oldest)
  }
}
