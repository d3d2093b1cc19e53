/** Plausible values for the fields of a producer's schema that the join does not read. */
import avro from 'avsc'
import type { Random } from './random.ts'

const WORDS = new Map<string, readonly string[]>([
  ['surface', ['home', 'search', 'profile', 'feed']],
  ['device', ['phone', 'tablet', 'desktop']],
  ['country', ['IN', 'DE', 'BR', 'US', 'ID']],
])
const MAX_ITEMS = 8
/** A recursive type ends here, where its unions and arrays let it. */
const MAX_DEPTH = 4

export function filler(type: avro.Type, name: string, random: Random, depth = 0): unknown {
  const { types } = avro
  if (type instanceof types.StringType) return word(name, random)
  if (type instanceof types.BooleanType) return random.chance(0.5)
  if (type instanceof types.IntType) return random.below(100)
  if (type instanceof types.LongType) return random.below(1_000_000)
  if (type instanceof types.FloatType || type instanceof types.DoubleType) return random.below(1000) / 1000
  if (type instanceof types.EnumType) return type.symbols[random.below(type.symbols.length)]
  if (type instanceof types.BytesType) return randomBytes(random.below(MAX_ITEMS), random)
  if (type instanceof types.FixedType) return randomBytes(type.size, random)
  if (type instanceof types.LogicalType) return filler(type.underlyingType, name, random, depth)
  if (type instanceof types.ArrayType) return fillerList(type.itemsType, name, random, depth)
  if (type instanceof types.MapType) return { [word('key', random)]: filler(type.valuesType, name, random, depth + 1) }
  if (type instanceof types.RecordType) return fillerRecord(type, random, depth)
  if (type instanceof types.WrappedUnionType || type instanceof types.UnwrappedUnionType) {
    return inUnion(type, (branch) => filler(branch, name, random, depth + 1), depth >= MAX_DEPTH)
  }
  return null
}

/** A value as avsc wants it in this union: the first branch that is not null, wrapped where the branches are alike. */
export function inUnion(
  type: avro.types.WrappedUnionType | avro.types.UnwrappedUnionType,
  value: (branch: avro.Type) => unknown,
  preferNull: boolean,
): unknown {
  const branch = type.types.find((candidate) => !(candidate instanceof avro.types.NullType))
  const hasNull = type.types.some((candidate) => candidate instanceof avro.types.NullType)
  if (branch === undefined || (preferNull && hasNull)) return null
  return inBranch(type, branch, value(branch))
}

export function inBranch(type: avro.Type, branch: avro.Type, value: unknown): unknown {
  return type instanceof avro.types.WrappedUnionType ? { [branch.branchName!]: value } : value
}

function fillerList(items: avro.Type, name: string, random: Random, depth: number): unknown[] {
  const length = depth >= MAX_DEPTH ? 0 : random.below(MAX_ITEMS)
  return Array.from({ length }, () => filler(items, name, random, depth + 1))
}

function fillerRecord(type: avro.types.RecordType, random: Random, depth: number): object {
  return Object.fromEntries(type.fields.map((field) => [field.name, filler(field.type, field.name, random, depth + 1)]))
}

function word(name: string, random: Random): string {
  const words = WORDS.get(name)
  return words === undefined ? `${name}-${random.below(100)}` : words[random.below(words.length)]
}

function randomBytes(length: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)))
}
