/** The Avro types of a source's records: what lies at a path, through records and through unions with them. */
import avro from 'avsc'
import type { Source } from './model.ts'

/** Undefined where no schema is written in the configuration. */
export function recordTypeOf({ format }: Source): avro.Type | undefined {
  if (!('schema' in format) || format.schema === undefined) return undefined
  return avro.Type.forSchema(format.schema as avro.Schema)
}

/** The types that a value may have, where it is not null. */
export function branchesOf(type: avro.Type): avro.Type[] {
  const isUnion = type instanceof avro.types.WrappedUnionType || type instanceof avro.types.UnwrappedUnionType
  return isUnion ? type.types.filter((branch) => !(branch instanceof avro.types.NullType)) : [type]
}

/** The types at a path, where it is not null. */
export function typesAt(type: avro.Type, path: readonly string[]): avro.Type[] {
  if (path.length === 0) return branchesOf(type)
  const records = branchesOf(type).filter((branch) => branch instanceof avro.types.RecordType)
  const fields = records.flatMap((record) => record.fields.filter(({ name }) => name === path[0]))
  return fields.flatMap((field) => typesAt(field.type, path.slice(1)))
}
