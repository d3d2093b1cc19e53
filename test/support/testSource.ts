/**
 * What an end-to-end test joins: events as plain values, and topics that write them as bytes and read them back. The
 * encoding and the decoding are the test's own (avsc, JSON), so that the oracle's input owes nothing to the product.
 *
 * Invariant: 64-bit integers are text or bigint on their whole way, never numbers.
 */
import avro from 'avsc'
import type { OracleEvent } from './pureJoin.ts'

export interface TestEvent {
  readonly user: string
  readonly item: string
  readonly timeMs: number
  readonly viewId?: string | null
  readonly engagementId?: string | null
  readonly type?: string
  readonly value?: number | null
  /** What makes records differ that are the same to the join. */
  readonly note?: number
}

/** The fields of an event in the oracle's words. */
export type DecodedEvent = Pick<OracleEvent, 'user' | 'item' | 'viewId' | 'engagementId' | 'time' | 'type' | 'value'>

/** As in pipeline.yaml. */
export interface SourceConfig {
  readonly topic: string
  readonly format: Readonly<Record<string, unknown>>
  readonly fields: Readonly<Record<string, unknown>>
}

export interface TestSource extends SourceConfig {
  encode(event: TestEvent): Buffer
  decode(value: Buffer): DecodedEvent
}

const bigLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer(value: bigint) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

/** An Avro type whose longs are bigints. */
export function exactType(schema: object): avro.Type {
  // By a hook: a registered `long` is not asked for where the schema adds a logical type to it.
  const isLong = (part: unknown) => part === 'long' || (part as { type?: unknown }).type === 'long'
  return avro.Type.forSchema(schema as avro.Schema, {
    typeHook: (part: unknown) => (isLong(part) ? bigLong : undefined),
  })
}

/** JSON with integers of 16 digits and more as strings, which a number would round. */
export function parseExact(text: string): unknown {
  return JSON.parse(text.replace(/([:[,]\s*)(-?\d{16,})(?=\s*[,}\]])/g, '$1"$2"'))
}
