/**
 * Records rewritten from one Avro schema to another by Avro's rules of schema resolution (avsc), with 64-bit integers
 * exact. Only off the hot path: for the few writers whose schema is not the pipeline's.
 */
import avro from 'avsc'
import type { AvroSchema } from '../../config/model.ts'
import { SchemaError } from '../error.ts'

/** avsc's own long throws near 2^53: this one is a bigint throughout. */
export const exactLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (n: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(n)
    return bytes
  },
  fromJSON: (n: number | string) => BigInt(n),
  toJSON: (n: bigint) => (Number.isSafeInteger(Number(n)) ? Number(n) : n.toString()),
  isValid: (n: unknown) => typeof n === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

export function avscType(schema: AvroSchema): avro.Type {
  return avro.Type.forSchema(schema as avro.Schema, { typeHook: exactLongs, wrapUnions: true })
}

/** Also of longs with attributes, such as a logical type, which avsc's registry of types does not reach. */
function exactLongs(schema: avro.Schema): avro.Type | undefined {
  const type = typeof schema === 'string' ? schema : (schema as { type?: unknown }).type
  return type === 'long' ? exactLong : undefined
}

/** Whether what one schema wrote are the bytes that the other would write: equal but for names' ornaments. */
export function sameBytes(a: AvroSchema, b: AvroSchema): boolean {
  return a === b || canonical(a) === canonical(b)
}

/** A function that rewrites records; throws a SchemaError where the schemas cannot be resolved. */
export function transcoder(writer: AvroSchema, reader: AvroSchema): (payload: Buffer) => Buffer {
  const from = avscType(writer)
  const to = avscType(reader)
  try {
    const resolver = to.createResolver(from)
    return (payload) => to.toBuffer(to.fromBuffer(payload, resolver))
  } catch (error) {
    const text = (error as Error).message
    throw new SchemaError(`views of schema ${from.name} cannot be read with the pipeline's schema ${to.name}: ${text}`)
  }
}

function canonical(schema: AvroSchema): string {
  return JSON.stringify(avro.Type.forSchema(schema as avro.Schema).schema())
}
