/**
 * GET /late, /orphans, /dead: the newest of each with the reason, read from the ends of their topics: of the whole
 * cluster. Dead letters are told by where they lay and why; their bytes may hold anything.
 *
 * Bounded: one answer at a time, a few wait; of its partitions one after the other, a part at a time, between which the
 * node joins on; it holds twice as many records as are asked for.
 *
 * How it fails: 429 when too many wait. What has no leader is left out and named.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Place } from '../codec/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Log, PartitionEnds } from '../log/port.ts'
import { headersOf } from '../log/recordBatch/headers.ts'
import { VALUE_BYTES } from '../sinks/cut.ts'
import type { Inside } from './inside.ts'
import { Newest } from './newest.ts'
import { OneAtATime } from './oneAtATime.ts'
import { readableOf } from './readable.ts'

export interface NewestAnswer<T> {
  readonly topic: string
  /** In the topic, all together. */
  readonly count: number
  /** The newest first. */
  readonly records: readonly T[]
  /** Partitions of it that have no leader now: what they hold is not here. */
  readonly away: readonly number[]
}

/** An engagement that was given up, with its own fields beside these. */
export interface GivenUp {
  readonly writtenAtMs: number
  readonly user: string | null
  readonly reason: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Of a consolidated topic's record: where it lay before; else null. */
  readonly source: Place | null
  readonly event: Readonly<Record<string, unknown>>
}

export interface DeadLetterRow {
  readonly writtenAtMs: number
  readonly key: string | null
  readonly reason: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** As in GivenUp. */
  readonly source: Place | null
  /** Of the whole value, also where it was cut. */
  readonly valueBytes: number
  /** A decision that the log alone would not give: recovery reads it back. */
  readonly decided: boolean
}

interface Written {
  readonly writtenAtMs: number
}

type Read<T extends Written> = (chunk: RawChunk, i: number) => T

interface NewestQuery {
  readonly limit?: string
}

const LIMIT = 20
const LIMIT_MOST = 500
const READ_BYTES = 64 * 1024
const NEWEST_COST = 5

export function addSideOutputRoutes(app: FastifyInstance, { node }: Inside): void {
  const turns = new OneAtATime()
  const add = <T extends Written>(path: string, topic: string, read: Read<T>) => {
    app.get<{ Querystring: NewestQuery }>(path, { config: { cost: NEWEST_COST } }, async ({ query }, reply) => {
      const limit = Number(query.limit ?? LIMIT)
      if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MOST) {
        return reply.code(400).send({ error: `limit=${query.limit}: must be 1 to ${LIMIT_MOST}` })
      }
      if (turns.isFull) return reply.code(429).header('retry-after', '2').send({ error: 'too many of these wait' })
      return turns.run(() => newestOf(node.log, topic, limit, read))
    })
  }
  const { sideOutputs, repartition } = node.config.pipeline
  const { late, orphans, deadLetters } = sideOutputs
  const givenUp = repartition === undefined ? readGivenUp : readRewritten
  add('/late', late, givenUp)
  add('/orphans', orphans, givenUp)
  add('/dead', deadLetters, readDeadLetter)
}

export async function newestOf<T extends Written>(
  log: Log,
  topic: string,
  limit: number,
  read: Read<T>,
): Promise<NewestAnswer<T>> {
  const { ends, away } = await readableOf(log, topic)
  const newest = new Newest<T>(
    limit,
    (a, b) => a.writtenAtMs - b.writtenAtMs,
    ({ writtenAtMs }) => writtenAtMs,
  )
  for (const end of ends) await readNewest(log, end, limit, read, newest)
  const count = ends.reduce((sum, { low, high }) => sum + high - low, 0)
  return { topic, count, records: newest.inOrder().reverse(), away }
}

async function readNewest<T extends Written>(
  log: Log,
  { topic, partition, low, high }: PartitionEnds,
  limit: number,
  read: Read<T>,
  newest: Newest<T>,
): Promise<void> {
  const from = Math.max(low, high - limit)
  if (from >= high) return
  for await (const chunk of log.readRange(topic, partition, from, high, READ_BYTES)) {
    for (let i = 0; i < chunk.count; i++) if (newest.offer(chunk.stampMs[i])) newest.keep(read(chunk, i))
    chunk.release?.()
    await nextTurn()
  }
}

function readGivenUp(chunk: RawChunk, i: number): GivenUp {
  const { topic, partition, offset, reason, ...event } = givenUpIn(chunk, i)
  return {
    writtenAtMs: chunk.stampMs[i],
    user: keyOf(chunk, i),
    reason: String(reason),
    topic: String(topic),
    partition: Number(partition),
    offset: Number(offset),
    source: null,
    event,
  }
}

/** Somebody else may have written to the topic: what cannot be read is told as such, without what it holds. */
function givenUpIn(chunk: RawChunk, i: number): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(bytesOf(chunk, i)?.toString() ?? '')
    if (typeof found === 'object' && found !== null) return { ...found }
  } catch {
    // The error quotes the record.
  }
  return { topic: '', partition: -1, offset: -1, reason: 'not a record of a node' }
}

function readRewritten(chunk: RawChunk, i: number): GivenUp {
  const told = readGivenUp(chunk, i)
  const { source_topic: topic, source_partition: partition, source_offset: offset, ...event } = told.event
  return { ...told, event, source: sourceOf(topic, partition, offset) }
}

function readDeadLetter(chunk: RawChunk, i: number): DeadLetterRow {
  const headers = new Map(headersOf(chunk, i).map(([name, value]) => [name, value?.toString() ?? '']))
  return {
    writtenAtMs: chunk.stampMs[i],
    key: keyOf(chunk, i),
    reason: headers.get('reason') ?? 'not told',
    topic: headers.get('topic') ?? '',
    partition: Number(headers.get('partition') ?? -1),
    offset: Number(headers.get('offset') ?? -1),
    source: sourceOf(headers.get('source_topic'), headers.get('source_partition'), headers.get('source_offset')),
    valueBytes: Number(headers.get(VALUE_BYTES) ?? Math.max(0, chunk.valueLength[i])),
    decided: headers.get('decided') === '1',
  }
}

function sourceOf(topic: unknown, partition: unknown, offset: unknown): Place | null {
  return topic === undefined ? null : { topic: String(topic), partition: Number(partition), offset: Number(offset) }
}

function keyOf(chunk: RawChunk, i: number): string | null {
  if (chunk.keyLength[i] < 0) return null
  return chunk.bytes.toString('utf8', chunk.keyAt[i], chunk.keyAt[i] + chunk.keyLength[i])
}

function bytesOf(chunk: RawChunk, i: number): Buffer | null {
  if (chunk.valueLength[i] < 0) return null
  return chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
}
