/** Opens the encoder of a sink's sample format. */
import type { AvroSchema, DecodeLimits, Pipeline, SampleFormat } from '../config/model.ts'
import type { SampleEncoder, SourceReader } from './port.ts'
import { AvroSampleEncoder } from './sampleAvro.ts'

export { sampleSchema } from './sampleSchema.ts'

export interface SampleEncoderOptions {
  /** Where the samples go: names the subject of wire-format schemas. */
  readonly topic?: string
  /** Of the pipeline's views, where it is not the source's own (see viewSchemaOf). */
  readonly viewSchema?: AvroSchema | null
  /** Of the sample's record. */
  readonly name?: string
}

export async function openSampleEncoder(
  pipeline: Pipeline,
  _format: SampleFormat,
  viewReader: SourceReader,
  _limits: DecodeLimits,
  options: SampleEncoderOptions = {},
): Promise<SampleEncoder> {
  return new AvroSampleEncoder(pipeline, viewReader.schemaOf(0), viewReader, null, options.name)
}
