/**
 * GET /tail: the newest samples as they were emitted, read from the topic that they go to: what is seen is durable, and of
 * the whole cluster. `after` is the `cursor` of the answer before; without it the newest are told.
 *
 * Sampled when fast: of each partition no more than are asked for are read, its newest; with a filter MOST_FILTERED of all
 * partitions together. `skipped` counts what is new beside them.
 *
 * Bounded: one answer at a time, a few wait; it holds twice as many samples as are asked for, and what is read is decoded
 * in small parts, between which the node joins on.
 *
 * How it fails: 404 where samples go to files alone, 429 when too many wait. What has no leader is left out and named.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Place } from '../codec/port.ts'
import { nodeOf, openSampleTopic, type SampleTopic } from '../explain/emission.ts'
import { partitionOfUser } from '../explain/explain.ts'
import { EventBatch, REFUSED } from '../join/event.ts'
import type { Log, PartitionEnds } from '../log/port.ts'
import type { Inside } from './inside.ts'
import { Newest } from './newest.ts'
import { OneAtATime } from './oneAtATime.ts'
import { readableOf } from './readable.ts'

export interface TailAnswer {
  /** The newest last. */
  readonly samples: readonly TailSample[]
  /** To be given back as `after`. */
  readonly cursor: string
  /** New samples that were not looked at. */
  readonly skipped: number
  /** Those that were looked at and did not fit the filter. */
  readonly filtered: number
  /** Partitions that have no leader now: what they hold is told once they have one. */
  readonly away: readonly number[]
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
const MOST_FILTERED = 2000
const READ_BYTES = 64 * 1024
const DECODED_AT_ONCE = 32
const TAIL_COST = 10

export function addTailRoute(app: FastifyInstance, { node }: Inside): void {
  const turns = new OneAtATime()
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
    if (turns.isFull) return reply.code(429).header('retry-after', '2').send({ error: 'too many tails wait' })
    const { user, after } = query
    return turns.run(() => tail({ log: node.log, topic, limit, user, label, after: cursorOf(after) }))
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
  const { log, topic, limit, after } = options
  const { ends, partitions, away } = await readableOf(log, topic.topic)
  const newest = new Newest<TailSample>(
    limit,
    (a, b) => a.producedAtMs - b.producedAtMs || a.partition - b.partition || a.offset - b.offset,
    ({ producedAtMs }) => producedAtMs,
  )
  let unread = 0
  let looked = 0
  for (const { partition, since, from, to } of stretchesOf(ends, partitions, options)) {
    unread += from - since
    looked += to - from
    if (from < to) await readStretch(options, { partition, from, to }, newest)
  }
  const samples = newest.inOrder()
  // New ones that fit and were too many are skipped; older ones that a first look passes over are not new.
  const skipped = after === undefined ? 0 : unread + newest.offered - samples.length
  const seen = new Map([...(after ?? []), ...ends.map(({ partition, high }) => [partition, high] as const)])
  const cursor = [...seen].map(([partition, high]) => `${partition}:${high}`).join(',')
  return { samples, cursor, skipped, filtered: looked - newest.offered, away }
}

interface Stretch {
  readonly partition: number
  readonly from: number
  readonly to: number
}

/** What is read of each partition: its newest, of what is there `since` the answer before. */
function stretchesOf(
  ends: readonly PartitionEnds[],
  partitions: number,
  options: TailOptions,
): (Stretch & { since: number })[] {
  const { limit, user, label, after } = options
  const only = user === undefined ? undefined : partitionOfUser(Buffer.from(user), partitions)
  const isFiltered = user !== undefined || label !== undefined
  const asked = ends
    .filter(({ partition }) => only === undefined || partition === only)
    .map(({ partition, low, high }) => {
      const since = Math.min(high, after?.get(partition) ?? low)
      return { partition, since, to: high, there: high - Math.max(low, since) }
    })
    .sort((a, b) => a.there - b.there)
  // What one has not, the others share.
  let left = MOST_FILTERED
  return asked.map(({ partition, since, to, there }, k) => {
    const records = Math.min(there, isFiltered ? Math.floor(left / (asked.length - k)) : limit)
    left -= records
    return { partition, since, from: to - records, to }
  })
}

async function readStretch(options: TailOptions, stretch: Stretch, newest: Newest<TailSample>): Promise<void> {
  const { log, topic, user, label } = options
  const { partition, from, to } = stretch
  const batch = new EventBatch()
  const wanted = user === undefined ? undefined : Buffer.from(user)
  let node: string | null = null
  let decoded = 0
  for await (const chunk of log.readRange(topic.topic, partition, from, to, READ_BYTES)) {
    const preparing = topic.reader.prepare(chunk)
    if (preparing !== undefined) await preparing
    topic.reader.read(chunk, batch)
    for (let i = 0; i < batch.count; i++) {
      node = nodeOf(chunk, i) ?? node
      if (batch.kind[i] >= REFUSED) continue
      const at = batch.userAt[i]
      if (wanted !== undefined && wanted.compare(batch.text, at, at + batch.userLength[i]) !== 0) continue
      const producedAtMs = chunk.stampMs[i]
      if (label === undefined && !newest.offer(producedAtMs)) continue
      if (++decoded % DECODED_AT_ONCE === 0) await nextTurn()
      const payloadAt = batch.payloadAt[i]
      const payload = batch.payload.subarray(payloadAt, payloadAt + batch.payloadLength[i])
      const sample = topic.reader.toJson(payload, batch.writer[i]) as Record<string, unknown>
      if (label !== undefined && !(hasLabel(sample, label) && newest.offer(producedAtMs))) continue
      newest.keep({ topic: topic.topic, partition, offset: chunk.offset[i], producedAtMs, node, sample })
    }
    await nextTurn()
  }
}

function hasLabel(sample: Readonly<Record<string, unknown>>, { name, value }: LabelFilter): boolean {
  const found = (sample.labels as Record<string, unknown> | undefined)?.[name]
  return value === null ? found === null : Number(found) === value && found !== null
}
