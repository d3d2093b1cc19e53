/**
 * A log in memory, as much of one as a partition's history needs: records that are cut into chunks wherever the reader
 * likes, and topics that take record batches.
 */
import type { RawChunk } from '../../src/log/chunk.ts'
import type { EncodedBatch } from '../../src/log/recordBatch/builder.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { headersOf } from '../../src/log/recordBatch/headers.ts'
import * as layout from '../../src/log/recordBatch/layout.ts'
import { readRecordBatches } from '../../src/log/recordBatch/reader.ts'
import type { LogRecord } from './crashWorld.ts'

interface Stored {
  readonly key: Buffer
  readonly value: Buffer
  readonly stampMs: number
  readonly headers: ReturnType<typeof headersOf>
}

/** Of a chunk of a range: so few that a replay has many. */
const RANGE_RECORDS = 16
const POISON = 0xee
const INFLATED_BYTES = 64 * 2 ** 20

export class MemoryLog {
  private readonly topics = new Map<string, Stored[]>()
  private readonly lows = new Map<string, number>()
  /** Chunks of ranges whose readers asked for the next one first. */
  notGivenBack = 0

  add(topic: string, partition: number, key: Buffer, value: Buffer, stampMs: number): void {
    this.of(topic, partition).push({ key, value, stampMs, headers: [] })
  }

  /** Appends a record batch; returns its first offset. */
  append(topic: string, partition: number, batch: EncodedBatch): number {
    const records = this.of(topic, partition)
    const chunk = readRecordBatches(batch.bytes, place(topic, partition, 0, batch.count))
    const base = records.length
    for (let i = 0; i < chunk.count; i++) {
      const part = (at: number, length: number): Buffer => Buffer.from(chunk.bytes.subarray(at, at + length))
      records.push({
        key: part(chunk.keyAt[i], Math.max(chunk.keyLength[i], 0)),
        value: part(chunk.valueAt[i], chunk.valueLength[i]),
        stampMs: chunk.stampMs[i],
        headers: headersOf(chunk, i),
      })
    }
    return base
  }

  end(topic: string, partition: number): number {
    return this.of(topic, partition).length
  }

  low(topic: string, partition: number): number {
    return this.lows.get(`${topic} ${partition}`) ?? 0
  }

  /** Retention: readers find nothing below this offset any more. */
  expire(topic: string, partition: number, before: number): void {
    this.lows.set(`${topic} ${partition}`, Math.max(before, this.low(topic, partition)))
  }

  /** Records [from, to) as one chunk. */
  chunk(topic: string, partition: number, from: number, to: number): RawChunk {
    const low = this.low(topic, partition)
    if (from < low) throw new Error(`${topic}: offset ${from} is no longer in the log, which begins at ${low}`)
    const records = this.of(topic, partition)
    const builder = new RecordBatchBuilder({ compression: 'none' })
    for (const { key, value, stampMs, headers } of records.slice(from, to))
      builder.add(stampMs, key, 0, key.length, value, 0, value.length, headers as never)
    const { bytes } = builder.finish()
    layout.writeInt64(bytes, layout.BASE_OFFSET, from)
    const chunk = readRecordBatches(bytes, place(topic, partition, from, records.length))
    // Who looks into it afterwards sees that he should not.
    const release = (): void => {
      chunk.bytes.fill(POISON)
      chunk.release?.()
    }
    return { ...chunk, release }
  }

  async *readRange(topic: string, partition: number, from: number, to: number): AsyncIterable<RawChunk> {
    const end = Math.min(to, this.end(topic, partition))
    for (let at = from; at < end; at += RANGE_RECORDS) {
      const chunk = this.chunk(topic, partition, at, Math.min(end, at + RANGE_RECORDS))
      let isHeld = true
      const release = (): void => {
        isHeld = false
        chunk.release?.()
      }
      yield { ...chunk, release }
      if (isHeld) this.notGivenBack++
    }
  }

  records(topic: string, partition: number): readonly LogRecord[] {
    return this.of(topic, partition).map(({ key, value, stampMs, headers }, offset) => ({
      partition,
      offset,
      stampMs,
      key,
      value,
      headers: new Map(headers.map(([name, text]) => [name, String(text)])),
    }))
  }

  private of(topic: string, partition: number): Stored[] {
    const name = `${topic} ${partition}`
    let records = this.topics.get(name)
    if (records === undefined) {
      records = []
      this.topics.set(name, records)
    }
    return records
  }
}

function place(topic: string, partition: number, fromOffset: number, highWatermark: number) {
  return { topic, partition, fromOffset, highWatermark, maxInflatedBytes: INFLATED_BYTES }
}
