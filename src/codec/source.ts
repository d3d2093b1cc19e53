/** Opens the reader of a source by its format. */
import type { DecodeLimits, Source } from '../config/model.ts'
import { AvroFileSource } from './avro/fileSource.ts'
import type { SourceReader } from './port.ts'

/** Rejects with a SchemaError where the schema does not have the mapped fields, or has them in types that cannot be. */
export async function openSourceReader(source: Source, limits: DecodeLimits): Promise<SourceReader> {
  const { format } = source
  if (format.type === 'avro' && 'schema' in format) return new AvroFileSource(source, format.schema, limits)
  throw new Error('TEMPORARY')
}
