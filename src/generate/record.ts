/**
 * Generated events as records of a source, by its field map: values at their paths, in the units and types that the
 * source says, and the rest of its schema filled in.
 *
 * The same event always gives the same bytes: what is filled in follows from the event's number.
 */
import avro from 'avsc'
import { WIRE_HEADER_BYTES } from '../codec/avro/wireSource.ts'
import type { AvroSchema } from '../config/model.ts'
import { branchesOf, typesAt } from '../config/recordType.ts'
import { type GeneratedEvent, VIEWS } from './event.ts'
import { filler, inBranch } from './filler.ts'
import { Random } from './random.ts'
import type { WrittenSource } from './written.ts'

/** The pipeline, or what was asked for, cannot be generated so: wrong use, not a failure. */
export class RecordError extends Error {
  override name = 'RecordError'
}

type Json = { [key: string]: unknown }

/** Times come in as milliseconds, and go out as the logical type says. */
class Micros extends avro.types.LogicalType {
  override _fromValue(value: unknown): unknown {
    return value
  }

  override _toValue(value: unknown): unknown {
    return (value as number) * 1000
  }
}

export class RecordMaker {
  readonly source: WrittenSource
  private readonly seed: number
  /** Before each record. */
  private readonly header: Buffer
  private readonly type: avro.types.RecordType | undefined

  constructor(source: WrittenSource, seed: number) {
    this.source = source
    this.seed = seed
    this.header = wireHeader(source.schemaId)
    const { format } = source
    if ('schema' in format && format.schema !== undefined) {
      this.type = recordType(format.schema, source.fields.time.unit === undefined)
    }
  }

  /** The bytes of the record in the source's own format. */
  encode(event: GeneratedEvent): Buffer {
    if (this.source.format.type === 'json') return Buffer.from(this.json(event))
    const record = this.record(event)
    try {
      return Buffer.concat([this.header, this.type!.toBuffer(record)])
    } catch (error) {
      throw new RecordError(`topic ${this.source.topic}: an event does not fit the schema: ${(error as Error).message}`)
    }
  }

  /** The record as JSON text, whatever the source's format. */
  json(event: GeneratedEvent): string {
    const record: Json = this.type === undefined ? {} : (filler(this.type, '', this.random(event)) as Json)
    for (const [path, value] of this.mapped(event)) {
      putAt(record, path, value !== null && this.isNumber(path) ? Number(value) : value)
    }
    return JSON.stringify(record, (_key, value) => (Buffer.isBuffer(value) ? value.toString('latin1') : value))
  }

  private record(event: GeneratedEvent): Json {
    const type = this.type!
    const record = filler(type, '', this.random(event)) as Json
    for (const [path, value] of this.mapped(event)) putTyped(record, type, path, value)
    return record
  }

  private random(event: GeneratedEvent): Random {
    return new Random(this.seed, event.number * 2 + event.source + 1)
  }

  private mapped(event: GeneratedEvent): [path: readonly string[], value: unknown][] {
    const { fields } = this.source
    const { viewId, itemId, type, value } = event.fields
    const mapped: [readonly string[], unknown][] = [
      [fields.userId, event.user],
      [fields.itemId, itemId],
      [fields.time.path, this.timeOf(event)],
    ]
    if (fields.viewId !== undefined) mapped.push([fields.viewId, viewId])
    if (event.source === VIEWS) return mapped
    if (fields.value !== undefined) mapped.push([fields.value, value])
    if (fields.type !== undefined && 'path' in fields.type) mapped.push([fields.type.path, type])
    if (fields.engagementId !== undefined) {
      const prefix = this.isNumber(fields.engagementId) ? '' : 'engagement-'
      mapped.push([fields.engagementId, `${prefix}${event.number}`])
    }
    return mapped
  }

  private isNumber(path: readonly string[]): boolean {
    return this.type !== undefined && isNumeric(typesAt(this.type, path)[0])
  }

  private timeOf(event: GeneratedEvent): number {
    const { unit } = this.source.fields.time
    if (unit === 's') return event.timeMs / 1000
    return unit === 'us' ? event.timeMs * 1000 : event.timeMs
  }
}

function wireHeader(schemaId: number | undefined): Buffer {
  const header = Buffer.alloc(schemaId === undefined ? 0 : WIRE_HEADER_BYTES)
  if (schemaId !== undefined) header.writeInt32BE(schemaId, 1)
  return header
}

function recordType(schema: AvroSchema, withLogicalTypes: boolean): avro.types.RecordType {
  const logicalTypes = withLogicalTypes ? { 'timestamp-micros': Micros } : {}
  return avro.Type.forSchema(schema as avro.Schema, { logicalTypes } as never) as avro.types.RecordType
}

function putAt(record: Json, path: readonly string[], value: unknown): void {
  let at = record
  for (const name of path.slice(0, -1)) {
    const inner = at[name]
    at = at[name] = typeof inner === 'object' && inner !== null ? (inner as Json) : {}
  }
  at[path[path.length - 1]] = value
}

/** Puts the value at its path, through unions that hold the records on the way. */
function putTyped(record: Json, type: avro.types.RecordType, path: readonly string[], value: unknown): void {
  const field = fieldOf(type, path)
  if (path.length === 1) {
    record[field.name] = typed(field.type, value)
    return
  }
  const inner = branchesOf(field.type).find((branch) => branch instanceof avro.types.RecordType)
  if (inner === undefined) throw new RecordError(`the schema has no field ${path.join('.')}`)
  const isWrapped = field.type instanceof avro.types.WrappedUnionType
  const given = isWrapped ? (record[field.name] as Json | null)?.[inner.branchName!] : record[field.name]
  const held = (inner.isValid(given) ? given : filler(inner, field.name, new Random(0))) as Json
  putTyped(held, inner, path.slice(1), value)
  record[field.name] = isWrapped ? { [inner.branchName!]: held } : held
}

function fieldOf(type: avro.types.RecordType, path: readonly string[]): avro.types.Field {
  const field = type.fields.find((candidate) => candidate.name === path[0])
  if (field === undefined) throw new RecordError(`the schema has no field ${path.join('.')}`)
  return field
}

export function isNumeric(type: avro.Type | undefined): boolean {
  const { IntType, LongType, FloatType, DoubleType } = avro.types
  return [IntType, LongType, FloatType, DoubleType].some((kind) => type instanceof kind)
}

function typed(type: avro.Type, value: unknown): unknown {
  const { types } = avro
  if (type instanceof types.WrappedUnionType || type instanceof types.UnwrappedUnionType) {
    const branches = branchesOf(type)
    const branch = branches.find((candidate) => candidate.isValid(typed(candidate, value))) ?? branches[0]
    return value === null || branch === undefined ? null : inBranch(type, branch, typed(branch, value))
  }
  if (isNumeric(type)) return Number(value)
  return type instanceof types.StringType ? String(value) : value
}
