/** Opens where a node's output goes: sinks with the encoders of their formats, side outputs, dead letters. */
import type { EncodedSinks, Outlets } from '../actors/output.ts'
import type { SourceReader } from '../codec/port.ts'
import { openSampleEncoder, sampleSchema } from '../codec/sample.ts'
import { viewSchemaOf } from '../codec/source.ts'
import type { Config } from '../config/load.ts'
import type { Compression, SampleFormat, SinkSpec } from '../config/model.ts'
import type { Log, Writer } from '../log/port.ts'
import { BatchedTopic } from '../sinks/batches.ts'
import { FileSink } from '../sinks/file.ts'
import { KafkaSink } from '../sinks/kafka.ts'
import { limitOf, type TopicLimit } from '../sinks/limit.ts'
import { outputTopics } from './topics.ts'

export interface OpenOutletsOptions {
  readonly config: Config
  /** Says what the topics take. */
  readonly log: Pick<Log, 'topics'>
  readonly writer: Writer
  /** Who emits. */
  readonly node: string
  readonly viewReader: SourceReader
  readonly onDeadLetters: (partition: number, baseOffset: number, count: number) => void
  readonly logger?: { warn(fields: object, message: string): void }
}

export interface OpenOutlets extends Outlets {
  /** Of a partition that is given up: what is not durable is made again. */
  discard(partition: number): void
  close(): Promise<void>
}

export async function openOutlets(options: OpenOutletsOptions): Promise<OpenOutlets> {
  const { config, writer } = options
  const { pipeline } = config
  const infos = await options.log.topics(outputTopics(pipeline))
  const limit = (topic: string, compression: Compression): TopicLimit => {
    const info = infos.find((one) => one.topic === topic)
    return limitOf(info, compression, pipeline.limits.inflatedBytes)
  }
  const samples: EncodedSinks[] = []
  for (const spec of pipeline.sinks) samples.push(await openSink(spec, limit, options))
  const { late, orphans, deadLetters } = pipeline.sideOutputs
  const side = (topic: string, onAppended?: OpenOutletsOptions['onDeadLetters']): BatchedTopic =>
    new BatchedTopic(topic, 'lz4', writer, { limit: limit(topic, 'lz4'), onAppended })
  const outlets = {
    samples,
    late: side(late),
    orphans: side(orphans),
    deadLetters: side(deadLetters, options.onDeadLetters),
  }
  return {
    ...outlets,
    discard(partition) {
      for (const { sinks } of samples) for (const sink of sinks) sink.discard(partition)
      for (const topic of [outlets.late, outlets.orphans, outlets.deadLetters]) topic.discard(partition)
    },
    async close() {
      for (const { sinks } of samples) for (const sink of sinks) await sink.close()
      for (const topic of [outlets.late, outlets.orphans, outlets.deadLetters]) await topic.flush()
    },
  }
}

async function openSink(
  spec: SinkSpec,
  limit: (topic: string, compression: Compression) => TopicLimit,
  options: OpenOutletsOptions,
): Promise<EncodedSinks> {
  const { config, writer, viewReader, node } = options
  const { pipeline } = config
  if (spec.type === 'kafka') {
    const { topic, compression } = spec
    const encoder = await openSampleEncoder(pipeline, spec.format, viewReader, pipeline.limits, { topic })
    const sink = new KafkaSink(topic, compression, writer, { limit: limit(topic, compression), node })
    return { encoder, sinks: [sink] }
  }
  const format: SampleFormat = spec.format === 'avro' ? { type: 'avro' } : { type: 'json' }
  const encoder = await openSampleEncoder(pipeline, format, viewReader, pipeline.limits)
  const schema = encoder.schema ?? sampleSchema(pipeline, await viewSchemaOf(pipeline.sources[0]))
  return { encoder, sinks: [await FileSink.open({ ...spec, schema, logger: options.logger })] }
}
