/** Opens the encoder of a sink's sample format, and reads samples back. */
import type { AvroSchema, DecodeLimits, Pipeline, SampleFormat } from '../config/model.ts'
import { avroToValue } from './avro/json.ts'
import { resolveSchema } from './avro/schema.ts'
import type { SampleEncoder, SourceReader } from './port.ts'
import { RegistryClient } from './registry.ts'
import { AvroSampleEncoder } from './sampleAvro.ts'
import { JsonSampleEncoder } from './sampleJson.ts'
import { viewSchemaOf } from './source.ts'

export { sampleSchema } from './sampleSchema.ts'

export interface SampleEncoderOptions {
  /** Where the samples go: names the subject of wire-format schemas. */
  readonly topic?: string
  /** Of the pipeline's views, where the caller has it at hand (see viewSchemaOf). */
  readonly viewSchema?: AvroSchema | null
  /** Of the sample's record. */
  readonly name?: string
}

/** Rejects where the schema of the pipeline's views is a registry's, is needed, and cannot be had. */
export async function openSampleEncoder(
  pipeline: Pipeline,
  format: SampleFormat,
  viewReader: SourceReader,
  limits: DecodeLimits,
  options: SampleEncoderOptions = {},
): Promise<SampleEncoder> {
  if (format.type === 'json') return new JsonSampleEncoder(pipeline, viewReader, limits)
  const source = pipeline.sources[0]
  if (!('registry' in format)) {
    const viewSchema = options.viewSchema === undefined ? await viewSchemaOf(source) : options.viewSchema
    return new AvroSampleEncoder(pipeline, viewSchema, viewReader, null, options.name)
  }
  if (options.topic === undefined) throw new Error('samples in wire format need a topic, which names their subject')
  const registry = new RegistryClient(format.registry)
  const subject = `${options.topic}-value`
  const registrar = { register: (schema: AvroSchema) => registry.register(subject, schema) }
  const viewSchema = 'registry' in source.format ? undefined : (source.format.schema ?? null)
  return new AvroSampleEncoder(pipeline, viewSchema, viewReader, registrar, options.name)
}

const MAX = Number.MAX_SAFE_INTEGER
/** Our own samples, in tests and tools, need no limits but that of the stack. */
const OWN_LIMITS: DecodeLimits = { inflatedBytes: MAX, recordBytes: MAX, items: MAX, depth: 1000, stringBytes: MAX }

/** A sample as an object, with its Avro schema. Integers beyond 2^53 are strings. */
export function decodeSample(schema: AvroSchema, bytes: Buffer): Record<string, unknown> {
  return avroToValue(resolveSchema(schema), bytes, OWN_LIMITS) as Record<string, unknown>
}
