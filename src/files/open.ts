/**
 * Opens a file of events: CSV, JSON lines or an Avro object container, by its name's ending or as told, also gzipped.
 *
 * What comes out are chunks as a log gives them, so the join over files is the join. The values are JSON text for CSV and
 * JSON lines, and Avro bodies in the container's schema for containers.
 *
 * How it fails: with a FileError where the file cannot be read (further). A record that is merely wrong is handed on, to
 * be refused where it is decoded; `problems` says what was wrong with the file there.
 */
import { basename } from 'node:path'
import type { AvroSchema, FieldMap } from '../config/model.ts'
import type { RawChunk } from '../log/chunk.ts'
import { openContainer } from './avroContainer.ts'
import { ChunkBuilder } from './chunkBuilder.ts'
import { cellKinds } from './columns.ts'
import { csvRows } from './csv.ts'
import { FileError, FileProblems } from './error.ts'
import { type Input, openInput } from './input.ts'
import { jsonLines } from './jsonLines.ts'

export type FileFormat = 'csv' | 'jsonl' | 'avro'

export interface EventFileOptions {
  /** Without it the name's ending decides: .csv, .tsv, .jsonl, .ndjson, .json, .avro, and each with .gz. */
  readonly format?: FileFormat
  /** The columns of a CSV file without a header. */
  readonly columns?: readonly string[]
  /** Of CSV; a comma, and for .tsv a tab. */
  readonly delimiter?: string
  /** What the chunks name as their topic; the file's name unless given. */
  readonly topic?: string
  /** Which CSV columns are times and values, and so numbers. */
  readonly fields?: FieldMap
  /** The schema that CSV rows are to fit: its numbers are written as numbers. */
  readonly schema?: AvroSchema
  readonly chunkBytes?: number
  readonly maxRecordBytes?: number
}

export interface EventFile {
  readonly format: FileFormat
  /** Of an Avro container. */
  readonly schema?: AvroSchema
  /** May be iterated once. */
  readonly chunks: AsyncIterable<RawChunk>
  readonly problems: FileProblems
  readonly bytesTotal: number
  /** Bytes of the file itself read so far: for progress. */
  bytesRead(): number
  /** Not needed once the chunks have been read to their end. */
  close(): void
}

const CHUNK_BYTES = 256 * 1024
const MAX_RECORD_BYTES = 1 << 20

const FORMATS = new Map<string, FileFormat>([
  ['csv', 'csv'],
  ['tsv', 'csv'],
  ['jsonl', 'jsonl'],
  ['ndjson', 'jsonl'],
  ['json', 'jsonl'],
  ['avro', 'avro'],
])

export async function openEventFile(path: string, options: EventFileOptions = {}): Promise<EventFile> {
  const format = options.format ?? formatOf(path)
  const input = await openInput(path)
  const problems = new FileProblems()
  const builder = new ChunkBuilder(options.topic ?? basename(path), options.chunkBytes ?? CHUNK_BYTES)
  const file = { format, problems, bytesTotal: input.bytesTotal, bytesRead: input.bytesRead, close: input.close }
  if (format === 'avro') {
    const container = await openContainer(input)
    return { ...file, schema: container.schema, chunks: container.records(builder) }
  }
  return { ...file, chunks: textChunks(format, input, builder, problems, options) }
}

function textChunks(
  format: 'csv' | 'jsonl',
  input: Input,
  builder: ChunkBuilder,
  problems: FileProblems,
  options: EventFileOptions,
): AsyncIterable<RawChunk> {
  const maxRecordBytes = options.maxRecordBytes ?? MAX_RECORD_BYTES
  if (format === 'jsonl') return jsonLines(input.content, builder, problems, maxRecordBytes)
  return csvRows(input.content, builder, problems, {
    path: input.path,
    columns: options.columns,
    delimiter: options.delimiter ?? (endingOf(input.path) === 'tsv' ? '\t' : ','),
    kinds: cellKinds(options.fields, options.schema),
    maxRecordBytes,
  })
}

function formatOf(path: string): FileFormat {
  const format = FORMATS.get(endingOf(path))
  if (format !== undefined) return format
  throw new FileError(
    `${path}: its name does not say its format: it must end in .csv, .tsv, .jsonl, .ndjson, .json or .avro, or .gz after that`,
  )
}

function endingOf(path: string): string {
  return /\.([a-z]+)(\.gz)?$/i.exec(path)?.[1].toLowerCase() ?? ''
}
