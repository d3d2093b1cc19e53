/**
 * Avro object containers: the schema of the header, and the records' own bytes as they lie.
 *
 * A damaged block ends the reading with a FileError that says how many records were read: what follows a break in the
 * framing cannot be trusted. At most one block is in memory.
 */
import type { AvroSchema } from '../config/model.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { ChunkBuilder } from './chunkBuilder.ts'
import {
  type ContainerHeader,
  MAX_LONG_BYTES,
  parseContainerHeader,
  readLong,
  recordsOfBlock,
  SYNC_BYTES,
} from './container.ts'
import { FileError } from './error.ts'
import type { Input } from './input.ts'

const HEADER_BYTES = 64 * 1024
const MAX_HEADER_BYTES = 1 << 24
const MAX_BLOCK_BYTES = 1 << 27

export interface Container {
  readonly schema: AvroSchema
  records(builder: ChunkBuilder): AsyncGenerator<RawChunk>
}

export async function openContainer(input: Input): Promise<Container> {
  const window = new Window(input.content)
  try {
    const header = await readHeader(window)
    return { schema: header.schema, records: (builder) => recordsOf(window, header, input.path, builder) }
  } catch (error) {
    input.close()
    throw containerError(input.path, 0, error)
  }
}

async function readHeader(window: Window): Promise<ContainerHeader> {
  for (let length = HEADER_BYTES; length <= MAX_HEADER_BYTES; length *= 4) {
    const isAll = !(await window.fill(length))
    const header = parseContainerHeader(window.bytes)
    if (header !== undefined) {
      window.skip(header.end)
      return header
    }
    if (isAll) throw new Error('it ends within its header')
  }
  throw new Error(`its header is larger than ${MAX_HEADER_BYTES} bytes`)
}

async function* recordsOf(
  window: Window,
  header: ContainerHeader,
  path: string,
  builder: ChunkBuilder,
): AsyncGenerator<RawChunk> {
  try {
    for (let block = await nextBlock(window, header); block !== undefined; block = await nextBlock(window, header)) {
      let start = 0
      for (const end of block.ends) {
        builder.add(block.bytes.subarray(start, end))
        start = end
        if (builder.isFull) yield builder.take()
      }
    }
  } catch (error) {
    throw containerError(path, builder.offset, error)
  }
  if (!builder.isEmpty) yield builder.take()
}

async function nextBlock(
  window: Window,
  header: ContainerHeader,
): Promise<{ bytes: Buffer; ends: number[] } | undefined> {
  await window.fill(2 * MAX_LONG_BYTES)
  if (window.bytes.length === 0) return undefined
  const count = readLong(window.bytes, 0)
  const length = count && readLong(window.bytes, count.end)
  if (!count || !length) throw new Error('it ends within a block')
  if (count.value < 0 || length.value < 0 || length.value > MAX_BLOCK_BYTES)
    throw new Error('a block has no proper size')
  const end = length.end + length.value
  if (!(await window.fill(end + SYNC_BYTES))) throw new Error('it ends within a block')
  const block = window.bytes.subarray(length.end, end)
  if (!window.bytes.subarray(end, end + SYNC_BYTES).equals(header.sync))
    throw new Error('a block ends without its marker')
  window.skip(end + SYNC_BYTES)
  return recordsOfBlock(block, count.value, header)
}

/** What has been read of the content and not yet used. */
class Window {
  bytes: Buffer = Buffer.alloc(0)
  private readonly content: AsyncIterator<Buffer>

  constructor(content: AsyncIterable<Buffer>) {
    this.content = content[Symbol.asyncIterator]()
  }

  /** Reads on until there are `length` bytes; false where the content ends before. */
  async fill(length: number): Promise<boolean> {
    if (this.bytes.length >= length) return true
    const parts = [this.bytes]
    let size = this.bytes.length
    while (size < length) {
      const next = await this.content.next()
      if (next.done) break
      parts.push(next.value)
      size += next.value.length
    }
    this.bytes = Buffer.concat(parts, size)
    return size >= length
  }

  skip(length: number): void {
    this.bytes = this.bytes.subarray(length)
  }
}

function containerError(path: string, records: number, error: unknown): FileError {
  if (error instanceof FileError) return error
  const after = records === 0 ? '' : ` after record ${records - 1}`
  return new FileError(`${path}: not a readable Avro container${after}: ${(error as Error).message}`)
}
