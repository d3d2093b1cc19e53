/**
 * How much of a file that its writer did not finish is whole: the longest prefix of complete blocks (Avro container) or
 * lines (JSON lines). What follows is the torn tail of a write that a crash cut off.
 *
 * Invariants: never more than one block or line beyond a window is in memory. Blocks are not only framed right but
 * their records are read, since a power cut may leave a file's length without its bytes.
 */
import type { FileHandle } from 'node:fs/promises'
import {
  type ContainerHeader,
  MAX_LONG_BYTES,
  parseContainerHeader,
  readLong,
  recordsOfBlock,
  SYNC_BYTES,
} from '../files/container.ts'

export interface WholePrefix {
  readonly bytes: number
  readonly records: number
}

const NOTHING: WholePrefix = { bytes: 0, records: 0 }
const WINDOW_BYTES = 1 << 20

export async function wholeLines(file: FileHandle): Promise<WholePrefix> {
  let whole = NOTHING
  let rest: Buffer = Buffer.alloc(0)
  for (let at = 0; ; ) {
    const window = await readAt(file, at, WINDOW_BYTES)
    if (window.length === 0) return whole
    at += window.length
    const bytes = rest.length === 0 ? window : Buffer.concat([rest, window])
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (!succeeds(() => JSON.parse(bytes.toString('utf8', start, end)))) return whole
      start = end + 1
      whole = { bytes: at - bytes.length + start, records: whole.records + 1 }
    }
    rest = bytes.subarray(start)
  }
}

export async function wholeBlocks(file: FileHandle): Promise<WholePrefix> {
  const size = (await file.stat()).size
  const header = await readHeader(file, size)
  if (header === undefined) return NOTHING
  let whole: WholePrefix = { bytes: header.end, records: 0 }
  while (whole.bytes < size) {
    const prefix = await readAt(file, whole.bytes, 2 * MAX_LONG_BYTES)
    const count = readLong(prefix, 0)
    const length = count && readLong(prefix, count.end)
    if (!count || !length || count.value < 1 || length.value < 0) return whole
    const start = whole.bytes + length.end
    const end = start + length.value + SYNC_BYTES
    if (end > size) return whole
    const block = await readAt(file, start, length.value + SYNC_BYTES)
    if (!header.sync.equals(block.subarray(length.value))) return whole
    if (!succeeds(() => recordsOfBlock(block.subarray(0, length.value), count.value, header))) return whole
    whole = { bytes: end, records: whole.records + count.value }
  }
  return whole
}

async function readHeader(file: FileHandle, size: number): Promise<ContainerHeader | undefined> {
  for (let length = Math.min(WINDOW_BYTES, size); ; length = Math.min(length * 4, size)) {
    const bytes = await readAt(file, 0, length)
    let header: ContainerHeader | undefined
    if (!succeeds(() => (header = parseContainerHeader(bytes)))) return undefined
    if (header !== undefined || length === size) return header
  }
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  let end = 0
  while (end < length) {
    const { bytesRead } = await file.read(bytes, end, length - end, position + end)
    if (bytesRead === 0) break
    end += bytesRead
  }
  return bytes.subarray(0, end)
}
