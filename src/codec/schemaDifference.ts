/**
 * The first place in which two Avro schemas differ for those who write or read by them: Avro's parsing canonical form
 * (full names, types, the order of fields), and of its attributes those by which a reader understands a value: defaults,
 * logical types, aliases. Documentation and the order of attributes are no difference.
 *
 * Both must be schemas that resolve (see avro/schema.ts).
 */
import type { AvroSchema } from '../config/model.ts'
import { resolveSchema } from './avro/schema.ts'

export interface SchemaDifference {
  /** Names of fields and attributes, outermost first. */
  readonly where: string
  /** Undefined: it is not there. */
  readonly wanted: unknown
  readonly found: unknown
}

type Json = Readonly<Record<string, unknown>>

const READERS_ATTRIBUTES = ['symbols', 'size', 'default', 'logicalType', 'precision', 'scale', 'aliases']

/** Undefined where they are the same. Fails with a SchemaError where one is no schema. */
export function schemaDifference(wanted: AvroSchema, found: AvroSchema): SchemaDifference | undefined {
  return difference(plainForm(wanted), plainForm(found), [])
}

function plainForm(schema: AvroSchema): unknown {
  const names = new Map()
  resolveSchema(schema, names)
  return plainType(schema, '', (name) => names.has(name))
}

/** A name without a dot is one of the namespace around it, else one without a namespace. */
function plainType(schema: unknown, namespace: string, isName: (name: string) => boolean): unknown {
  if (typeof schema === 'string') {
    const full = fullName(schema, namespace)
    return isName(full) ? full : schema
  }
  if (Array.isArray(schema)) return schema.map((branch) => plainType(branch, namespace, isName))
  const json = schema as Json
  if (typeof json.type !== 'string') return plainType(json.type, namespace, isName)
  const attributes = READERS_ATTRIBUTES.filter((name) => name in json).map((name) => [name, json[name]])
  switch (json.type) {
    case 'array':
      return { type: 'array', items: plainType(json.items, namespace, isName) }
    case 'map':
      return { type: 'map', values: plainType(json.values, namespace, isName) }
    case 'record':
    case 'error':
    case 'enum':
    case 'fixed':
      return plainNamed(json, namespace, isName, attributes)
    default:
      if (attributes.length === 0) return plainType(json.type, namespace, isName)
      return { type: plainType(json.type, namespace, isName), ...Object.fromEntries(attributes) }
  }
}

function plainNamed(json: Json, around: string, isName: (name: string) => boolean, attributes: unknown[][]): unknown {
  const given = json.name as string
  const own = typeof json.namespace === 'string' ? json.namespace : around
  const name = fullName(given, own)
  const inner = name.slice(0, Math.max(0, name.lastIndexOf('.')))
  const fields = (json.fields as readonly Json[] | undefined)?.map((field) => ({
    name: field.name,
    type: plainType(field.type, inner, isName),
    ...Object.fromEntries(READERS_ATTRIBUTES.filter((key) => key in field).map((key) => [key, field[key]])),
  }))
  const type = json.type === 'error' ? 'record' : json.type
  // Aliases of a type are names in its own namespace; those of a field are not.
  const aliases = (json.aliases as readonly string[] | undefined)?.map((alias) => fullName(alias, inner))
  const told = { ...Object.fromEntries(attributes), ...(aliases === undefined ? {} : { aliases }) }
  return { type, name, ...told, ...(fields === undefined ? {} : { fields }) }
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function difference(wanted: unknown, found: unknown, path: readonly string[]): SchemaDifference | undefined {
  if (!isNested(wanted) || !isNested(found) || Array.isArray(wanted) !== Array.isArray(found)) {
    return wanted === found ? undefined : { where: path.join('.'), wanted, found }
  }
  for (const key of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    const step = [wanted[key], found[key]].find((child) => isNested(child) && typeof child.name === 'string')
    const inner = difference(wanted[key], found[key], stepped(path, key, Array.isArray(wanted) ? step : undefined))
    if (inner !== undefined) return inner
  }
  return undefined
}

/** A field stands for itself: no one counts fields. */
function stepped(path: readonly string[], key: string, named: unknown): readonly string[] {
  if (key === 'fields') return path
  return [...path, isNested(named) ? String(named.name) : key]
}

function isNested(value: unknown): value is Json {
  return typeof value === 'object' && value !== null
}
