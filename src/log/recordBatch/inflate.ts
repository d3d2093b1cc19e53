/**
 * Inflates the records of a compressed batch, never beyond the bytes allowed.
 *
 * Each codec's cap holds before the memory is taken: gzip's by zlib itself, the others' by walking the compressed
 * bytes (bounds.ts), which also refuses the structures that their decoders would loop or allocate on.
 *
 * Fails: InflateError, which the reader turns into a LogError with topic, partition and offset.
 */
import * as zlib from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompress as uncompressSnappy } from 'snappyjs'
import type { Compression } from '../../config/model.ts'
import { InflateError, lz4FrameSize, snappyBlockSize, tooLarge } from './bounds.ts'
import { SNAPPY_JAVA_HEADER } from './compress.ts'
import { inflateZstd } from './zstd.ts'

/** The magic alone: writers differ in the versions that follow it. */
const SNAPPY_JAVA_MAGIC = SNAPPY_JAVA_HEADER.subarray(0, 8)

/** The inflated records, at most `maxBytes` of them. */
export function inflate(codec: Compression, bytes: Buffer, maxBytes: number): Buffer {
  try {
    return inflateWith(codec, bytes, maxBytes)
  } catch (error) {
    if (error instanceof InflateError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes)
    throw new InflateError('CORRUPT', `its ${codec} data cannot be inflated: ${(error as Error).message}`)
  }
}

function inflateWith(codec: Compression, bytes: Buffer, maxBytes: number): Buffer {
  switch (codec) {
    case 'none':
      return bytes
    case 'gzip':
      return zlib.gunzipSync(bytes, { maxOutputLength: maxBytes })
    case 'lz4':
      return inflateLz4(bytes, maxBytes)
    case 'snappy':
      return inflateSnappy(bytes, maxBytes)
    case 'zstd':
      return inflateZstd(bytes, maxBytes)
  }
}

function inflateLz4(bytes: Buffer, maxBytes: number): Buffer {
  lz4FrameSize(bytes, maxBytes)
  return decompressFrameSync(bytes)
}

/** Either snappy-java's framing (Java, most others) or one bare block (librdkafka). */
function inflateSnappy(bytes: Buffer, maxBytes: number): Buffer {
  const framed = bytes.length >= SNAPPY_JAVA_HEADER.length && bytes.subarray(0, 8).equals(SNAPPY_JAVA_MAGIC)
  if (!framed) return inflateSnappyBlock(bytes, maxBytes)
  const blocks: Buffer[] = []
  let left = maxBytes
  for (let at = SNAPPY_JAVA_HEADER.length; at < bytes.length; ) {
    const length = at + 4 <= bytes.length ? bytes.readInt32BE(at) : -1
    if (length < 0 || at + 4 + length > bytes.length) throw new InflateError('CORRUPT', 'a snappy block is cut off')
    const block = inflateSnappyBlock(bytes.subarray(at + 4, at + 4 + length), left, maxBytes)
    blocks.push(block)
    left -= block.length
    at += 4 + length
  }
  return blocks.length === 1 ? blocks[0] : Buffer.concat(blocks)
}

function inflateSnappyBlock(block: Buffer, leftBytes: number, maxBytes = leftBytes): Buffer {
  if (snappyBlockSize(block) > leftBytes) throw tooLarge(maxBytes)
  return uncompressSnappy(block)
}
