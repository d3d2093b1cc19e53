/**
 * Avro schema files: where they are looked for, and that they hold what the field mapping names.
 *
 * A relative path is looked for in the folder of the configuration, then in the two folders above it, then in the
 * working folder: so config/kafka and config share the schemas of their project.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import avro from 'avsc'
import { problem } from './check.ts'
import type { AvroSchema } from './model.ts'
import { ConfigError } from './problem.ts'

const FOLDERS_ABOVE = 2

export interface SchemaFile {
  readonly schema: AvroSchema
  readonly schemaFile: string
}

export function readSchemaFile(path: string, folder: string, file: string, key: string): SchemaFile {
  const found = candidates(path, folder).find((candidate) => existsSync(candidate))
  if (found === undefined) throw new ConfigError([problem(file, key, 'no such schema file', path)])
  try {
    const schema = JSON.parse(readFileSync(found, 'utf8')) as AvroSchema
    const type = avro.Type.forSchema(schema as avro.Schema)
    if (!(type instanceof avro.types.RecordType)) throw new Error('it must be a record')
    return { schema, schemaFile: found }
  } catch (error) {
    throw new ConfigError([problem(file, key, `not an Avro schema: ${(error as Error).message}`, path)])
  }
}

/** Whether a record of this schema has the field: through records and through unions with them. */
export function hasField(schema: AvroSchema, path: readonly string[]): boolean {
  return typeHasField(avro.Type.forSchema(schema as avro.Schema), path)
}

function typeHasField(type: avro.Type, path: readonly string[]): boolean {
  if (path.length === 0) return true
  if (type instanceof avro.types.RecordType) {
    const field = type.fields.find((candidate) => candidate.name === path[0])
    return field !== undefined && typeHasField(field.type, path.slice(1))
  }
  if (type instanceof avro.types.WrappedUnionType || type instanceof avro.types.UnwrappedUnionType) {
    return type.types.some((branch) => typeHasField(branch, path))
  }
  return false
}

function candidates(path: string, folder: string): string[] {
  const found: string[] = []
  let base = resolve(folder)
  for (let up = 0; up <= FOLDERS_ABOVE; up++) {
    found.push(resolve(base, path))
    base = dirname(base)
  }
  return [...found, resolve(path)]
}
