/**
 * Compresses the records of a batch, in the framings that Kafka's own clients read.
 *
 * LZ4: one frame of version 01 with independent blocks (what lz4-napi writes; Java's reader takes no other).
 * Snappy: the framing of snappy-java, in blocks of its own default size. Zstandard: only where node:zlib has it.
 *
 * Fails, when the codec is chosen and not at the first batch, with LogError CODEC.
 */
import * as zlib from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compress as compressSnappy } from 'snappyjs'
import type { Compression } from '../../config/model.ts'
import { LogError } from '../port.ts'

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
      return zstandard()
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

function zstandard(): Compressor {
  // Node 22.15 and newer; the types are those of Node 20.
  const { zstdCompressSync } = zlib as { zstdCompressSync?: Compressor }
  if (zstdCompressSync !== undefined) return (records) => zstdCompressSync(records)
  throw new LogError(
    'CODEC',
    `compression zstd: node:zlib of Node ${process.versions.node} has no zstdCompressSync (Node 22.15 brought it), and the package zstddec only reads`,
  )
}
