/**
 * What a codec gives the partition loop: readers that turn a chunk into columns, and encoders that turn a sealed view
 * into a sample's bytes.
 */
import type { AvroSchema } from '../config/model.ts'
import type { EventBatch } from '../join/event.ts'
import type { RawChunk } from '../log/chunk.ts'

/** Reads the events of one source. Never throws for what a record holds: it refuses the record with a reason. */
export interface SourceReader {
  /**
   * Makes ready for a chunk what is not at hand (a writer schema of the registry). Undefined when nothing is missing,
   * which is nearly always: then there is no await on the path. Rejects where the registry cannot be reached.
   */
  prepare(chunk: RawChunk): Promise<void> | undefined
  /** Decodes records [from, count) of the chunk into the batch, which it resets first. */
  read(chunk: RawChunk, into: EventBatch): void
  /** The record of an event as a value that JSON can hold: 64-bit integers beyond 2^53 as strings. Throws if it cannot be read. */
  toJson(payload: Buffer, writer: number): unknown
  /**
   * Makes ready a writer that state of an earlier run names and no chunk has brought yet: undefined when it is at hand.
   * `writer` is stable over restarts: the registry's id, or 0 for a schema from a file and for JSON.
   */
  ensure(writer: number): Promise<void> | undefined
  /** The schema that a writer's payloads have, once it is ready; null for JSON without a declared schema. */
  schemaOf(writer: number): AvroSchema | null
  /** Writer schemas seen so far. */
  readonly writers: readonly WriterSchema[]
  /** Of a topic into which records were rewritten: where each lay before. Absent: each lies where it was produced. */
  readonly origins?: Origins
}

export interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Undefined where a record does not say. */
export interface Origins {
  /** Of record i of a chunk. */
  ofRecord(chunk: RawChunk, i: number): Place | undefined
  /** Of an event by what is kept of it (its payload), with the bytes that are its record's. */
  ofPayload(payload: Buffer): { readonly value: Buffer; readonly place: Place | undefined }
}

export interface WriterSchema {
  /** The registry's id; 0 for a schema from a file or JSON. */
  readonly writer: number
  readonly schema: AvroSchema | null
}

/** A sealed view, as the encoder needs it. One object, refilled for each sample. */
export interface SampleRow {
  /** Texts lie in `bytes` too. */
  bytes: Buffer
  idAt: number
  idLength: number
  userAt: number
  userLength: number
  itemAt: number
  itemLength: number
  timeMs: number
  late: boolean
  revision: number
  weight: number
  /** The view's own record lies in a buffer of its own. */
  payload: Buffer
  payloadAt: number
  payloadLength: number
  writer: number
  /** Per label, in the configured order; NaN is null. */
  labels: Float64Array
  /** Per label: the smallest delay, or NaN for null. */
  delays: Float64Array
  /** Where this row's labels and delays begin. */
  labelsAt: number
}

export interface SampleEncoder {
  /** Undefined when the row can be encoded at once; else what must be waited for first (registering a schema). */
  prepare(row: SampleRow): Promise<void> | undefined
  /** Encodes into `out.buffer` at `out.end`, growing it, and moves `out.end`. */
  encode(row: SampleRow, out: ByteBuffer): void
  /** The schema of the samples; null for JSON, and in wire format where each writer of the view has its own. */
  readonly schema: AvroSchema | null
  /** Samples whose view was rewritten from another writer schema to the pipeline's. */
  readonly transcoded: number
}

export interface ByteBuffer {
  buffer: Buffer
  end: number
}
