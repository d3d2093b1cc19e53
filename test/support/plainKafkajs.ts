/**
 * kafkajs as it is, with the codec that its users bring for LZ4: a copy in a folder of its own. The product patches
 * kafkajs for its whole process, and test files share processes.
 *
 * Invariant: nothing of src is loaded here, and nothing that src changes is in this copy.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { compressFrame, decompressFrame } from 'lz4-napi'

const require = createRequire(import.meta.url)

function copied(): string {
  const original = dirname(require.resolve('kafkajs/package.json'))
  const { version } = require('kafkajs/package.json') as { version: string }
  const cache = join(original, '../.cache')
  const folder = join(cache, `postview-plain-kafkajs-${version}`)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const copying = mkdtempSync(`${folder}-`)
  cpSync(original, copying, { recursive: true })
  try {
    renameSync(copying, folder)
  } catch (error) {
    rmSync(copying, { recursive: true, force: true })
    // Another test may have been first: its copy is the same.
    if (!existsSync(folder)) throw error
  }
  return folder
}

export const kafkajs = require(copied()) as typeof import('kafkajs')
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compressFrame(buffer),
  decompress: (bytes: Buffer) => decompressFrame(bytes),
})
