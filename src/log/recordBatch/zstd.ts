/**
 * Zstandard frames, written and inflated: by node:zlib where it can (Node 22.15 and newer), else by Facebook's own code
 * in WebAssembly (@bokuweb/zstd-wasm), which is loaded only there. One written in JavaScript (fzstd) does not look
 * whether what it writes lies within the frame's size: three dozen bytes that ask for thousands of long copies kept it
 * busy for seconds.
 *
 * Invariants:
 * 1. Nothing is inflated beyond the bytes allowed: zlib holds the limit by itself, for WebAssembly the frame is walked
 *    before (bounds.ts), and it writes no further than the size found there.
 * 2. What is written is one frame that states its size, as Java's reader takes it.
 *
 * Fails: InflateError, or what zlib or the package throws.
 */
import * as zlib from 'node:zlib'
import { InflateError, tooLarge, zstdFrameBound } from './bounds.ts'

// The types are those of Node 20.
const { zstdCompressSync, zstdDecompressSync } = zlib as {
  zstdCompressSync?: (bytes: Buffer) => Buffer
  zstdDecompressSync?: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer
}
const wasm = zstdDecompressSync === undefined ? await openWasm() : undefined

export function compressZstd(bytes: Buffer): Buffer {
  return wasm === undefined ? zstdCompressSync!(bytes) : bufferOf(wasm.compress(bytes))
}

export function inflateZstd(bytes: Buffer, maxBytes: number): Buffer {
  if (wasm === undefined) return zstdDecompressSync!(bytes, { maxOutputLength: maxBytes })
  const bound = zstdFrameBound(bytes)
  if (bound > maxBytes) throw tooLarge(maxBytes)
  const inflated = wasm.decompress(bytes, { defaultHeapSize: bound })
  // No batch is empty.
  if (inflated.length === 0) throw new InflateError('CORRUPT', 'its zstd data cannot be inflated')
  return bufferOf(inflated)
}

async function openWasm() {
  const opened = await import('@bokuweb/zstd-wasm')
  await opened.init()
  return opened
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}
