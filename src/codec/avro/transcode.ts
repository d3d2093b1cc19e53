/**
 * Records rewritten from one Avro schema to another by Avro's rules of schema resolution (avsc), with 64-bit integers
 * exact. Only off the hot path: for the few writers whose schema is not the pipeline's.
 */
import avro from 'avsc'
import type { AvroSchema } from '../../config/model.ts'
import { SchemaError } from '../error.ts'
import { type AvroType, resolveSchema, typeName } from './schema.ts'

/** avsc's own long throws near 2^53: this one is a bigint throughout. */
export const exactLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (n: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(n)
    return bytes
  },
  fromJSON: (n: number | string) => BigInt(n),
  toJSON: (n: bigint) => (Number.isSafeInteger(Number(n)) ? Number(n) : n.toString()),
  isValid: (n: unknown) => typeof n === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

export function avscType(schema: AvroSchema): avro.Type {
  return avro.Type.forSchema(schema as avro.Schema, { typeHook: exactLongs, wrapUnions: true })
}

/** Also of longs with attributes, such as a logical type, which avsc's registry of types does not reach. */
function exactLongs(schema: avro.Schema): avro.Type | undefined {
  const type = typeof schema === 'string' ? schema : (schema as { type?: unknown }).type
  return type === 'long' ? exactLong : undefined
}

/** Whether what one schema wrote are the bytes that the other would write: equal but for what decides no byte. */
export function sameBytes(a: AvroSchema, b: AvroSchema): boolean {
  return a === b || canonical(a) === canonical(b)
}

/** SHA-256, in hexadecimal digits, of the schema's parsing canonical form, as others compute it too. */
export function fingerprintOf(schema: AvroSchema): string {
  return avscType(withoutDefaults(schema, () => true))
    .fingerprint('sha256')
    .toString('hex')
}

/** A function that rewrites records; throws a SchemaError where the schemas cannot be resolved. */
export function transcoder(writer: AvroSchema, reader: AvroSchema): (payload: Buffer) => Buffer {
  const written = new Map<string, AvroType>()
  const names = [resolveSchema(writer, written), resolveSchema(reader)].map(typeName)
  try {
    const from = avscType(withoutDefaults(writer, () => true))
    const to = readerType(reader, written)
    const resolver = to.createResolver(from)
    return (payload) => to.toBuffer(to.fromBuffer(payload, resolver))
  } catch (error) {
    const text = (error as Error).message
    throw new SchemaError(`views of schema ${names[0]} cannot be read with the pipeline's schema ${names[1]}: ${text}`)
  }
}

/** Others let defaults pass that avsc refuses: those of fields that the writer has are never used. */
function readerType(reader: AvroSchema, written: ReadonlyMap<string, AvroType>): avro.Type {
  try {
    return avscType(reader)
  } catch {
    const fields = new Set<string>()
    for (const type of written.values()) {
      if (type.kind === 'record') for (const { name } of type.fields) fields.add(`${simpleName(type.name)}.${name}`)
    }
    return avscType(withoutDefaults(reader, (record, field) => fields.has(`${simpleName(record)}.${field}`)))
  }
}

/** Names alone count where schemas are resolved, not their namespaces. */
function simpleName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

type Json = Readonly<Record<string, unknown>>

/** A schema without the defaults of some fields. */
function withoutDefaults(schema: AvroSchema, isLeftOut: (record: string, field: string) => boolean): AvroSchema {
  const stripped = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(stripped)
    if (typeof part !== 'object' || part === null) return part
    const { name, fields } = part as Json
    const inner = ['type', 'items', 'values'].filter((key) => key in part)
    const types = Object.fromEntries(inner.map((key) => [key, stripped((part as Json)[key])]))
    if (!Array.isArray(fields)) return { ...part, ...types }
    return { ...part, ...types, fields: fields.map((field: Json) => fieldOf(String(name), field)) }
  }
  const fieldOf = (record: string, field: Json): Json => {
    const { default: value, ...rest } = { ...field, type: stripped(field.type) } as Json
    const isKept = 'default' in field && !isLeftOut(record, String(field.name))
    return isKept ? { ...rest, default: value } : rest
  }
  return stripped(schema) as AvroSchema
}

/** What decides the bytes, and names: no defaults, docs, aliases and logical types. */
function canonical(schema: AvroSchema): string {
  const seen = new Set<string>()
  const plain = (type: AvroType): unknown => {
    if ('name' in type && seen.has(type.name)) return type.name
    if ('name' in type) seen.add(type.name)
    switch (type.kind) {
      case 'record':
        return [type.kind, type.name, type.fields.map((field) => [field.name, plain(field.type)])]
      case 'enum':
        return [type.kind, type.name, type.symbols]
      case 'fixed':
        return [type.kind, type.name, type.size]
      case 'array':
      case 'map':
        return [type.kind, plain(type.items)]
      case 'union':
        return [type.kind, type.branches.map(plain)]
      default:
        return type.kind
    }
  }
  return JSON.stringify(plain(resolveSchema(schema)))
}
