/**
 * From the checked shape of pipeline.yaml to the model: schema files read, registry credentials resolved, and the
 * checks that concern several keys at once.
 */
import { carrierProblems } from './carrier.ts'
import { problem } from './check.ts'
import { digests, fingerprint } from './fingerprint.ts'
import type {
  AvroSchema,
  FieldMap,
  Format,
  Label,
  Pipeline,
  Registry,
  SampleFormat,
  SampleSchema,
  SinkSpec,
  Source,
} from './model.ts'
import type { PipelineFile } from './pipelineShape.ts'
import { ConfigError, type Problem } from './problem.ts'
import { hasField, readSchemaFile } from './schemaFile.ts'
import { resolveSecret, resolveText, type SecretSource } from './secret.ts'

/** What a commit says of its sources must fit into Kafka's 4,096 bytes of metadata. */
export const MAX_SOURCES = 16

type ViewsFile = PipelineFile['sources']['views']
type EngagementsFile = PipelineFile['sources']['engagements'][number]
type FormatFile = ViewsFile['format']
type RegistryFile = NonNullable<FormatFile['registry']>
type SinkFile = PipelineFile['sinks'][number]

export function pipelineFrom(given: PipelineFile, from: SecretSource): Pipeline {
  const problems = [...topicProblems(given, from.file), ...deliveryProblems(given, from.file)]
  const bySection = [
    sourcesFrom('views', given.sources.views, 'sources.views', from, problems),
    ...given.sources.engagements.map((source, i) =>
      sourcesFrom('engagements', source, `sources.engagements.${i}`, from, problems),
    ),
  ]
  const sources = bySection.flat()
  const labels = labelsFrom(given.labels)
  problems.push(...carrierProblems(labels, sources, from.file))
  if (problems.length > 0) throw new ConfigError(problems)
  const pipeline = {
    name: given.name,
    sources,
    sections: bySection.map((section) => section.map((source) => sources.indexOf(source))),
    labels,
    time: timeFrom(given.time),
    ...(given.repartition === undefined ? {} : { repartition: given.repartition }),
    onMiskeyed: given.onMiskeyed,
    createTopics: given.createTopics,
    sinks: given.sinks.map((sink, i) => sinkFrom(sink, `sinks.${i}`, from)),
    sampleSchemas: sampleSchemasFrom(given.sinks, from),
    sideOutputs: given.sideOutputs,
    delivery: given.delivery,
    limits: limitsFrom(given.limits),
  } satisfies Omit<Pipeline, 'fingerprint' | 'digests'>
  return { ...pipeline, fingerprint: fingerprint(pipeline), digests: digests(pipeline) }
}

function labelsFrom(labels: PipelineFile['labels']): Label[] {
  return Object.entries(labels).map(([name, { on, within, fold, default: fallback }]) => ({
    name,
    on,
    withinMs: within,
    fold,
    default: fallback,
  }))
}

function timeFrom(time: PipelineFile['time']): Pipeline['time'] {
  return {
    basis: time.basis,
    outOfOrdernessMs: time.outOfOrderness,
    allowedLatenessMs: time.allowedLateness,
    idleAfterMs: time.idleAfter,
    idle: time.idle,
    maxClockSkewMs: time.maxClockSkew,
    alignWithinMs: time.alignWithin,
    clockSkewToleranceMs: time.clockSkewTolerance,
    rememberSealedMs: time.rememberSealed,
  }
}

function limitsFrom(limits: PipelineFile['limits']): Pipeline['limits'] {
  return {
    inflatedBytes: limits.inflated,
    recordBytes: limits.record,
    items: limits.items,
    depth: limits.depth,
    stringBytes: limits.string,
  }
}

/** One for each of the topics, which share all else. */
function sourcesFrom(
  role: Source['role'],
  given: ViewsFile | EngagementsFile,
  key: string,
  from: SecretSource,
  problems: Problem[],
): Source[] {
  const fields = fieldsFrom(given.fields)
  const format = collecting(problems, () => formatFrom(given.format, `${key}.format`, from))
  if (format !== undefined && 'schema' in format && format.schema !== undefined) {
    problems.push(...missingFields(given.fields, format.schema, `${key}.fields`, from.file))
  }
  return given.topic.map((topic) => ({ role, topic, format: format ?? { type: 'json' }, fields }))
}

function fieldsFrom(given: ViewsFile['fields'] | EngagementsFile['fields']): FieldMap {
  const { time, ...rest } = given
  const base = {
    ...rest,
    time: Array.isArray(time) ? { path: time } : timeField(time as { field: string[]; unit?: 's' | 'ms' | 'us' }),
  }
  if (!('type' in given)) return base as FieldMap
  const type = given.type
  return { ...base, type: 'const' in type ? { const: type.const } : { path: type } } as FieldMap
}

function timeField(time: { readonly field: readonly string[]; readonly unit?: 's' | 'ms' | 'us' }): FieldMap['time'] {
  return time.unit === undefined ? { path: time.field } : { path: time.field, unit: time.unit }
}

/** Each mapped field must be in the schema, where there is one: a typing error here would refuse every record. */
function missingFields(given: object, schema: AvroSchema, key: string, file: string): Problem[] {
  const problems: Problem[] = []
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    const path = Array.isArray(value) ? value : (value as { field?: readonly string[] } | undefined)?.field
    if (path === undefined || hasField(schema, path)) continue
    problems.push(problem(file, `${key}.${name}`, 'no such field in the schema', path.join('.')))
  }
  return problems
}

function formatFrom(given: FormatFile, key: string, from: SecretSource): Format {
  if (given.registry !== undefined)
    return { type: 'avro', registry: registryFrom(given.registry, `${key}.registry`, from) }
  if (given.schema === undefined) return { type: 'json' }
  const file = readSchemaFile(given.schema, from.folder, from.file, `${key}.schema`)
  return given.type === 'avro' ? { type: 'avro', ...file } : { type: 'json', ...file }
}

function registryFrom(given: RegistryFile, key: string, from: SecretSource): Registry {
  if (typeof given === 'string') return { url: given }
  if (from.isOverFiles) return { url: given.url }
  const registry: { url: string; username?: string; password?: string } = { url: given.url }
  if (given.username !== undefined) registry.username = resolveText(given.username, `${key}.username`, from)
  if (given.password !== undefined) registry.password = resolveSecret(given.password, `${key}.password`, from)
  return registry
}

function sinkFrom(given: SinkFile, key: string, from: SecretSource): SinkSpec {
  if (given.type === 'file') {
    return {
      type: 'file',
      format: given.format.type,
      folder: given.folder,
      compression: given.compression,
      rollBytes: given.rollSize,
      rollEveryMs: given.rollEvery,
    }
  }
  return {
    type: 'kafka',
    topic: given.topic,
    compression: given.compression,
    format: sampleFormatFrom(given.format, key, from),
  }
}

function sampleFormatFrom(
  given: { type: 'avro' | 'json'; registry?: RegistryFile },
  key: string,
  from: SecretSource,
): SampleFormat {
  if (given.type === 'json') return { type: 'json' }
  if (given.registry === undefined) return { type: 'avro' }
  return { type: 'avro', registry: registryFrom(given.registry, `${key}.format.registry`, from) }
}

function sampleSchemasFrom(sinks: readonly SinkFile[], from: SecretSource): SampleSchema[] {
  return sinks.flatMap(({ format: { schema } }, i) => {
    const key = `sinks.${i}.format.schema`
    return schema === undefined ? [] : [{ key, ...readSchemaFile(schema, from.folder, from.file, key) }]
  })
}

/** No topic may be named twice: not read twice, not written twice, and never read and written. */
function topicProblems(given: PipelineFile, file: string): Problem[] {
  const problems: Problem[] = []
  const named: [key: string, topic: string][] = []
  const { views, engagements } = given.sources
  const sources = [['views', views.topic], ...engagements.map(({ topic }, i) => [`engagements.${i}`, topic])] as const
  for (const [name, topics] of sources as readonly (readonly [string, readonly string[]])[]) {
    const key = `sources.${name}.topic`
    for (const topic of topics) named.push([key, topic])
    if (topics.length === 1 || given.repartition !== undefined) continue
    problems.push(problem(file, key, 'a list of topics needs repartition: { topic: NAME }', topics.join(', ')))
  }
  if (given.repartition !== undefined) named.push(['repartition.topic', given.repartition.topic])
  for (const [i, sink] of given.sinks.entries()) if (sink.type === 'kafka') named.push([`sinks.${i}.topic`, sink.topic])
  for (const [name, topic] of Object.entries(given.sideOutputs)) named.push([`sideOutputs.${name}`, topic])

  const first = new Map<string, string>()
  for (const [key, topic] of named) {
    const other = first.get(topic)
    if (other === undefined) first.set(topic, key)
    else problems.push(problem(file, key, `is the topic of ${other} too`, topic))
  }
  const count = views.topic.length + engagements.reduce((total, { topic }) => total + topic.length, 0)
  if (count > MAX_SOURCES) {
    problems.push(
      problem(
        file,
        'sources.engagements',
        `at most ${MAX_SOURCES - 1} topics: a commit must hold the state of each`,
        count - 1,
      ),
    )
  }
  return problems
}

/** Files take no part in a transaction. */
function deliveryProblems({ delivery, sinks }: PipelineFile, file: string): Problem[] {
  if (delivery !== 'exactly-once') return []
  const message = 'cannot be exactly-once: only topics take part in a transaction. Use a sink of type kafka'
  return sinks.flatMap((sink, i) =>
    sink.type === 'kafka' ? [] : [problem(file, `sinks.${i}.type`, message, sink.type)],
  )
}

function collecting<T>(problems: Problem[], make: () => T): T | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}
