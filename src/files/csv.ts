/**
 * CSV: rows become JSON objects, by the names of the header or of a given list of columns.
 *
 * A row with another number of cells is handed on as a JSON array, and one that cannot be parsed as its raw text: no
 * reader of objects takes either, so each is refused and counted where it is decoded, and the problem says why.
 * A quote that is opened and never closed swallows what follows; beyond the limit of a record the file is given up,
 * with the line where the row began, rather than losing rows in silence.
 */
import { type InfoRecord, type Parser, parse } from 'csv-parse'
import type { RawChunk } from '../log/chunk.ts'
import type { ChunkBuilder } from './chunkBuilder.ts'
import { type CellKind, cellJson } from './columns.ts'
import { FileError, type FileProblems } from './error.ts'

export interface CsvOptions {
  readonly path: string
  /** Without it the first row is the header. */
  readonly columns?: readonly string[]
  readonly delimiter: string
  readonly kinds: ReadonlyMap<string, CellKind>
  readonly maxRecordBytes: number
}

interface State {
  columns: readonly string[] | undefined
  /** For each column, its name as JSON with a colon. */
  names: string[]
  kinds: (CellKind | undefined)[]
  line: number
  bytesSinceRow: number
}

export async function* csvRows(
  content: AsyncIterable<Buffer>,
  builder: ChunkBuilder,
  problems: FileProblems,
  options: CsvOptions,
): AsyncGenerator<RawChunk> {
  const state: State = { columns: undefined, names: [], kinds: [], line: 0, bytesSinceRow: 0 }
  if (options.columns !== undefined) nameColumns(options.columns, state, options)
  const full: RawChunk[] = []
  const parser = makeParser(options, (row, raw, line) => {
    state.bytesSinceRow = 0
    state.line = line
    addRow(row, raw, state, builder, problems, options)
    // One part of the file may fill several chunks.
    if (builder.isFull) full.push(builder.take())
  })
  for await (const part of content) {
    state.bytesSinceRow += part.length
    await write(parser, part, options.path)
    yield* full.splice(0)
    if (state.bytesSinceRow > options.maxRecordBytes + part.length) {
      throw new FileError(`${options.path}: the row after line ${state.line} is too long: a quote is not closed`)
    }
  }
  await write(parser, null, options.path)
  yield* full.splice(0)
  if (!builder.isEmpty) yield builder.take()
}

type OnRow = (row: readonly string[] | undefined, raw: string, line: number) => void

/** All is done in the parser's callbacks, in the order of the rows; nothing comes out of it as a stream. */
function makeParser(options: CsvOptions, onRow: OnRow): Parser {
  const parser = parse({
    bom: true,
    delimiter: options.delimiter,
    raw: true,
    relax_column_count: true,
    // Strict quotes would swallow the rest of the file at the first stray one.
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_record: (row: unknown, context: InfoRecord) => {
      const { record, raw } = row as { record: string[]; raw: string }
      onRow(record, raw, context.lines)
      return null
    },
    on_skip: (_error, raw) => {
      onRow(undefined, raw ?? '', parser.info.lines)
      return undefined
    },
  })
  parser.resume()
  return parser
}

function addRow(
  row: readonly string[] | undefined,
  raw: string,
  state: State,
  builder: ChunkBuilder,
  problems: FileProblems,
  options: CsvOptions,
): void {
  if (state.columns === undefined) {
    if (row === undefined) throw new FileError(`${options.path}: line 1: the header cannot be parsed`)
    nameColumns(row, state, options)
    return
  }
  if (row === undefined) {
    problems.note({
      record: builder.offset,
      line: state.line,
      reason: 'the row cannot be parsed: a quote is not closed',
    })
    builder.addText(raw)
    return
  }
  if (row.length !== state.columns.length) {
    const reason = `the row has ${row.length} cells where there are ${state.columns.length} columns`
    problems.note({ record: builder.offset, line: state.line, reason })
    builder.addText(JSON.stringify(row))
    return
  }
  let json = '{'
  for (let i = 0; i < row.length; i++) json += (i === 0 ? '' : ',') + state.names[i] + cellJson(row[i], state.kinds[i])
  builder.addText(`${json}}`)
}

function nameColumns(columns: readonly string[], state: State, options: CsvOptions): void {
  const names = columns.map((name) => name.trim())
  const bad = names.find((name, i) => name === '' || names.indexOf(name) !== i)
  if (bad !== undefined) {
    throw new FileError(`${options.path}: ${bad === '' ? 'a column has no name' : `two columns are named ${bad}`}`)
  }
  state.columns = names
  state.names = names.map((name) => `${JSON.stringify(name)}:`)
  state.kinds = names.map((name) => options.kinds.get(name))
}

function write(parser: Parser, part: Buffer | null, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(error instanceof FileError ? error : new FileError(`${path}: cannot be parsed: ${error.message}`))
    parser.once('error', failed)
    const done = () => {
      parser.off('error', failed)
      resolve()
    }
    if (part === null) parser.once('end', done).end()
    else parser.write(part, (error) => (error ? failed(error) : done()))
  })
}
