/**
 * Compresses the records of a batch, in the framings that Kafka's own clients read.
 *
 * LZ4: one frame of version 01 with independent blocks (what lz4-napi writes; Java's reader takes no other).
 * Snappy: the framing of snappy-java, in blocks of its own default size. Zstandard: one frame (zstd.ts).
 */
import * as zlib from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compress as compressSnappy } from 'snappyjs'
import type { Compression } from '../../config/model.ts'
import { compressZstd } from './zstd.ts'

export type Compressor = (records: Buffer) => Buffer

/** snappy-java's stream header: its magic, version 1, compatible with version 1. */
export const SNAPPY_JAVA_HEADER: Buffer = Buffer.from('82534e4150505900' + '00000001' + '00000001', 'hex')
const SNAPPY_BLOCK_BYTES = 32 * 1024

/** What compresses records with that codec; null for none. */
export function compressorOf(codec: Compression): Compressor | null {
  switch (codec) {
    case 'none':
      return null
    case 'lz4':
      return (records) => compressFrameSync(records)
    case 'gzip':
      return (records) => zlib.gzipSync(records)
    case 'snappy':
      return snappyJava
    case 'zstd':
      return compressZstd
  }
}

function snappyJava(records: Buffer): Buffer {
  const parts: Buffer[] = [SNAPPY_JAVA_HEADER]
  for (let at = 0; at < records.length; at += SNAPPY_BLOCK_BYTES) {
    const block = compressSnappy(records.subarray(at, at + SNAPPY_BLOCK_BYTES))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}
