/**
 * How large compressed bytes would become, found by walking them without inflating them.
 *
 * Invariants:
 * 1. Each walk moves forward in every step, so it ends however hostile the bytes are.
 * 2. What passes a walk has no length that points outside the bytes.
 */
export class InflateError extends Error {
  readonly code: 'CORRUPT' | 'CODEC' | 'TOO_LARGE'
  constructor(code: 'CORRUPT' | 'CODEC' | 'TOO_LARGE', message: string) {
    super(message)
    this.name = 'InflateError'
    this.code = code
  }
}

export function tooLarge(maxBytes: number): InflateError {
  return new InflateError('TOO_LARGE', `it inflates beyond the limit of ${maxBytes} bytes`)
}

function cutOff(what: string): InflateError {
  return new InflateError('CORRUPT', `${what} is cut off`)
}

const LZ4_MAGIC = 0x184d2204
const LZ4_BLOCK_BYTES = [65_536, 262_144, 1_048_576, 4_194_304]
/** A run of one byte costs a byte for each 255 of its length. */
const LZ4_MAX_RATIO = 255

/**
 * Checks the structure of an LZ4 frame and that it inflates to at most `maxBytes`. The number of blocks and their
 * sizes bound it; only where that bound is too much are the blocks' tokens counted.
 */
export function lz4FrameSize(bytes: Buffer, maxBytes: number): void {
  if (bytes.length < 11 || bytes.readUInt32LE(0) !== LZ4_MAGIC) throw new InflateError('CORRUPT', 'it is no LZ4 frame')
  const flags = bytes[4]
  const blockBytes = LZ4_BLOCK_BYTES[((bytes[5] >> 4) & 7) - 4]
  if (flags >> 6 !== 1 || blockBytes === undefined)
    throw new InflateError('CORRUPT', 'its LZ4 frame is of no known kind')
  if ((flags & 1) !== 0) throw new InflateError('CODEC', 'its LZ4 frame needs a dictionary')
  const first = 7 + ((flags & 8) !== 0 ? 8 : 0)
  const trailer = (flags & 16) !== 0 ? 4 : 0
  if (lz4Blocks(bytes, first, trailer, blockBytes, false) <= maxBytes) return
  if (lz4Blocks(bytes, first, trailer, blockBytes, true) > maxBytes) throw tooLarge(maxBytes)
}

function lz4Blocks(bytes: Buffer, first: number, trailer: number, blockBytes: number, exact: boolean): number {
  let inflated = 0
  for (let at = first; ; ) {
    if (at + 4 > bytes.length) throw cutOff('an LZ4 frame')
    const word = bytes.readUInt32LE(at)
    if (word === 0) return inflated
    const length = word & 0x7fff_ffff
    const end = at + 4 + length
    if (end > bytes.length) throw cutOff('an LZ4 block')
    if (word >= 0x8000_0000) inflated += length
    else if (exact) inflated += lz4BlockSize(bytes, at + 4, end)
    else inflated += Math.min(blockBytes, length * LZ4_MAX_RATIO)
    at = end + trailer
  }
}

function lz4BlockSize(bytes: Buffer, start: number, end: number): number {
  let inflated = 0
  for (let at = start; at < end; ) {
    const token = bytes[at++]
    let literals = token >> 4
    if (literals === 15) {
      let more = 255
      while (more === 255 && at < end) literals += more = bytes[at++]
    }
    at += literals
    inflated += literals
    if (at >= end) break
    at += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let more = 255
      while (more === 255 && at < end) match += more = bytes[at++]
    }
    inflated += match
  }
  return inflated
}

/**
 * The inflated size of one snappy block, by its tags, which must agree with its preamble. snappyjs itself would step
 * backwards for ever on a literal whose length has the top bit set.
 */
export function snappyBlockSize(block: Buffer): number {
  const preamble = snappyPreamble(block)
  let inflated = 0
  let at = preamble.end
  while (at < block.length) {
    const tag = block[at++]
    const kind = tag & 3
    if (kind !== 0) {
      inflated += kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
      at += kind === 3 ? 4 : kind
    } else {
      let length = (tag >> 2) + 1
      const extra = length - 60
      if (extra > 0) {
        if (at + extra > block.length) throw cutOff('a snappy literal')
        length = block.readUIntLE(at, extra) + 1
        at += extra
      }
      inflated += length
      at += length
    }
  }
  if (at !== block.length) throw cutOff('a snappy block')
  if (inflated !== preamble.size) throw new InflateError('CORRUPT', 'a snappy block is not of the size that it says')
  return inflated
}

function snappyPreamble(block: Buffer): { size: number; end: number } {
  let size = 0
  for (let at = 0; at < Math.min(5, block.length); at++) {
    size += (block[at] & 0x7f) * 2 ** (7 * at)
    if (block[at] < 0x80) return { size, end: at + 1 }
  }
  throw cutOff('a snappy preamble')
}

const ZSTD_MAGIC = 0xfd2fb528
const ZSTD_BLOCK_BYTES = 131_072

/** At most what a Zstandard frame inflates to: its content size if it states one, else what its blocks can hold. */
export function zstdFrameBound(bytes: Buffer): number {
  if (bytes.length < 9 || bytes.readUInt32LE(0) !== ZSTD_MAGIC) {
    throw new InflateError('CORRUPT', 'it is no Zstandard frame')
  }
  const flags = bytes[4]
  const singleSegment = (flags >> 5) & 1
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]
  if (dictionaryBytes > 0) throw new InflateError('CODEC', 'its Zstandard frame needs a dictionary')
  const sizeAt = 6 - singleSegment
  const sizeBytes = [singleSegment, 2, 4, 8][flags >> 6]
  const blocksAt = sizeAt + sizeBytes
  if (blocksAt > bytes.length) throw cutOff('a Zstandard frame')
  const bound = zstdBlocks(bytes, blocksAt, (flags & 4) !== 0 ? 4 : 0)
  if (sizeBytes === 0) return bound
  const stated = zstdContentSize(bytes, sizeAt, sizeBytes)
  if (stated > bound) throw new InflateError('CORRUPT', 'a Zstandard frame states more than it holds')
  return stated
}

function zstdContentSize(bytes: Buffer, at: number, length: number): number {
  if (length === 8) return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0)
}

function zstdBlocks(bytes: Buffer, first: number, checksumBytes: number): number {
  let inflated = 0
  for (let at = first; ; ) {
    if (at + 3 > bytes.length) throw cutOff('a Zstandard frame')
    const word = bytes.readUIntLE(at, 3)
    const kind = (word >> 1) & 3
    const size = word >> 3
    if (kind === 3 || size > ZSTD_BLOCK_BYTES)
      throw new InflateError('CORRUPT', 'a Zstandard block is of no known kind')
    inflated += kind === 2 ? ZSTD_BLOCK_BYTES : size
    at += 3 + (kind === 1 ? 1 : size)
    if (at > bytes.length) throw cutOff('a Zstandard block')
    if ((word & 1) === 0) continue
    if (at + checksumBytes === bytes.length) return inflated
    throw new InflateError('CODEC', 'its Zstandard data is more than one frame')
  }
}
