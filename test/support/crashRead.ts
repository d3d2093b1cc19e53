/**
 * What lies in the topics after a crash run, from their first record on: the events as the oracle takes them, the
 * samples decoded, the dead letters' places.
 *
 * Owns: nothing but the decoding, by avsc and the contract's schema; nothing of the product's own reading is used.
 */
import type { OracleSample } from '../oracle/run.ts'
import { DEAD_LETTERS, EVENT_TYPES, LATE, ORPHANS, SAMPLE_TYPE, SAMPLES, TOPICS } from './crashPipeline.ts'
import type { CrashWorld, LogRecord } from './crashWorld.ts'
import type { OracleEvent } from './pureJoin.ts'

export interface ReadEvent {
  readonly source: number
  readonly record: LogRecord
  readonly event: OracleEvent
}

export interface ReadSample {
  readonly record: LogRecord
  readonly id: string
  readonly user: string
  /** Users may have views of one id. */
  readonly key: string
}

export interface CrashRecords {
  /** In one order that the sources' records may have come in: by stamp, then source, then offset. */
  readonly events: readonly ReadEvent[]
  /** In the order of their topic's partitions. */
  readonly samples: readonly ReadSample[]
  /** Topic, partition and offset of what each dead letter is about. */
  readonly deadLetters: readonly string[]
  /** By that: the letters. */
  readonly letters: ReadonlyMap<string, LogRecord>
  /** And of each record of the side outputs. */
  readonly beside: readonly string[]
}

interface Decoded {
  readonly view_id: string | null
  readonly user_id: string
  readonly item_id: string
  readonly event_time: number
  readonly type?: string
  readonly watched?: number | null
}

/** Reads the topics; only while no node runs. */
export async function readRecords(world: CrashWorld): Promise<CrashRecords> {
  const events: ReadEvent[] = []
  for (const [source, topic] of TOPICS.entries()) {
    for (const record of await world.readAll(topic)) events.push({ source, record, event: eventOf(source, record) })
  }
  events.sort((a, b) => a.record.stampMs - b.record.stampMs || a.source - b.source || a.record.offset - b.record.offset)
  const samples = (await world.readAll(SAMPLES)).map(sampleOf)
  samples.sort((a, b) => a.record.partition - b.record.partition || a.record.offset - b.record.offset)
  const dead = await world.readAll(DEAD_LETTERS)
  const deadLetters = dead.map(({ headers }) =>
    ['topic', 'partition', 'offset'].map((part) => headers.get(part)).join(' '),
  )
  const letters = new Map(dead.map((letter, k) => [deadLetters[k], letter]))
  const beside = [...(await sidePlaces(world, LATE)), ...(await sidePlaces(world, ORPHANS))]
  return { events, samples, deadLetters, letters, beside }
}

/** Where the engagements of a side output were read. */
async function sidePlaces(world: CrashWorld, topic: string): Promise<string[]> {
  return (await world.readAll(topic)).map(({ value }) => {
    const { topic: from, partition, offset } = JSON.parse(String(value)) as Record<string, string | number>
    return `${from} ${partition} ${offset}`
  })
}

export function placeOf({ source, record }: ReadEvent): string {
  return `${TOPICS[source]} ${record.partition} ${record.offset}`
}

export function keyOf(user: string, id: string): string {
  return `${user} ${id}`
}

/** A view's identity (SEMANTICS.md section 1). */
export function viewKeyOf({ user = '', item = '', viewId, time }: OracleEvent): string {
  const plain = (text: string): string => text.replaceAll('%', '%25').replaceAll(':', '%3A')
  return keyOf(user, viewId ?? `${plain(user)}:${plain(item)}:${time}`)
}

/** A record as the oracle takes it, decoded by avsc. */
export function eventOf(source: number, { partition, offset, stampMs, value }: LogRecord): OracleEvent {
  const place = { source, partition, offset, stamp: stampMs, now: Date.now() }
  let decoded: Decoded
  try {
    decoded = EVENT_TYPES[source].fromBuffer(value) as Decoded
  } catch {
    return { ...place, refused: true }
  }
  const event = {
    ...place,
    user: decoded.user_id,
    item: decoded.item_id,
    viewId: decoded.view_id,
    time: Number(decoded.event_time),
  }
  if (source === 0) return { ...event, bytes: value.toString('base64') }
  return { ...event, type: decoded.type ?? 'watch', value: decoded.watched ?? null }
}

export function sampleOf(record: LogRecord): ReadSample {
  const { sample_id: id, user_id: user } = SAMPLE_TYPE.fromBuffer(record.value) as OracleSample
  return { record, id, user, key: keyOf(user, id) }
}
