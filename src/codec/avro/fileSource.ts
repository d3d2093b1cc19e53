/** A source of Avro records without a header, all written with the schema of a file. */
import type { AvroSchema, DecodeLimits, Source } from '../../config/model.ts'
import type { EventBatch } from '../../join/event.ts'
import type { RawChunk } from '../../log/chunk.ts'
import type { SourceReader, WriterSchema } from '../port.ts'
import { beginRow, kindOf } from '../rows.ts'
import { avroToValue } from './json.ts'
import { compilePlan, type Plan } from './plan.ts'
import { RecordReader } from './reader.ts'
import { type AvroType, resolveSchema } from './schema.ts'

export class AvroFileSource implements SourceReader {
  readonly writers: readonly WriterSchema[]
  private readonly schema: AvroSchema
  private readonly type: AvroType
  protected readonly plan: Plan
  protected readonly kind: number
  protected readonly reader: RecordReader
  private readonly limits: DecodeLimits

  /** Throws a SchemaError where schema and field map do not fit. */
  constructor(source: Source, schema: AvroSchema, limits: DecodeLimits) {
    this.schema = schema
    this.writers = [{ writer: 0, schema }]
    this.type = resolveSchema(schema)
    this.plan = compilePlan(this.type, source.role, source.fields)
    this.kind = kindOf(source.role)
    this.reader = new RecordReader(limits)
    this.limits = limits
  }

  prepare(): undefined {}

  ensure(): undefined {}

  schemaOf(): AvroSchema {
    return this.schema
  }

  read(chunk: RawChunk, into: EventBatch): void {
    into.reset(chunk.count, chunk.bytes)
    for (let i = 0; i < chunk.count; i++) {
      if (!beginRow(chunk, into, i, this.kind)) continue
      const at = chunk.valueAt[i]
      this.reader.read(this.plan, into, i, chunk.bytes, at, at + chunk.valueLength[i])
    }
  }

  toJson(payload: Buffer): unknown {
    return avroToValue(this.type, payload, this.limits)
  }
}
