/**
 * The shape of pipeline.yaml: every key, its kind and its default. What concerns several keys at once, and what needs
 * other files, is in pipeline.ts.
 *
 * Unknown keys are refused everywhere, and so is what is known but not built.
 */
import { z } from 'zod'
import {
  AVRO_NAME,
  choice,
  count,
  duration,
  durationOrOff,
  fieldPath,
  NOT_BUILT,
  positive,
  size,
  topicName,
} from './kinds.ts'

/** Credentials may hold any sign unescaped, so that no reading of the URL finds them: an @ anywhere is refused. */
const registryUrl = z.string().superRefine((url, context) => {
  const isUrl = /^https?:\/\/[^\s/]/.test(url) && URL.canParse(url)
  if (isUrl && !url.includes('@')) return
  const message = url.includes('@')
    ? 'must not hold credentials, nor an @: write { url, username, password } with env: or file: references'
    : 'must be an http or https URL'
  context.addIssue({ code: 'custom', message })
})

/** A URL, or one with credentials. */
const registry = z.union(
  [registryUrl, z.strictObject({ url: registryUrl, username: z.string().optional(), password: z.string().optional() })],
  { error: 'must be an http or https URL without credentials, or { url, username, password }' },
)

const schemaPath = z.string({ error: 'must be the path of an Avro schema file' }).min(1).optional()

const format = z
  .strictObject({
    type: choice(['avro', 'json']),
    schema: schemaPath,
    registry: registry.optional(),
  })
  .superRefine((given, context) => {
    if (given.type === 'avro' && (given.schema === undefined) === (given.registry === undefined)) {
      context.addIssue({ code: 'custom', message: 'avro needs one of schema (a file) and registry (a URL)' })
    }
    if (given.type === 'json' && given.registry !== undefined) {
      context.addIssue({ code: 'custom', path: ['registry'], message: 'is for type avro only' })
    }
  })

/** One topic, or several of one format, which `repartition` makes one of. */
const topic = z
  .union([topicName(), z.array(topicName()).min(1)], { error: 'must be the name of a topic, or a list of names' })
  .transform((given) => [given].flat())

const time = z.union(
  [fieldPath(), z.strictObject({ field: fieldPath(), unit: choice(['s', 'ms', 'us']).optional() })],
  {
    error: 'must be a field, or { field, unit } with unit s, ms or us',
  },
)

const eventType = z.union([fieldPath(), z.strictObject({ const: z.string().min(1) })], {
  error: 'must be a field, or { const: name } for a topic that holds one type only',
})

const views = z.strictObject({
  topic,
  format,
  fields: z.strictObject({ viewId: fieldPath().optional(), userId: fieldPath(), itemId: fieldPath(), time }),
})

const engagements = z.strictObject({
  topic,
  format,
  fields: z.strictObject({
    viewId: fieldPath().optional(),
    engagementId: fieldPath().optional(),
    userId: fieldPath(),
    itemId: fieldPath(),
    time,
    type: eventType,
    value: fieldPath().optional(),
  }),
})

const label = z
  .strictObject({
    on: z.string({ error: 'must be an engagement type' }).min(1, { error: 'must be an engagement type' }),
    within: positive(duration()),
    fold: choice(['any', 'first', 'last', 'max', 'sum', 'count']).prefault('any'),
    default: z.number({ error: 'must be a number or null' }).nullable().default(0),
  })
  .superRefine((given, context) => {
    const whole = given.fold === 'any' || given.fold === 'count'
    if (whole && given.default !== null && (given.default | 0) !== given.default) {
      context.addIssue({
        code: 'custom',
        path: ['default'],
        message: `must be a whole number for the fold ${given.fold}`,
      })
    }
  })

const sampleFormat = z
  .union(
    [
      choice(['avro', 'json']),
      z.strictObject({ type: choice(['avro', 'json']), schema: schemaPath, registry: registry.optional() }),
    ],
    {
      error: 'must be avro, json, { type: avro, schema: FILE } or { type: avro, registry: URL }',
    },
  )
  .transform((given) => (typeof given === 'string' ? { type: given, schema: undefined, registry: undefined } : given))
  .superRefine(({ type, schema, registry }, context) => {
    if (schema !== undefined && registry !== undefined) {
      context.addIssue({ code: 'custom', message: 'has one of schema (a file) and registry (a URL)' })
    } else if (type === 'json' && (schema ?? registry) !== undefined) {
      const path = [schema === undefined ? 'registry' : 'schema']
      context.addIssue({ code: 'custom', path, message: 'is for type avro only' })
    }
  })

const fileType = () => choice(['avro', 'jsonl'], ['parquet'])
const fileFormat = z
  .union([fileType(), z.strictObject({ type: fileType(), schema: schemaPath })], {
    error: 'must be avro, jsonl or { type: avro, schema: FILE }',
  })
  .transform((given) => (typeof given === 'string' ? { type: given, schema: undefined } : given))
  .refine(({ type, schema }) => type === 'avro' || schema === undefined, {
    path: ['schema'],
    error: 'is for type avro only',
  })

const kafkaSink = z.strictObject({
  type: z.literal('kafka'),
  topic: topicName(),
  format: sampleFormat.prefault('avro'),
  compression: choice(['none', 'lz4', 'gzip', 'zstd', 'snappy']).prefault('lz4'),
})

const fileSink = z
  .strictObject({
    type: z.literal('file'),
    format: fileFormat.prefault('avro'),
    folder: z.string({ error: 'must be the path of a folder' }).min(1),
    compression: choice(['none', 'deflate']).prefault('none'),
    rollSize: positive(size()).prefault('128MiB'),
    rollEvery: positive(duration()).prefault('5m'),
  })
  .refine((sink) => sink.format.type === 'avro' || sink.compression === 'none', {
    path: ['compression'],
    error: 'is for format avro only',
  })

export const pipelineShape = z.strictObject({
  name: z
    .string({ error: 'must be a name' })
    .regex(/^[A-Za-z0-9._-]{1,100}$/, { error: 'must be 1 to 100 of letters, digits, dot, underscore and hyphen' }),
  sources: z.strictObject({ views, engagements: z.array(engagements).min(1, { error: 'needs at least one topic' }) }),
  labels: z
    .record(
      z.string().regex(AVRO_NAME, {
        error: 'a label is a field of the sample: letters, digits and underscore, no digit first',
      }),
      label,
    )
    .refine((labels) => Object.keys(labels).length > 0, { error: 'needs at least one label' }),
  time: z
    .strictObject({
      basis: choice(['event', 'arrival']).prefault('event'),
      outOfOrderness: duration().prefault('5s'),
      allowedLateness: duration().prefault('15s'),
      idleAfter: positive(duration()).prefault('5s'),
      idle: choice(['follow', 'ignore']).prefault('follow'),
      maxClockSkew: durationOrOff().prefault('5m'),
      alignWithin: durationOrOff().prefault('1m'),
      clockSkewTolerance: duration().prefault('0s'),
      rememberSealed: duration().prefault('1m'),
    })
    .prefault({}),
  emit: z.strictObject({ policy: choice(['final'], ['early', 'correct']).prefault('final') }).prefault({}),
  negatives: z
    .strictObject({
      keep: z
        .number({ error: 'must be 1.0' })
        .refine((keep) => keep === 1, { error: `must be 1.0: keeping a part of the negatives is ${NOT_BUILT}` })
        .default(1),
    })
    .prefault({}),
  repartition: z
    .strictObject({
      topic: topicName(),
      partitions: positive(count()).optional(),
    })
    .optional(),
  onMiskeyed: choice(['stop', 'deadLetter']).prefault('stop'),
  createTopics: z.boolean({ error: 'must be true or false' }).default(false),
  sinks: z
    .array(z.discriminatedUnion('type', [kafkaSink, fileSink], { error: 'must be kafka or file' }))
    .min(1, { error: 'needs at least one sink' }),
  sideOutputs: z
    .strictObject({
      late: topicName().prefault('samples-late'),
      orphans: topicName().prefault('samples-orphans'),
      deadLetters: topicName().prefault('samples-dead-letters'),
    })
    .prefault({}),
  delivery: choice(['at-least-once', 'exactly-once']).prefault('at-least-once'),
  limits: z
    .strictObject({
      inflated: positive(size()).prefault('64MiB'),
      record: positive(size()).prefault('1MiB'),
      items: positive(count()).prefault('100k'),
      depth: positive(count()).prefault('64'),
      string: positive(size()).prefault('1MiB'),
    })
    .prefault({}),
})

export type PipelineFile = z.output<typeof pipelineShape>
