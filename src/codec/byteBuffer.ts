/** Growing byte buffers that encoders write into. */
import type { ByteBuffer } from './port.ts'

export function newByteBuffer(sizeBytes = 1024): ByteBuffer {
  return { buffer: Buffer.allocUnsafe(sizeBytes), end: 0 }
}

/** Makes room for `bytes` more behind `out.end`. */
export function reserve(out: ByteBuffer, bytes: number): void {
  const need = out.end + bytes
  if (need <= out.buffer.length) return
  const grown = Buffer.allocUnsafe(Math.max(need, out.buffer.length * 2))
  out.buffer.copy(grown, 0, 0, out.end)
  out.buffer = grown
}

export function append(out: ByteBuffer, bytes: Uint8Array, at: number, length: number): void {
  reserve(out, length)
  copyBytes(bytes, at, length, out.buffer, out.end)
  out.end += length
}

const COPY_BY_HAND_BYTES = 32

/** A copy that is fast for the few bytes of an id too. */
export function copyBytes(from: Uint8Array, at: number, length: number, to: Buffer, toAt: number): void {
  if (length <= COPY_BY_HAND_BYTES) {
    for (let k = 0; k < length; k++) to[toAt + k] = from[at + k]
  } else {
    to.set(new Uint8Array(from.buffer, from.byteOffset + at, length), toAt)
  }
}
