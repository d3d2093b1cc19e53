/**
 * What stands beside a record of a consolidated topic: where it came from, or that it tells clocks.
 *
 * An event keeps its bytes as value and its timestamp; its key is the text of its user id. Its header `origin` holds
 * topic, partition, offset and schema (`json`, `avro`, or `registry` where the bytes name it), with blanks between. A
 * record of clocks has a header `clocks` and a line for each source partition: topic, partition, and the clock in
 * milliseconds, or `-` where it is left out.
 */
import type { Format } from '../config/model.ts'
import type { ToldClock } from '../join/event.ts'
import { LEFT_OUT } from '../join/toldClocks.ts'

export const ORIGIN = 'origin'
export const CLOCKS = 'clocks'

export interface Origin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export function encodeOrigin({ topic, partition, offset }: Origin, format: Format): Buffer {
  return Buffer.from(`${topic} ${partition} ${offset} ${schemaOf(format)}`)
}

/** Undefined where it is not of this form. */
export function decodeOrigin(header: Buffer): Origin | undefined {
  const [topic, partition, offset] = header.toString().split(' ')
  if (offset === undefined) return undefined
  return { topic, partition: Number(partition), offset: Number(offset) }
}

function schemaOf(format: Format): string {
  return 'registry' in format ? 'registry' : format.type
}

/** A source partition's name in records of clocks. */
export function nameOf(topic: string, partition: number): string {
  return `${topic} ${partition}`
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
