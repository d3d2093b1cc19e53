/**
 * What generated events of a source in a registry's wire format are written with: the newest schema of the topic's
 * subject, and its id. Where the registry has none, one is made of the mapped fields and registered, as a producer would.
 *
 * How it fails: a RegistryError where the registry cannot be asked or refuses.
 */

import { type RegisteredSchema, RegistryClient } from '../codec/registry.ts'
import type { AvroSchema, FieldMap, Pipeline, Source } from '../config/model.ts'

export interface WrittenSource extends Source {
  /** The registry's: its records begin with a zero byte and this id. */
  readonly schemaId?: number
}

type Tree = Map<string, Tree | AvroSchema>

const ID = ['null', 'string']

/** The pipeline with the writers' schemas in place of their registries. */
export async function withWriterSchemas(pipeline: Pipeline): Promise<Pipeline> {
  return { ...pipeline, sources: await Promise.all(pipeline.sources.map(written)) }
}

async function written(source: Source): Promise<WrittenSource> {
  const { format, topic } = source
  if (!('registry' in format)) return source
  const registry = new RegistryClient(format.registry)
  const subject = `${topic}-value`
  const { id, schema } = (await registry.newest(subject)) ?? (await registered(registry, subject, source))
  return { ...source, format: { type: 'avro', schema, schemaFile: '' }, schemaId: id }
}

async function registered(registry: RegistryClient, subject: string, source: Source): Promise<RegisteredSchema> {
  const schema = madeSchema(source)
  return { id: await registry.register(subject, schema), schema }
}

/** A record of the mapped fields, with a record for each step of a path. */
function madeSchema({ role, fields }: Source): AvroSchema {
  const tree: Tree = new Map()
  for (const [path, type] of typesOf(fields)) {
    let at = tree
    for (const name of path.slice(0, -1)) at = innerOf(at, name)
    at.set(path[path.length - 1], type)
  }
  return recordOf(role === 'views' ? 'View' : 'Engagement', tree)
}

function typesOf({ viewId, engagementId, userId, itemId, time, type, value }: FieldMap) {
  const timeType = time.unit === undefined ? { type: 'long', logicalType: 'timestamp-millis' } : 'long'
  const mapped: [path: readonly string[] | undefined, type: AvroSchema][] = [
    [viewId, ID],
    [engagementId, 'string'],
    [userId, 'string'],
    [itemId, 'string'],
    [time.path, timeType],
    [type !== undefined && 'path' in type ? type.path : undefined, 'string'],
    [value, ['null', 'double']],
  ]
  return mapped.filter((each): each is [readonly string[], AvroSchema] => each[0] !== undefined)
}

function innerOf(tree: Tree, name: string): Tree {
  const known = tree.get(name)
  if (known instanceof Map) return known
  const inner: Tree = new Map()
  tree.set(name, inner)
  return inner
}

function recordOf(name: string, tree: Tree): AvroSchema {
  const fields = [...tree].map(([field, type]) => {
    return { name: field, type: type instanceof Map ? recordOf(`${name}_${field}`, type) : type }
  })
  return { type: 'record', name, fields }
}
