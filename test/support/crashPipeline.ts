/**
 * The pipeline of the crash tests: three sources, a label for each fold, windows of a few seconds of event time, so that
 * at any moment some views are pending and others are being sealed. The same rules as the product's configuration and as
 * the oracle's.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import avro from 'avsc'
import type { OracleConfig } from './pureJoin.ts'

export const PARTITIONS = 4
export const OUT_OF_ORDERNESS_MS = 800
export const ALLOWED_LATENESS_MS = 200
const REMEMBER_SEALED_MS = 4_000
const MAX_CLOCK_SKEW_MS = 600_000
const ALIGN_WITHIN_MS = 15_000

/** A test file's own, so that one run of the pipeline can be on the run's broker, and no other's is in its way. */
const OWN = randomBytes(4).toString('hex')
/** By the number of the source. */
export const TOPICS = [`views-${OWN}`, `engagements-${OWN}`, `watches-${OWN}`] as const
/** Where sources are repartitioned: all of them, by user. */
export const ALL = `all-${OWN}`
export const SAMPLES = `samples-${OWN}`
export const LATE = `${SAMPLES}-late`
export const ORPHANS = `${SAMPLES}-orphans`
export const DEAD_LETTERS = `${SAMPLES}-dead-letters`
const NAME = `crash-${OWN}`
/** As the pipeline's name gives it. */
export const GROUP = `postview-${NAME}`

const LABELS = [
  { name: 'click', on: 'click', withinMs: 4_000, fold: 'any', default: 0 },
  { name: 'likes', on: 'like', withinMs: 2_500, fold: 'count', default: 0 },
  { name: 'share', on: 'share', withinMs: 1_000, fold: 'any', default: null },
  { name: 'watch_max', on: 'watch', withinMs: 3_000, fold: 'max', default: null },
  { name: 'watch_sum', on: 'watch', withinMs: 4_000, fold: 'sum', default: 0 },
  { name: 'watch_first', on: 'watch', withinMs: 4_000, fold: 'first', default: -1 },
  { name: 'watch_last', on: 'watch', withinMs: 2_000, fold: 'last', default: 0 },
] as const

export const LONGEST_WINDOW_MS = 4_000

export const ORACLE: OracleConfig = {
  partitions: PARTITIONS,
  sources: [...TOPICS],
  basis: 'event',
  outOfOrdernessMs: OUT_OF_ORDERNESS_MS,
  allowedLatenessMs: ALLOWED_LATENESS_MS,
  clockSkewToleranceMs: 0,
  rememberSealedMs: REMEMBER_SEALED_MS,
  maxClockSkewMs: MAX_CLOCK_SKEW_MS,
  unseen: 'hold',
  labels: LABELS.map((label) => ({ ...label })),
}

const TIME = { type: 'long', logicalType: 'timestamp-millis' }
const ID = ['null', 'string']

const VIEW = {
  type: 'record',
  name: 'View',
  namespace: 'crash',
  fields: [
    { name: 'view_id', type: ID, default: null },
    { name: 'user_id', type: 'string' },
    { name: 'item_id', type: 'string' },
    { name: 'event_time', type: TIME },
    { name: 'surface', type: 'string' },
  ],
} as const

const ENGAGEMENT = {
  type: 'record',
  name: 'Engagement',
  namespace: 'crash',
  fields: [
    { name: 'view_id', type: ID, default: null },
    { name: 'user_id', type: 'string' },
    { name: 'item_id', type: 'string' },
    { name: 'event_time', type: TIME },
    { name: 'type', type: 'string' },
  ],
} as const

const WATCH = {
  type: 'record',
  name: 'Watch',
  namespace: 'crash',
  fields: [
    { name: 'view_id', type: ID, default: null },
    { name: 'user_id', type: 'string' },
    { name: 'item_id', type: 'string' },
    { name: 'event_time', type: TIME },
    { name: 'watched', type: ['null', 'double'], default: null },
  ],
} as const

const isDouble = (fold: string): boolean => fold !== 'any' && fold !== 'count'

/** DESIGN.md section 10, by hand: what readers of samples are promised. */
const SAMPLE = {
  type: 'record',
  name: 'Sample',
  namespace: 'postview',
  fields: [
    { name: 'sample_id', type: 'string' },
    { name: 'user_id', type: 'string' },
    { name: 'item_id', type: 'string' },
    { name: 'view_time', type: TIME },
    {
      name: 'labels',
      type: {
        type: 'record',
        name: 'SampleLabels',
        fields: LABELS.map(({ name, fold, default: value }) => {
          const plain = isDouble(fold) ? 'double' : 'int'
          return { name, type: value === null ? ['null', plain] : plain }
        }),
      },
    },
    {
      name: 'delays_ms',
      type: {
        type: 'record',
        name: 'SampleDelays',
        fields: LABELS.map(({ name }) => ({ name, type: ['null', 'long'] })),
      },
    },
    { name: 'late_view', type: 'boolean' },
    { name: 'revision', type: 'int' },
    { name: 'weight', type: 'double' },
    { name: 'view', type: VIEW },
  ],
}

const typeOf = (schema: unknown): avro.Type => avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false })

/** Of each source, in order. */
export const EVENT_TYPES: readonly avro.Type[] = [VIEW, ENGAGEMENT, WATCH].map(typeOf)
export const SAMPLE_TYPE = typeOf(SAMPLE)

export interface NodeSettings {
  /** Absent: the embedded log. */
  readonly brokers?: string
  readonly dataFolder: string
  readonly isJournalOn: boolean
  /** `memory.state`; absent: the default. */
  readonly state?: string
  readonly delivery?: Delivery
  /** Absent: so long that silence moves no clock, and what is late hangs on no busy machine. */
  readonly idleAfter?: string
  /** How long a sealed view is known, in event time; absent: so short that it is forgotten in a run. */
  readonly rememberSealedMs?: number
  /** Sources are keyed by item, in so many partitions, and joined from one topic of as many. */
  readonly repartition?: number
  /** How long a killed member holds its partitions; absent: a second. */
  readonly sessionTimeout?: string
  /** Further keys of node.yaml, which win. */
  readonly node?: object
}

export type Delivery = 'at-least-once' | 'exactly-once'

/** Writes pipeline.yaml, node.yaml and the schemas into the folder. JSON is YAML. */
export async function writeConfig(folder: string, settings: NodeSettings): Promise<void> {
  await mkdir(folder, { recursive: true })
  const put = (name: string, value: unknown) => writeFile(join(folder, name), JSON.stringify(value, null, 2))
  await Promise.all([
    put('view.avsc', VIEW),
    put('engagement.avsc', ENGAGEMENT),
    put('watch.avsc', WATCH),
    put('pipeline.yaml', pipeline(settings)),
    put('node.yaml', { ...node(settings), ...settings.node }),
  ])
}

function pipeline(settings: NodeSettings): object {
  const { delivery = 'at-least-once', idleAfter = '1h', repartition, rememberSealedMs = REMEMBER_SEALED_MS } = settings
  const fields = { viewId: 'view_id', userId: 'user_id', itemId: 'item_id', time: 'event_time' }
  const format = (schema: string) => ({ type: 'avro', schema })
  const ms = (value: number): string => `${value}ms`
  return {
    name: NAME,
    sources: {
      views: { topic: TOPICS[0], format: format('view.avsc'), fields },
      engagements: [
        { topic: TOPICS[1], format: format('engagement.avsc'), fields: { ...fields, type: 'type' } },
        {
          topic: TOPICS[2],
          format: format('watch.avsc'),
          fields: { ...fields, type: { const: 'watch' }, value: 'watched' },
        },
      ],
    },
    labels: Object.fromEntries(
      LABELS.map(({ name, on, withinMs, fold, default: value }) => [
        name,
        { on, within: ms(withinMs), fold, default: value },
      ]),
    ),
    time: {
      outOfOrderness: ms(OUT_OF_ORDERNESS_MS),
      allowedLateness: ms(ALLOWED_LATENESS_MS),
      rememberSealed: ms(rememberSealedMs),
      maxClockSkew: ms(MAX_CLOCK_SKEW_MS),
      idleAfter,
      alignWithin: ms(ALIGN_WITHIN_MS),
    },
    createTopics: true,
    delivery,
    repartition: repartition === undefined ? undefined : { topic: ALL, partitions: repartition },
    sinks: [{ type: 'kafka', topic: SAMPLES, format: 'avro', compression: 'lz4' }],
    sideOutputs: { late: LATE, orphans: ORPHANS, deadLetters: DEAD_LETTERS },
  }
}

function node({ brokers, dataFolder, isJournalOn, state, sessionTimeout = '1s' }: NodeSettings): object {
  return {
    kafka: brokers === undefined ? undefined : { brokers: [brokers], group: GROUP, sessionTimeout },
    dataDir: dataFolder,
    control: { port: 0 },
    journal: isJournalOn,
    memory: state === undefined ? undefined : { state },
    embedded: { partitions: PARTITIONS },
    commitEvery: '200ms',
  }
}
