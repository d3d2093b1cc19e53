/**
 * Samples as Avro: everything but the view is written field by field, the view's bytes are copied as they came.
 *
 * Invariants:
 * 1. The bytes are a function of the row and the schema alone.
 * 2. In wire format each writer has a sample schema of its own, and nothing is ever rewritten. Without, all samples
 *    have the pipeline's schema: a view that another schema wrote is rewritten to it, and counted.
 * How it fails: `prepare` rejects where a schema cannot be registered; `encode` refuses a view whose writer's schema cannot
 * be read as the pipeline's, with both names: one producer's schema is no reason to stop what all others write.
 */
import type { AvroSchema, Pipeline } from '../config/model.ts'
import { type AvroType, resolveSchema } from './avro/schema.ts'
import { sameBytes, transcoder } from './avro/transcode.ts'
import { copyBytes, reserve } from './byteBuffer.ts'
import { Refusal, SchemaError } from './error.ts'
import { MAX_VARINT_BYTES, writeDecimalAsVarint, writeVarint } from './integer.ts'
import type { ByteBuffer, SampleEncoder, SampleRow, SourceReader } from './port.ts'
import { type IdType, idType, isDoubleLabel, sampleSchema } from './sampleSchema.ts'

const WIRE_HEADER_BYTES = 5
const DOUBLE_BYTES = 8
/** Header, three lengths and a view's length, two union branches, time, flags, revision, weight. */
const FIXED_BYTES = WIRE_HEADER_BYTES + 10 * MAX_VARINT_BYTES + DOUBLE_BYTES
/** Of a label with its delay: two branches, a double or int, a long. */
const LABEL_BYTES = 2 + 2 * MAX_VARINT_BYTES

/** How the views of one writer go into samples. */
interface Way {
  /** The registry's id of the sample schema; -1 without the wire format. */
  readonly schemaId: number
  readonly userId: IdType
  readonly itemId: IdType
  /** Rewrites the view; null: its bytes are copied. */
  readonly rewrite: ((payload: Buffer) => Buffer) | null
  /** Whether the view is text: then its length comes before. */
  readonly isText: boolean
}

export interface SampleRegistrar {
  /** Registers the schema and gives its id. */
  register(schema: AvroSchema): Promise<number>
}

export class AvroSampleEncoder implements SampleEncoder {
  readonly schema: AvroSchema | null
  transcoded = 0
  private readonly pipeline: Pipeline
  private readonly viewSchema: AvroSchema | null | undefined
  private readonly reader: SourceReader
  private readonly registrar: SampleRegistrar | null
  private readonly name: string | undefined
  private readonly ways = new Map<number, Way>()
  private readonly preparing = new Map<number, Promise<void>>()
  /** Of the last row: nearly always that of the next. */
  private lastWriter = -1
  private lastWay!: Way
  private readonly isDouble: readonly boolean[]
  private readonly isNullable: readonly boolean[]

  /** `viewSchema`: the pipeline's, null for a view that is text; undefined where every writer's own is used. */
  constructor(
    pipeline: Pipeline,
    viewSchema: AvroSchema | null | undefined,
    reader: SourceReader,
    registrar: SampleRegistrar | null,
    name?: string,
  ) {
    this.pipeline = pipeline
    this.viewSchema = viewSchema
    this.reader = reader
    this.registrar = registrar
    this.name = name
    this.schema = viewSchema === undefined ? null : sampleSchema(pipeline, viewSchema, name)
    this.isDouble = pipeline.labels.map(isDoubleLabel)
    this.isNullable = pipeline.labels.map((label) => label.default === null)
  }

  prepare(row: SampleRow): Promise<void> | undefined {
    const { writer } = row
    if (writer === this.lastWriter || this.ways.has(writer)) return undefined
    let preparing = this.preparing.get(writer)
    if (preparing === undefined) {
      preparing = this.addWay(writer).finally(() => this.preparing.delete(writer))
      this.preparing.set(writer, preparing)
    }
    return preparing
  }

  private async addWay(writer: number): Promise<void> {
    await this.reader.ensure(writer)
    const schema = this.reader.schemaOf(writer)
    const own = (this.registrar === null ? this.viewSchema : undefined) ?? schema
    const view: AvroType | null = own === null ? null : resolveSchema(own)
    const { userId, itemId } = this.pipeline.sources[0].fields
    const schemaId =
      this.registrar === null ? -1 : await this.registrar.register(sampleSchema(this.pipeline, schema, this.name))
    this.ways.set(writer, {
      schemaId,
      userId: idType(view, userId),
      itemId: idType(view, itemId),
      rewrite: own === null || schema === null || sameBytes(schema, own) ? null : rewriting(schema, own),
      isText: own === null,
    })
  }

  encode(row: SampleRow, out: ByteBuffer): void {
    const way = this.wayOf(row.writer)
    const texts = row.idLength + row.userLength + row.itemLength
    reserve(out, FIXED_BYTES + texts + this.isDouble.length * LABEL_BYTES + row.payloadLength)
    if (way.schemaId >= 0) {
      out.buffer[out.end] = 0
      out.buffer.writeInt32BE(way.schemaId, out.end + 1)
      out.end += WIRE_HEADER_BYTES
    }
    writeText(out, row.bytes, row.idAt, row.idLength)
    writeId(out, way.userId, row.bytes, row.userAt, row.userLength)
    writeId(out, way.itemId, row.bytes, row.itemAt, row.itemLength)
    writeVarint(out, row.timeMs)
    this.writeLabels(row, out)
    out.buffer[out.end++] = row.late ? 1 : 0
    writeVarint(out, row.revision)
    out.end = out.buffer.writeDoubleLE(row.weight, out.end)
    this.writeView(row, way, out)
  }

  private wayOf(writer: number): Way {
    if (writer === this.lastWriter) return this.lastWay
    const way = this.ways.get(writer)
    if (way === undefined) throw new Error(`the writer schema ${writer} was not prepared for encoding`)
    this.lastWriter = writer
    this.lastWay = way
    return way
  }

  private writeLabels(row: SampleRow, out: ByteBuffer): void {
    const { labels, delays, labelsAt } = row
    const count = this.isDouble.length
    for (let k = 0; k < count; k++) {
      const value = labels[labelsAt + k]
      if (this.isNullable[k]) {
        const isNull = Number.isNaN(value)
        out.buffer[out.end++] = isNull ? 0 : 2
        if (isNull) continue
      }
      if (this.isDouble[k]) out.end = out.buffer.writeDoubleLE(value, out.end)
      else writeVarint(out, value)
    }
    for (let k = 0; k < count; k++) {
      const delay = delays[labelsAt + k]
      const isNull = Number.isNaN(delay)
      out.buffer[out.end++] = isNull ? 0 : 2
      if (!isNull) writeVarint(out, delay)
    }
  }

  private writeView(row: SampleRow, way: Way, out: ByteBuffer): void {
    const { payload, payloadAt, payloadLength } = row
    if (way.rewrite !== null) {
      const rewritten = way.rewrite(payload.subarray(payloadAt, payloadAt + payloadLength))
      reserve(out, rewritten.length)
      out.end += rewritten.copy(out.buffer, out.end)
      this.transcoded++
      return
    }
    if (way.isText) writeVarint(out, payloadLength)
    copyBytes(payload, payloadAt, payloadLength, out.buffer, out.end)
    out.end += payloadLength
  }
}

function rewriting(writer: AvroSchema, reader: AvroSchema): (payload: Buffer) => Buffer {
  try {
    return transcoder(writer, reader)
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
    const { message } = error
    return () => {
      throw new Refusal(message)
    }
  }
}

function writeText(out: ByteBuffer, bytes: Buffer, at: number, length: number): void {
  writeVarint(out, length)
  copyBytes(bytes, at, length, out.buffer, out.end)
  out.end += length
}

function writeId(out: ByteBuffer, type: IdType, bytes: Buffer, at: number, length: number): void {
  if (type.branch >= 0) out.buffer[out.end++] = type.branch << 1
  if (type.integer) writeDecimalAsVarint(out, bytes, at, length)
  else writeText(out, bytes, at, length)
}
