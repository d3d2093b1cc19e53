/**
 * Codecs for kafkajs's own decoder (`decode: 'kafkajs'`) and producer.
 *
 * Traps: kafkajs puts no cap on what a compressed batch inflates to (1.2 MB of LZ4 became 300 MB): these refuse beyond
 * CAP_BYTES, gzip's included. LZ4, snappy and zstd it does not bring at all.
 */
import type { Compression } from '../../config/model.ts'
import { compressorOf } from '../recordBatch/compress.ts'
import { inflate } from '../recordBatch/inflate.ts'
import { kafkajs } from './patch.ts'

const CAP_BYTES = 64 * 1024 * 1024

const { CompressionTypes } = kafkajs
const codecs = kafkajs.CompressionCodecs as Record<number, () => unknown>
const TYPES: readonly (readonly [number, Compression])[] = [
  [CompressionTypes.GZIP, 'gzip'],
  [CompressionTypes.Snappy, 'snappy'],
  [CompressionTypes.LZ4, 'lz4'],
  [CompressionTypes.ZSTD, 'zstd'],
]

export function registerCodecs(): void {
  for (const [type, codec] of TYPES) {
    codecs[type] = () => ({
      compress: async (encoder: { readonly buffer: Buffer }) => {
        const compress = compressorOf(codec)
        return compress === null ? encoder.buffer : compress(encoder.buffer)
      },
      decompress: async (bytes: Buffer) => inflate(codec, bytes, CAP_BYTES),
    })
  }
}
