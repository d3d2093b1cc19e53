/**
 * JSON lines: one record a line, its bytes as they are. Blank lines are no records.
 *
 * A line beyond the limit is not kept: what is handed on of it is its beginning with a byte that no JSON holds, so that
 * whoever decodes it refuses it, and the problem says why.
 */
import type { RawChunk } from '../log/chunk.ts'
import type { ChunkBuilder } from './chunkBuilder.ts'
import type { FileProblems } from './error.ts'

const NEWLINE = 10
const CARRIAGE_RETURN = 13
const SPACE = 32
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const KEPT_OF_LONG_LINE_BYTES = 1024

interface Line {
  /** What came before the part in hand. */
  rest: Buffer
  number: number
  /** In a line that is too long: passed over up to its end. */
  isTooLong: boolean
}

export async function* jsonLines(
  content: AsyncIterable<Buffer>,
  builder: ChunkBuilder,
  problems: FileProblems,
  maxRecordBytes: number,
): AsyncGenerator<RawChunk> {
  const line: Line = { rest: Buffer.alloc(0), number: 1, isTooLong: false }
  let isFirst = true
  for await (const given of content) {
    let part = line.rest.length === 0 ? given : Buffer.concat([line.rest, given])
    line.rest = Buffer.alloc(0)
    if (isFirst && part.subarray(0, 3).equals(BYTE_ORDER_MARK)) part = part.subarray(3)
    isFirst = false
    let start = 0
    for (let end = part.indexOf(NEWLINE); end >= 0; end = part.indexOf(NEWLINE, start)) {
      endLine(part.subarray(start, end), line, builder, problems, maxRecordBytes)
      start = end + 1
      if (builder.isFull) yield builder.take()
    }
    if (line.isTooLong) continue
    line.rest = part.subarray(start)
    if (line.rest.length > maxRecordBytes) refuse(line, builder, problems, maxRecordBytes)
  }
  endLine(line.rest, line, builder, problems, maxRecordBytes)
  if (!builder.isEmpty) yield builder.take()
}

function endLine(
  bytes: Buffer,
  line: Line,
  builder: ChunkBuilder,
  problems: FileProblems,
  maxRecordBytes: number,
): void {
  if (line.isTooLong) {
    line.isTooLong = false
  } else if (bytes.length > maxRecordBytes) {
    line.rest = bytes
    refuse(line, builder, problems, maxRecordBytes)
    line.isTooLong = false
  } else {
    const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length
    if (!isBlank(bytes, end)) builder.add(bytes.subarray(0, end))
  }
  line.number++
}

function refuse(line: Line, builder: ChunkBuilder, problems: FileProblems, maxRecordBytes: number): void {
  const reason = `the line is longer than ${maxRecordBytes} bytes`
  problems.note({ record: builder.offset, line: line.number, reason })
  builder.add(Buffer.concat([line.rest.subarray(0, KEPT_OF_LONG_LINE_BYTES), Buffer.alloc(1)]))
  line.rest = Buffer.alloc(0)
  line.isTooLong = true
}

function isBlank(bytes: Buffer, end: number): boolean {
  for (let i = 0; i < end; i++) if (bytes[i] > SPACE) return false
  return true
}
