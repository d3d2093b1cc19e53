/**
 * A source of JSON records with a declared Avro schema: each is encoded once as that record, and read as Avro.
 *
 * Invariant: the batch's payload is the chunk's own buffer of encoded records, made for that chunk.
 */

import type { AvroSchema, DecodeLimits, Source } from '../../config/model.ts'
import type { EventBatch } from '../../join/event.ts'
import type { RawChunk } from '../../log/chunk.ts'
import { AvroFileSource } from '../avro/fileSource.ts'
import { newByteBuffer } from '../byteBuffer.ts'
import { Refusal } from '../error.ts'
import type { ByteBuffer } from '../port.ts'
import { beginRow } from '../rows.ts'
import { JsonToAvro } from './toAvro.ts'

const MIN_BYTES = 1024

export class JsonSchemaSource extends AvroFileSource {
  private readonly encoder: JsonToAvro

  constructor(source: Source, schema: AvroSchema, limits: DecodeLimits) {
    super(source, schema, limits)
    this.encoder = new JsonToAvro(schema, limits)
  }

  override read(chunk: RawChunk, into: EventBatch): void {
    into.reset(chunk.count, chunk.bytes)
    const out = newByteBuffer(Math.max(MIN_BYTES, chunk.bytes.length))
    for (let i = 0; i < chunk.count; i++) {
      if (!beginRow(chunk, into, i, this.kind)) continue
      const from = out.end
      if (this.encodeRow(chunk, into, i, out)) this.reader.read(this.plan, into, i, out.buffer, from, out.end)
    }
    into.payload = out.buffer
  }

  private encodeRow(chunk: RawChunk, into: EventBatch, i: number, out: ByteBuffer): boolean {
    const at = chunk.valueAt[i]
    try {
      this.encoder.write(chunk.bytes, at, at + chunk.valueLength[i], out)
      return true
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      into.refuse(i, error.reason)
      return false
    }
  }
}
