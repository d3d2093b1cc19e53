/**
 * Inflates Zstandard frames: by node:zlib where it can (Node 22.15 and newer), else by zstddec, which is Facebook's own
 * decoder in WebAssembly. One written in JavaScript (fzstd) does not look whether what it writes lies within the frame's
 * size: three dozen bytes that ask for thousands of long copies kept it busy for seconds.
 *
 * Never beyond the bytes allowed: zlib holds the limit by itself, for zstddec the frame is walked before (bounds.ts).
 *
 * Fails: InflateError, or what zlib throws.
 */
import * as zlib from 'node:zlib'
import type { ZSTDDecoder } from 'zstddec'
import { InflateError, tooLarge, zstdFrameBound } from './bounds.ts'

type NodeZstd = (bytes: Buffer, options: { maxOutputLength: number }) => Buffer

// The types are those of Node 20.
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: NodeZstd }
const decoder = zstdDecompressSync === undefined ? await openDecoder() : undefined

export function inflateZstd(bytes: Buffer, maxBytes: number): Buffer {
  if (decoder === undefined) return zstdDecompressSync!(bytes, { maxOutputLength: maxBytes })
  const bound = zstdFrameBound(bytes)
  if (bound > maxBytes) throw tooLarge(maxBytes)
  const { buffer, byteOffset, length } = decoder.decode(bytes, bound)
  // Its errors are negative lengths, which make an empty array; no batch is empty.
  if (length === 0) throw new InflateError('CORRUPT', 'its zstd data cannot be inflated')
  return Buffer.from(buffer, byteOffset, length)
}

/** It would fetch its own code from a data URL: without `fetch` it takes it as it is, and Node loads no HTTP client. */
async function openDecoder(): Promise<ZSTDDecoder> {
  const { ZSTDDecoder } = await import('zstddec')
  const fetch = Object.getOwnPropertyDescriptor(globalThis, 'fetch')
  Reflect.deleteProperty(globalThis, 'fetch')
  const opened = new ZSTDDecoder()
  const ready = opened.init()
  if (fetch !== undefined) Object.defineProperty(globalThis, 'fetch', fetch)
  await ready
  return opened
}
