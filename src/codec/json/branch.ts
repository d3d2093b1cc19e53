/**
 * Which branch of a union a JSON value stands for: the first that suits it, or the one that a wrapper
 * `{"branch": value}` names, as Avro's JSON encoding has it.
 */
import { type AvroType, typeName } from '../avro/schema.ts'
import { numberOf } from './decimal.ts'
import * as T from './tape.ts'

/** The symbols of each enum. */
export type Symbols = ReadonlyMap<AvroType, ReadonlyMap<string, number>>

/** The branch that a wrapper names; -1 where the value is none. A lone record or map needs none and is taken as it is. */
export function wrappedBranch(branches: readonly AvroType[], tape: T.JsonTape, entry: number): number {
  if (tape.kind(entry) !== T.OBJECT || tape.next(entry) === tape.first(entry)) return -1
  const key = tape.first(entry)
  if (tape.next(tape.next(key)) !== tape.next(entry)) return -1
  let objects = 0
  for (const { kind } of branches) if (kind === 'record' || kind === 'map') objects++
  if (objects === 1) return -1
  const name = tape.text(key)
  return branches.findIndex((type) => typeName(type) === name)
}

/** The first branch that suits the value; -1 if none does. */
export function suitingBranch(
  branches: readonly AvroType[],
  tape: T.JsonTape,
  entry: number,
  symbols: Symbols,
): number {
  for (let k = 0; k < branches.length; k++) if (suits(branches[k], tape, entry, symbols)) return k
  return -1
}

function suits(type: AvroType, tape: T.JsonTape, entry: number, symbols: Symbols): boolean {
  const kind = tape.kind(entry)
  switch (type.kind) {
    case 'null':
      return kind === T.NULL
    case 'boolean':
      return kind === T.TRUE || kind === T.FALSE
    case 'int': {
      const n = kind === T.INTEGER ? numberOf(tape.bytes, tape.startOf(entry), tape.endOf(entry), true) : Number.NaN
      return n === (n | 0)
    }
    case 'long':
      return kind === T.INTEGER || (tape.isString(entry) && (type.logicalType ?? '').startsWith('timestamp-'))
    case 'float':
    case 'double':
      return kind === T.INTEGER || kind === T.DECIMAL
    case 'enum':
      return tape.isString(entry) && symbols.get(type)?.has(tape.text(entry)) === true
    case 'string':
    case 'bytes':
    case 'fixed':
      return tape.isString(entry)
    case 'array':
      return kind === T.ARRAY
    default:
      return kind === T.OBJECT
  }
}
