/**
 * What stands beside a record of a consolidated topic: where it came from, or that it tells clocks.
 *
 * An event keeps its bytes as value and its timestamp; its key is the text of its user id. Its header `origin` holds
 * topic, partition, offset and schema, with blanks between: `json`; `avro:` and the first 16 digits of the SHA-256 of the
 * schema's parsing canonical form; `registry:` and the schema's id there, with which the value begins (`registry` where
 * it does not). Older records have the word before the colon alone. A record of clocks has a header `clocks` and a line
 * for each source partition: topic, partition, and the clock in milliseconds, or `-` where it is left out. A record that
 * the topic cannot hold is cut, and has a header `refused` that says so before the others.
 *
 * The headers of a record lie right behind its value, so an engagement is kept together with them (its payload reaches to
 * their end), and still says where it came from when it is given up. A view's bytes are compared with those of its
 * copies and must be the value's alone.
 */
import { fingerprintOf } from '../codec/avro/transcode.ts'
import { wireId } from '../codec/avro/wireSource.ts'
import type { Place } from '../codec/port.ts'
import type { Format } from '../config/model.ts'
import type { ToldClock } from '../join/event.ts'
import { LEFT_OUT } from '../join/toldClocks.ts'
import type { RawChunk } from '../log/chunk.ts'
import { Cursor, Malformed } from '../log/recordBatch/cursor.ts'

/** Of a schema's fingerprint: it lies beside each record, also in memory. */
const SHOWN_DIGITS = 16
export const ORIGIN = 'origin'
export const CLOCKS = 'clocks'
/** Why the record is a dead letter, as who rewrote it found: it is decided there, once. */
export const REFUSED_BECAUSE = 'refused'

/** The number of headers, and the name's length and text, as Kafka encodes them where this is the only one. */
const LONE_ORIGIN = Buffer.from(`\x02${String.fromCharCode(2 * ORIGIN.length)}${ORIGIN}`)

export function encodeOrigin({ topic, partition, offset }: Place, schema: string): Buffer {
  return Buffer.from(`${topic} ${partition} ${offset} ${schema}`)
}

/** The schema of each record of a source, as its origin names it. */
export function schemaNames(format: Format): (chunk: RawChunk, i: number) => string {
  if (format.type === 'json') return () => 'json'
  if ('schema' in format) {
    const name = `avro:${fingerprintOf(format.schema).slice(0, SHOWN_DIGITS)}`
    return () => name
  }
  return (chunk, i) => {
    const id = wireId(chunk, i)
    return id < 0 ? 'registry' : `registry:${id}`
  }
}

/** Undefined where it is not of this form. */
export function decodeOrigin(header: Buffer): Place | undefined {
  const [topic, partition, offset] = header.toString().split(' ')
  if (offset === undefined) return undefined
  return { topic, partition: Number(partition), offset: Number(offset) }
}

/** Of a value with its headers behind it: the value's length, and what they say. Undefined where there are none. */
export function splitOrigin(payload: Buffer): { readonly length: number; readonly place: Place } | undefined {
  const length = payload.lastIndexOf(LONE_ORIGIN)
  if (length < 0) return undefined
  const cursor = new Cursor(payload, length + LONE_ORIGIN.length, payload.length)
  const header = headerIn(cursor)
  const place = header === undefined || cursor.at !== payload.length ? undefined : decodeOrigin(header)
  return place === undefined ? undefined : { length, place }
}

function headerIn(cursor: Cursor): Buffer | undefined {
  try {
    const length = cursor.nullable()
    return cursor.bytes.subarray(cursor.at - length, cursor.at)
  } catch (error) {
    if (error instanceof Malformed) return undefined
    throw error
  }
}

/** A source partition's name in records of clocks. */
export function nameOf(topic: string, partition: number): string {
  return `${topic} ${partition}`
}

export function topicOf(name: string): string {
  return name.slice(0, name.lastIndexOf(' '))
}

export function encodeClocks(clocks: readonly ToldClock[]): Buffer {
  return Buffer.from(clocks.map(({ name, clockMs }) => `${name} ${clockMs === LEFT_OUT ? '-' : clockMs}`).join('\n'))
}

/** Undefined where it is not of this form. */
export function decodeClocks(value: Buffer): readonly ToldClock[] | undefined {
  const clocks = value
    .toString()
    .split('\n')
    .map((line) => {
      const [topic, partition, clock] = line.split(' ')
      return { name: `${topic} ${partition}`, clockMs: clock === '-' ? LEFT_OUT : Number(clock ?? Number.NaN) }
    })
  return clocks.every(({ clockMs }) => !Number.isNaN(clockMs)) ? clocks : undefined
}
