/** Opens the reader of a source by its format. */
import type { AvroSchema, DecodeLimits, Source } from '../config/model.ts'
import { AvroFileSource } from './avro/fileSource.ts'
import { AvroWireSource } from './avro/wireSource.ts'
import { JsonSchemaSource } from './json/schemaSource.ts'
import { JsonSource } from './json/source.ts'
import type { SourceReader } from './port.ts'
import { RegistryClient } from './registry.ts'

/** Rejects with a SchemaError where the schema does not have the mapped fields, or has them in types that cannot be. */
export async function openSourceReader(source: Source, limits: DecodeLimits): Promise<SourceReader> {
  const { format } = source
  if (format.type === 'json') {
    return format.schema === undefined
      ? new JsonSource(source, limits)
      : new JsonSchemaSource(source, format.schema, limits)
  }
  if ('schema' in format) return new AvroFileSource(source, format.schema, limits)
  return new AvroWireSource(source, new RegistryClient(format.registry), limits)
}

/**
 * The schema that the pipeline's samples nest for this source of views: the file's; null for JSON without one; of a
 * registry, the newest of the topic's subject. Rejects where the registry cannot be asked or has none.
 */
export async function viewSchemaOf(source: Source): Promise<AvroSchema | null> {
  const { format } = source
  if (!('registry' in format)) return format.schema ?? null
  const subject = `${source.topic}-value`
  const schema = await new RegistryClient(format.registry).latest(subject)
  if (schema === null) throw new Error(`the schema registry has no schema under ${subject}`)
  return schema
}
