/**
 * The sample's Avro schema, derived from the pipeline and the view's own schema, which is nested in it untouched.
 *
 * Invariants:
 * 1. No name of ours is one of the view's: where it would be, ours gives way.
 * 2. A view without a namespace stays without: ours then has none either, since a nested name inherits it.
 */
import type { AvroSchema, Label, Pipeline } from '../config/model.ts'
import { type AvroType, resolveSchema, typeName } from './avro/schema.ts'
import { SchemaError } from './error.ts'

const NAMESPACE = 'postview'

/** How an id of the view is written in the sample. */
export interface IdType {
  readonly schema: AvroSchema
  readonly integer: boolean
  /** The branch to write before the id where the source has a union; -1 for none. */
  readonly branch: number
}

/** `viewSchema` is null for a JSON source without a schema, whose view is its text. */
export function sampleSchema(pipeline: Pipeline, viewSchema: AvroSchema | null, name = 'Sample'): AvroSchema {
  const taken = new Map<string, AvroType>()
  const view = viewSchema === null ? null : resolveSchema(viewSchema, taken)
  const namespace = view !== null && !typeName(view).includes('.') ? '' : NAMESPACE
  const free = (wanted: string): string => {
    let own = wanted
    while (taken.has(namespace === '' ? own : `${namespace}.${own}`)) own += '_'
    return own
  }
  const { userId, itemId } = pipeline.sources[0].fields
  return {
    type: 'record',
    name: free(name),
    ...(namespace === '' ? {} : { namespace }),
    fields: [
      { name: 'sample_id', type: 'string' },
      { name: 'user_id', type: idType(view, userId).schema },
      { name: 'item_id', type: idType(view, itemId).schema },
      { name: 'view_time', type: { type: 'long', logicalType: 'timestamp-millis' } },
      {
        name: 'labels',
        type: { type: 'record', name: free(`${name}Labels`), fields: pipeline.labels.map(labelField) },
      },
      {
        name: 'delays_ms',
        type: { type: 'record', name: free(`${name}Delays`), fields: pipeline.labels.map(delayField) },
      },
      { name: 'late_view', type: 'boolean' },
      { name: 'revision', type: 'int' },
      { name: 'weight', type: 'double' },
      { name: 'view', type: viewSchema ?? 'string' },
    ],
  }
}

export function isDoubleLabel(label: Label): boolean {
  return label.fold !== 'any' && label.fold !== 'count'
}

/** The type of the id at `path` in the view; text where the view is JSON without a schema. */
export function idType(view: AvroType | null, path: readonly string[]): IdType {
  if (view === null) return { schema: 'string', integer: false, branch: -1 }
  let type = view
  for (const name of path) {
    const record = type.kind === 'union' ? type.branches.find((branch) => branch.kind === 'record') : type
    const field = record?.kind === 'record' ? record.fields.find((candidate) => candidate.name === name) : undefined
    if (field === undefined) throw new SchemaError(`schema ${typeName(view)} has no field ${path.join('.')}`)
    type = field.type
  }
  if (type.kind !== 'union') return plainIdType(type, -1)
  const branch = type.branches.findIndex((candidate) => candidate.kind !== 'null')
  const plain = plainIdType(type.branches[branch], branch)
  return { ...plain, schema: type.branches.map((each, k) => (k === branch ? plain.schema : each.kind)) as AvroSchema }
}

function plainIdType(type: AvroType, branch: number): IdType {
  const integer = type.kind === 'int' || type.kind === 'long'
  // An enum's definition is the view's own: here its symbol stands as text.
  if (!integer && type.kind !== 'string') return { schema: 'string', integer: false, branch }
  const { kind, logicalType } = type
  return { schema: logicalType === undefined ? kind : { type: kind, logicalType }, integer, branch }
}

function labelField(label: Label): object {
  const type = isDoubleLabel(label) ? 'double' : 'int'
  return label.default === null ? { name: label.name, type: ['null', type], default: null } : { name: label.name, type }
}

function delayField(label: Label): object {
  return { name: label.name, type: ['null', 'long'], default: null }
}
