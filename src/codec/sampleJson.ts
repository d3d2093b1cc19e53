/**
 * Samples as JSON, with the names of the Avro sample, each on one line.
 *
 * Ids are numbers or texts as in the source, 64-bit integers as exact digits. A JSON view is its own text, spliced in;
 * an Avro view is in Avro's JSON encoding without the wrappers around a union's branches.
 */
import type { DecodeLimits, Pipeline } from '../config/model.ts'
import { AvroToJson } from './avro/json.ts'
import { type AvroType, resolveSchema } from './avro/schema.ts'
import { append } from './byteBuffer.ts'
import { PathFinder } from './json/paths.ts'
import { INTEGER, JsonTape } from './json/tape.ts'
import { writeJsonText, writeOnOneLine, writeRaw } from './jsonText.ts'
import type { ByteBuffer, SampleEncoder, SampleRow, SourceReader } from './port.ts'
import { idType } from './sampleSchema.ts'

/** A view was within its limits when it was read: here they only keep the scanner whole. */
const UNLIMITED = Number.MAX_SAFE_INTEGER
const USER = 0
const ITEM = 1

interface Way {
  /** null: the view is JSON text. */
  readonly view: AvroType | null
  readonly integerUser: boolean
  readonly integerItem: boolean
}

export class JsonSampleEncoder implements SampleEncoder {
  readonly schema = null
  readonly transcoded = 0
  private readonly pipeline: Pipeline
  private readonly reader: SourceReader
  private readonly ways = new Map<number, Way>()
  private readonly toJson: AvroToJson
  private readonly tape: JsonTape
  private readonly ids: PathFinder

  constructor(pipeline: Pipeline, reader: SourceReader, limits: DecodeLimits) {
    const { userId, itemId } = pipeline.sources[0].fields
    this.pipeline = pipeline
    this.reader = reader
    this.toJson = new AvroToJson(limits)
    this.tape = new JsonTape({ ...limits, recordBytes: UNLIMITED })
    this.ids = new PathFinder([userId, itemId])
  }

  prepare(row: SampleRow): Promise<void> | undefined {
    return this.ways.has(row.writer) ? undefined : this.addWay(row.writer)
  }

  private async addWay(writer: number): Promise<void> {
    await this.reader.ensure(writer)
    const schema = this.reader.schemaOf(writer)
    const view = schema === null ? null : resolveSchema(schema)
    const { userId, itemId } = this.pipeline.sources[0].fields
    const integerUser = idType(view, userId).integer
    this.ways.set(writer, { view, integerUser, integerItem: idType(view, itemId).integer })
  }

  encode(row: SampleRow, out: ByteBuffer): void {
    const way = this.ways.get(row.writer)
    if (way === undefined) throw new Error(`the writer schema ${row.writer} was not prepared for encoding`)
    const { view } = way
    if (view === null) this.findIds(row)
    writeRaw(out, '{"sample_id":')
    writeJsonText(out, row.bytes, row.idAt, row.idLength)
    writeRaw(out, ',"user_id":')
    writeId(out, row.bytes, row.userAt, row.userLength, view === null ? this.isInteger(USER) : way.integerUser)
    writeRaw(out, ',"item_id":')
    writeId(out, row.bytes, row.itemAt, row.itemLength, view === null ? this.isInteger(ITEM) : way.integerItem)
    writeRaw(out, `,"view_time":${row.timeMs},"labels":`)
    this.writeLabels(out, row.labels, row.labelsAt)
    writeRaw(out, ',"delays_ms":')
    this.writeLabels(out, row.delays, row.labelsAt)
    writeRaw(out, `,"late_view":${row.late},"revision":${row.revision},"weight":${row.weight},"view":`)
    if (view === null) writeOnOneLine(out, row.payload, row.payloadAt, row.payloadLength)
    else this.toJson.write(view, row.payload, row.payloadAt, row.payloadAt + row.payloadLength, out)
    writeRaw(out, '}')
  }

  private writeLabels(out: ByteBuffer, values: Float64Array, at: number): void {
    const { labels } = this.pipeline
    for (let k = 0; k < labels.length; k++) {
      const value = values[at + k]
      writeRaw(out, `${k === 0 ? '{' : ','}"${labels[k].name}":${Number.isNaN(value) ? 'null' : value}`)
    }
    writeRaw(out, labels.length === 0 ? '{}' : '}')
  }

  private findIds(row: SampleRow): void {
    this.tape.scan(row.payload, row.payloadAt, row.payloadAt + row.payloadLength)
    this.ids.find(this.tape)
  }

  private isInteger(field: number): boolean {
    return this.tape.kind(this.ids.found[field]) === INTEGER
  }
}

function writeId(out: ByteBuffer, bytes: Buffer, at: number, length: number, integer: boolean): void {
  if (integer) append(out, bytes, at, length)
  else writeJsonText(out, bytes, at, length)
}
