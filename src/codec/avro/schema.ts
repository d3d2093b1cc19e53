/**
 * An Avro schema resolved: names and namespaces looked up, so that a type is a graph in which a recursive type points
 * to itself.
 *
 * Owns: reading Avro's schema JSON. One named type is one object, so its identity can be a key.
 * Fails with a SchemaError that names the type or the attribute.
 */
import type { AvroSchema } from '../../config/model.ts'
import { SchemaError } from '../error.ts'

export type Primitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'

export type AvroType =
  | { readonly kind: Primitive; readonly logicalType?: string }
  | { readonly kind: 'fixed'; readonly name: string; readonly size: number; readonly logicalType?: string }
  | { readonly kind: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly kind: 'array' | 'map'; readonly items: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | AvroRecord

export interface AvroRecord {
  readonly kind: 'record'
  readonly name: string
  readonly fields: AvroField[]
}

export interface AvroField {
  readonly name: string
  readonly type: AvroType
  /** Absent (not merely undefined) where the field has none. */
  readonly default?: unknown
}

const PRIMITIVES: ReadonlySet<string> = new Set<Primitive>([
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
])
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Schemas come from a registry too: one nested deeper is an attack on the stack, not a schema. */
const MAX_NESTING = 200

type Json = Readonly<Record<string, unknown>>

/** Resolves the schema; every name it gives to a type is in `names` afterwards. */
export function resolveSchema(schema: AvroSchema, names = new Map<string, AvroType>()): AvroType {
  return resolve(schema, '', names, 0)
}

/** The names of a branch as Avro's JSON encoding and our messages call it. */
export function typeName(type: AvroType): string {
  return 'name' in type ? type.name : type.kind
}

function resolve(schema: unknown, namespace: string, names: Map<string, AvroType>, nesting: number): AvroType {
  if (nesting > MAX_NESTING) throw new SchemaError(`the schema is nested deeper than ${MAX_NESTING}`)
  if (typeof schema === 'string') return byName(schema, namespace, names)
  if (Array.isArray(schema)) return union(schema, namespace, names, nesting)
  if (schema === null || typeof schema !== 'object') throw new SchemaError(`not a schema: ${JSON.stringify(schema)}`)
  const json = schema as Json
  const type = json.type
  if (typeof type !== 'string') return resolve(type, namespace, names, nesting + 1)
  switch (type) {
    case 'record':
    case 'error':
      return record(json, namespace, names, nesting)
    case 'enum':
      return enumeration(json, namespace, names)
    case 'fixed':
      return fixed(json, namespace, names)
    case 'array':
      return { kind: 'array', items: resolve(json.items, namespace, names, nesting + 1) }
    case 'map':
      return { kind: 'map', items: resolve(json.values, namespace, names, nesting + 1) }
    default:
      return withLogical(byName(type, namespace, names), json)
  }
}

function withLogical(type: AvroType, json: Json): AvroType {
  if (typeof json.logicalType !== 'string' || 'name' in type) return type
  return { ...type, logicalType: json.logicalType } as AvroType
}

function byName(name: string, namespace: string, names: Map<string, AvroType>): AvroType {
  if (PRIMITIVES.has(name)) return { kind: name as Primitive }
  const found = names.get(fullName(name, namespace)) ?? (name.includes('.') ? undefined : names.get(name))
  if (found === undefined) throw new SchemaError(`unknown type ${JSON.stringify(name)}`)
  return found
}

function union(
  branches: readonly unknown[],
  namespace: string,
  names: Map<string, AvroType>,
  nesting: number,
): AvroType {
  const types = branches.map((branch) => resolve(branch, namespace, names, nesting + 1))
  if (types.length === 0) throw new SchemaError('a union has no branches')
  const seen = new Set<string>()
  for (const type of types) {
    const name = typeName(type)
    if (type.kind === 'union' || seen.has(name)) throw new SchemaError(`a union holds ${name} twice, or a union`)
    seen.add(name)
  }
  return { kind: 'union', branches: types }
}

function record(json: Json, namespace: string, names: Map<string, AvroType>, nesting: number): AvroType {
  const name = declaredName(json, namespace)
  if (!Array.isArray(json.fields)) throw new SchemaError(`record ${name} has no fields`)
  const type: AvroRecord = { kind: 'record', name, fields: [] }
  declare(type, names)
  const inner = namespaceOf(name)
  const seen = new Set<string>()
  for (const field of json.fields as readonly Json[]) {
    const fieldName = field?.name
    if (typeof fieldName !== 'string' || !NAME.test(fieldName) || seen.has(fieldName)) {
      throw new SchemaError(`record ${name}: ${JSON.stringify(fieldName)} is no field name, or is there twice`)
    }
    seen.add(fieldName)
    const resolved = { name: fieldName, type: resolve(field.type, inner, names, nesting + 1) }
    type.fields.push('default' in field ? { ...resolved, default: field.default } : resolved)
  }
  return type
}

function enumeration(json: Json, namespace: string, names: Map<string, AvroType>): AvroType {
  const name = declaredName(json, namespace)
  const symbols = json.symbols as readonly unknown[]
  const good =
    Array.isArray(symbols) && symbols.length > 0 && symbols.every((s) => typeof s === 'string' && NAME.test(s))
  if (!good || new Set(symbols).size !== symbols.length) throw new SchemaError(`enum ${name} has no proper symbols`)
  return declare({ kind: 'enum', name, symbols: symbols as readonly string[] }, names)
}

function fixed(json: Json, namespace: string, names: Map<string, AvroType>): AvroType {
  const name = declaredName(json, namespace)
  const size = json.size
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw new SchemaError(`fixed ${name} has no proper size`)
  const type = { kind: 'fixed', name, size: size as number } as const
  return declare(typeof json.logicalType === 'string' ? { ...type, logicalType: json.logicalType } : type, names)
}

function declare<T extends AvroType & { readonly name: string }>(type: T, names: Map<string, AvroType>): T {
  if (names.has(type.name)) throw new SchemaError(`type ${type.name} is declared twice`)
  names.set(type.name, type)
  return type
}

function declaredName(json: Json, namespace: string): string {
  if (typeof json.name !== 'string') throw new SchemaError(`a ${String(json.type)} has no name`)
  const own = typeof json.namespace === 'string' ? json.namespace : namespace
  const name = fullName(json.name, own)
  if (!name.split('.').every((part) => NAME.test(part))) throw new SchemaError(`${JSON.stringify(name)} is no name`)
  return name
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function namespaceOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot < 0 ? '' : name.slice(0, dot)
}
