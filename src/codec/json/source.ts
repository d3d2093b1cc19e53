/** A source of JSON records as they come: what the join keeps of one is its text. */
import type { DecodeLimits, Source } from '../../config/model.ts'
import type { EventBatch } from '../../join/event.ts'
import type { RawChunk } from '../../log/chunk.ts'
import { Refusal } from '../error.ts'
import type { SourceReader, WriterSchema } from '../port.ts'
import { beginRow, kindOf } from '../rows.ts'
import { JsonRecordReader } from './reader.ts'
import { JsonTape } from './tape.ts'
import { tapeToValue } from './value.ts'

export class JsonSource implements SourceReader {
  readonly writers: readonly WriterSchema[] = [{ writer: 0, schema: null }]
  private readonly reader: JsonRecordReader
  private readonly kind: number
  private readonly limits: DecodeLimits

  constructor(source: Source, limits: DecodeLimits) {
    this.reader = new JsonRecordReader(source, limits)
    this.kind = kindOf(source.role)
    this.limits = limits
  }

  prepare(): undefined {}

  ensure(): undefined {}

  schemaOf(): null {
    return null
  }

  read(chunk: RawChunk, into: EventBatch): void {
    into.reset(chunk.count, chunk.bytes)
    for (let i = 0; i < chunk.count; i++) {
      if (!beginRow(chunk, into, i, this.kind)) continue
      const at = chunk.valueAt[i]
      this.reader.read(into, i, chunk.bytes, at, at + chunk.valueLength[i])
    }
  }

  toJson(payload: Buffer): unknown {
    const tape = new JsonTape(this.limits)
    try {
      tape.scan(payload, 0, payload.length)
    } catch (error) {
      throw error instanceof Refusal ? new Error(error.reason) : error
    }
    return tapeToValue(tape)
  }
}
