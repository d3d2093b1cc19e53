/**
 * A source of Avro records in Confluent's wire format: a zero byte, the writer schema's id, the record.
 *
 * Owns: a compiled plan for each writer schema that was seen. A batch's `writer` is the registry's id, which means the
 * same after a restart.
 *
 * How it fails: a record whose id the registry does not have, or whose schema does not have the mapped fields, is
 * refused with that reason; `prepare` rejects with a RegistryError while the registry cannot be asked. An id that the
 * registry did not have is asked for again after ABSENT_MS, for chunks that come later: what was answered for a chunk
 * holds for that chunk, however long it takes to ask for all that it needs.
 */
import type { AvroSchema, DecodeLimits, Source } from '../../config/model.ts'
import type { EventBatch } from '../../join/event.ts'
import type { RawChunk } from '../../log/chunk.ts'
import { SchemaError } from '../error.ts'
import type { SourceReader, WriterSchema } from '../port.ts'
import { ABSENT_MS, type RegistryClient } from '../registry.ts'
import { beginRow, kindOf } from '../rows.ts'
import { avroToValue } from './json.ts'
import { compilePlan, type Plan } from './plan.ts'
import { RecordReader } from './reader.ts'
import { type AvroType, resolveSchema } from './schema.ts'

export const WIRE_HEADER_BYTES = 5
/** Requests for schemas at one time. */
const CONCURRENT_REQUESTS = 8
/** Refused ids come from hostile records: beyond this many they are forgotten and asked for again. */
const MAX_REFUSED = 100_000

const NO_HEADER = 'the value is not in wire format: it does not begin with a zero byte and a schema id'

interface Writer {
  readonly schema: AvroSchema
  readonly type: AvroType
  /** A text: why its records cannot be read as events of this source. */
  readonly plan: Plan | string
}

interface Refused {
  readonly reason: string
  /** Infinite where another answer would be no other: a schema of an id never changes. */
  readonly untilMs: number
}

export class AvroWireSource implements SourceReader {
  readonly writers: WriterSchema[] = []
  private readonly known = new Map<number, Writer>()
  private readonly refused = new Map<number, Refused>()
  /** Of a chunk that needed what was not there, by its bytes: since when. */
  private readonly since = new WeakMap<Buffer, number>()
  private readonly source: Source
  private readonly registry: RegistryClient
  private readonly limits: DecodeLimits
  private readonly kind: number
  private readonly reader: RecordReader
  private readonly monotonicMs: () => number

  constructor(
    source: Source,
    registry: RegistryClient,
    limits: DecodeLimits,
    monotonicMs: () => number = () => performance.now(),
  ) {
    this.source = source
    this.registry = registry
    this.limits = limits
    this.kind = kindOf(source.role)
    this.reader = new RecordReader(limits)
    this.monotonicMs = monotonicMs
  }

  prepare(chunk: RawChunk): Promise<void> | undefined {
    const sinceMs = this.since.get(chunk.bytes) ?? this.monotonicMs()
    let missing: Set<number> | undefined
    let last = -1
    for (let i = 0; i < chunk.count; i++) {
      const id = wireId(chunk, i)
      if (id < 0 || id === last) continue
      last = id
      if (this.isAnswered(id, sinceMs)) continue
      missing ??= new Set()
      missing.add(id)
    }
    if (missing === undefined) return undefined
    this.since.set(chunk.bytes, sinceMs)
    // Over what it learns it may forget what else the chunk needs: it is through when nothing is missing.
    return this.lookUp([...missing]).then(() => this.prepare(chunk))
  }

  ensure(writer: number): Promise<void> | undefined {
    return this.isAnswered(writer, this.monotonicMs()) ? undefined : this.lookUp([writer])
  }

  schemaOf(writer: number): AvroSchema {
    return this.writer(writer).schema
  }

  read(chunk: RawChunk, into: EventBatch): void {
    into.reset(chunk.count, chunk.bytes)
    let last = -1
    let plan: Plan | string = NO_HEADER
    for (let i = 0; i < chunk.count; i++) {
      if (!beginRow(chunk, into, i, this.kind)) continue
      const id = wireId(chunk, i)
      if (id !== last) plan = this.planOf(id)
      last = id
      if (typeof plan === 'string') {
        into.refuse(i, plan, plan !== NO_HEADER)
        continue
      }
      const at = chunk.valueAt[i]
      into.writer[i] = id
      this.reader.read(plan, into, i, chunk.bytes, at + WIRE_HEADER_BYTES, at + chunk.valueLength[i])
    }
  }

  toJson(payload: Buffer, writer: number): unknown {
    return avroToValue(this.writer(writer).type, payload, this.limits)
  }

  private writer(id: number): Writer {
    const writer = this.known.get(id)
    if (writer === undefined)
      throw new Error(this.refused.get(id)?.reason ?? `the writer schema ${id} was not prepared`)
    return writer
  }

  private planOf(id: number): Plan | string {
    if (id < 0) return NO_HEADER
    return this.refused.get(id)?.reason ?? this.writer(id).plan
  }

  private isAnswered(id: number, sinceMs: number): boolean {
    return this.known.has(id) || (this.refused.get(id)?.untilMs ?? Number.NEGATIVE_INFINITY) > sinceMs
  }

  private async lookUp(ids: readonly number[]): Promise<void> {
    // Room is made before, so that what is looked up here is there together.
    if (this.refused.size + ids.length > MAX_REFUSED) this.refused.clear()
    let next = 0
    const work = async (): Promise<void> => {
      while (next < ids.length) await this.add(ids[next++])
    }
    await Promise.all(Array.from({ length: Math.min(CONCURRENT_REQUESTS, ids.length) }, work))
  }

  private async add(id: number): Promise<void> {
    const answer = await this.registry.schemaOf(id)
    if (this.known.has(id)) return
    if ('reason' in answer) {
      this.refused.set(id, { reason: answer.reason, untilMs: this.monotonicMs() + ABSENT_MS })
      return
    }
    const { schema } = answer
    try {
      const type = resolveSchema(schema)
      this.known.set(id, { schema, type, plan: this.compile(id, type) })
      this.refused.delete(id)
      this.writers.push({ writer: id, schema })
    } catch (error) {
      this.refused.set(id, { reason: reasonOf(id, error), untilMs: Number.POSITIVE_INFINITY })
    }
  }

  private compile(id: number, type: AvroType): Plan | string {
    try {
      return compilePlan(type, this.source.role, this.source.fields)
    } catch (error) {
      return reasonOf(id, error)
    }
  }
}

function reasonOf(id: number, error: unknown): string {
  if (!(error instanceof SchemaError)) throw error
  return `writer schema ${id}: ${error.message}`
}

/** The schema's id in a value's header; -1 where there is none. */
export function wireId(chunk: RawChunk, i: number): number {
  if (chunk.valueLength[i] < WIRE_HEADER_BYTES) return -1
  const { bytes } = chunk
  const at = chunk.valueAt[i]
  if (bytes[at] !== 0) return -1
  return (bytes[at + 1] << 24) | (bytes[at + 2] << 16) | (bytes[at + 3] << 8) | bytes[at + 4]
}
