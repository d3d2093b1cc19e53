/**
 * GET /tail: the newest samples as they were emitted, read from the topic that they go to: what is seen is durable, of the
 * whole cluster, and costs the join nothing. `after` is the `cursor` of the answer before; without it the newest are told.
 *
 * Sampled when fast: of more than MOST_READ new samples a partition the newest are read, and `skipped` counts the rest.
 *
 * How it fails: 404 where samples go to files alone.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Place } from '../codec/port.ts'
import { nodeOf, openSampleTopic, type SampleTopic } from '../explain/emission.ts'
import { partitionOfUser } from '../explain/explain.ts'
import { EventBatch, REFUSED } from '../join/event.ts'
import type { Log, PartitionEnds } from '../log/port.ts'
import type { Inside } from './inside.ts'

export interface TailAnswer {
  /** The newest last. */
  readonly samples: readonly TailSample[]
  /** To be given back as `after`. */
  readonly cursor: string
  /** New samples that were not looked at. */
  readonly skipped: number
  /** Those that were looked at and did not fit the filter. */
  readonly filtered: number
}

export interface TailSample extends Place {
  readonly producedAtMs: number
  /** As far as it is known: the first sample of a batch tells it. */
  readonly node: string | null
  readonly sample: Readonly<Record<string, unknown>>
}

interface TailQuery {
  readonly after?: string
  readonly limit?: string
  readonly user?: string
  /** `click=1`: samples with this value of the label. */
  readonly label?: string
}

export interface LabelFilter {
  readonly name: string
  readonly value: number | null
}

const LIMIT = 20
const LIMIT_MOST = 500
const MOST_READ = 2000
const READ_BYTES = 256 * 1024
const TAIL_COST = 10

export function addTailRoute(app: FastifyInstance, { node }: Inside): void {
  let opening: Promise<SampleTopic | undefined> | undefined
  app.get<{ Querystring: TailQuery }>('/tail', { config: { cost: TAIL_COST } }, async ({ query }, reply) => {
    const limit = Number(query.limit ?? LIMIT)
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MOST) {
      return reply.code(400).send({ error: `limit=${query.limit}: must be 1 to ${LIMIT_MOST}` })
    }
    const names = node.config.pipeline.labels.map(({ name }) => name)
    const label = query.label === undefined ? undefined : labelFilter(query.label, names)
    if (label === null) {
      return reply.code(400).send({ error: `label=${query.label}: must be LABEL=VALUE; labels: ${names.join(', ')}` })
    }
    opening ??= openSampleTopic(node.config.pipeline)
    const topic = await opening.catch((error: Error) => {
      opening = undefined
      throw error
    })
    if (topic === undefined)
      return reply.code(404).send({ error: 'samples go to files alone: there is no topic to read' })
    return tail({ log: node.log, topic, limit, user: query.user, label, after: cursorOf(query.after) })
  })
}

/** `click=1`, `rating=null`; null where it is no such thing. */
export function labelFilter(text: string, names: readonly string[]): LabelFilter | null {
  const at = text.lastIndexOf('=')
  const name = text.slice(0, at)
  const value = text.slice(at + 1)
  if (at < 1 || !names.includes(name) || value === '') return null
  if (value === 'null') return { name, value: null }
  return Number.isFinite(Number(value)) ? { name, value: Number(value) } : null
}

/** `partition:offset,...`; what cannot be read is a new beginning. */
function cursorOf(text: string | undefined): ReadonlyMap<number, number> | undefined {
  if (text === undefined || !/^\d+:\d+(,\d+:\d+)*$/.test(text)) return undefined
  return new Map(text.split(',').map((one) => one.split(':').map(Number) as [number, number]))
}

export interface TailOptions {
  readonly log: Log
  readonly topic: SampleTopic
  readonly limit: number
  readonly user?: string
  readonly label?: LabelFilter
  readonly after?: ReadonlyMap<number, number>
}

export async function tail(options: TailOptions): Promise<TailAnswer> {
  const { log, topic, limit, user, after } = options
  const ends = await log.ends([topic.topic])
  const only = user === undefined ? undefined : partitionOfUser(Buffer.from(user), ends.length)
  const found: TailSample[] = []
  let skipped = 0
  let looked = 0
  for (const end of ends) {
    if (only !== undefined && end.partition !== only) continue
    const isFiltered = user !== undefined || options.label !== undefined
    const first = Math.max(end.low, end.high - (after === undefined && !isFiltered ? limit : MOST_READ))
    const since = after?.get(end.partition) ?? first
    const from = Math.max(first, since)
    skipped += Math.max(0, from - since)
    looked += Math.max(0, end.high - from)
    found.push(...(await samplesIn(options, end, from)))
    await nextTurn()
  }
  found.sort((a, b) => a.producedAtMs - b.producedAtMs || a.partition - b.partition || a.offset - b.offset)
  const samples = found.slice(-limit)
  // New ones that fit and were too many are skipped; older ones that a first look passes over are not new.
  if (after !== undefined) skipped += found.length - samples.length
  const cursor = ends.map(({ partition, high }) => `${partition}:${high}`).join(',')
  return { samples, cursor, skipped, filtered: looked - found.length }
}

async function samplesIn(
  { log, topic, user, label }: TailOptions,
  end: PartitionEnds,
  from: number,
): Promise<TailSample[]> {
  const found: TailSample[] = []
  const batch = new EventBatch()
  const wanted = user === undefined ? undefined : Buffer.from(user)
  let node: string | null = null
  if (from >= end.high) return found
  for await (const chunk of log.readRange(topic.topic, end.partition, from, end.high, READ_BYTES)) {
    const preparing = topic.reader.prepare(chunk)
    if (preparing !== undefined) await preparing
    topic.reader.read(chunk, batch)
    for (let i = 0; i < batch.count; i++) {
      node = nodeOf(chunk, i) ?? node
      if (batch.kind[i] >= REFUSED) continue
      const at = batch.userAt[i]
      if (wanted !== undefined && wanted.compare(batch.text, at, at + batch.userLength[i]) !== 0) continue
      const payloadAt = batch.payloadAt[i]
      const payload = batch.payload.subarray(payloadAt, payloadAt + batch.payloadLength[i])
      const sample = topic.reader.toJson(payload, batch.writer[i]) as Record<string, unknown>
      if (label !== undefined && !hasLabel(sample, label)) continue
      const place = { topic: topic.topic, partition: end.partition, offset: chunk.offset[i] }
      found.push({ ...place, producedAtMs: chunk.stampMs[i], node, sample })
    }
  }
  return found
}

function hasLabel(sample: Readonly<Record<string, unknown>>, { name, value }: LabelFilter): boolean {
  const found = (sample.labels as Record<string, unknown> | undefined)?.[name]
  return value === null ? found === null : Number(found) === value && found !== null
}
