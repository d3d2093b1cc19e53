/**
 * How a CSV cell becomes a JSON value. A cell is text and says nothing of its type, so the mapping and the schema do:
 * times and values are numbers, and so are the schema's numbers; ids stay text, so that `007` keeps its zeros.
 *
 * Numbers are written as they stand, digit by digit: a 64-bit number is not rounded here.
 */
import type { AvroSchema, FieldMap } from '../config/model.ts'

export type CellKind = 'text' | 'number' | 'boolean' | 'json'

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/
const NUMBERS = new Set(['int', 'long', 'float', 'double'])
const NESTED = new Set(['array', 'map', 'record'])

/** Kinds by column name; columns that are not in it are text. */
export function cellKinds(fields?: FieldMap, schema?: AvroSchema): Map<string, CellKind> {
  const kinds = new Map<string, CellKind>()
  for (const path of [fields?.time.path, fields?.value]) if (path?.length === 1) kinds.set(path[0], 'number')
  const record = schema as { fields?: readonly { name: string; type: unknown }[] } | undefined
  for (const field of record?.fields ?? []) {
    const kind = kindOf(field.type)
    if (kind === 'text') kinds.delete(field.name)
    else kinds.set(field.name, kind)
  }
  return kinds
}

/** The JSON of a cell; an empty one is null. What does not fit its kind stays text, and is refused where it is read. */
export function cellJson(cell: string, kind: CellKind | undefined): string {
  if (cell === '') return 'null'
  if (kind === 'number' && JSON_NUMBER.test(cell)) return cell
  if (kind === 'boolean' && (cell === 'true' || cell === 'false')) return cell
  if (kind === 'json' && isJson(cell)) return cell
  return JSON.stringify(cell)
}

function kindOf(type: unknown): CellKind {
  if (Array.isArray(type)) {
    const others = type.filter((branch) => branch !== 'null')
    return others.length === 1 ? kindOf(others[0]) : 'text'
  }
  if (typeof type === 'object' && type !== null) return kindOf((type as { type: unknown }).type)
  if (NUMBERS.has(type as string)) return 'number'
  if (NESTED.has(type as string)) return 'json'
  return type === 'boolean' ? 'boolean' : 'text'
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
