/**
 * The sample as it was emitted: looked for in the topic of samples, where samples lie in the order of their sealing, so
 * nearly in that of their views' times.
 *
 * Owns: a reader of samples, made of the readers that sources have. Who produced a sample is told by the first record of
 * the batch that it lies in (its header `node`), so that no sample is larger for it and its value is the same whoever
 * emitted it.
 */
import type { SourceReader } from '../codec/port.ts'
import { sampleSchema } from '../codec/sample.ts'
import { openSourceReader, viewSchemaOf } from '../codec/source.ts'
import type { Format, Pipeline, SampleFormat, Source } from '../config/model.ts'
import { EventBatch, REFUSED } from '../join/event.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Log } from '../log/port.ts'
import { headersOf } from '../log/recordBatch/headers.ts'
import { NODE_HEADER } from '../sinks/batches.ts'
import { endsOfPartition } from './ends.ts'
import { EventLog } from './eventLog.ts'

/** A sample is its view and some fields: so much larger than a view it may be. */
const MORE_BYTES = 1 << 20
/** A batch has at most so many records; its first one tells who produced it. */
const BATCH_RECORDS = 8192
const READ_BYTES = 256 * 1024
/** Samples that are sent again after a crash, and late views, lie out of order by as much. */
const DISORDER_MS = 60_000
const MOST_RECORDS = 500_000

export interface SampleTopic {
  readonly topic: string
  readonly reader: SourceReader
}

export interface FoundSample {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly stampMs: number
  readonly node: string | null
  /** The sample's record, as JSON. */
  readonly sample: Readonly<Record<string, unknown>>
}

/** The first topic that samples go to; undefined where they go to files alone. */
export async function openSampleTopic(pipeline: Pipeline): Promise<SampleTopic | undefined> {
  const sink = pipeline.sinks.find((each) => each.type === 'kafka')
  if (sink === undefined) return undefined
  const { limits } = pipeline
  const source: Source = {
    role: 'views',
    topic: sink.topic,
    format: await formatOf(pipeline, sink.format),
    fields: { viewId: ['sample_id'], userId: ['user_id'], itemId: ['item_id'], time: { path: ['view_time'] } },
  }
  const reader = await openSourceReader(source, { ...limits, recordBytes: limits.recordBytes + MORE_BYTES })
  return { topic: sink.topic, reader }
}

async function formatOf(pipeline: Pipeline, format: SampleFormat): Promise<Format> {
  if (format.type === 'json') return { type: 'json' }
  if ('registry' in format) return { type: 'avro', registry: format.registry }
  const schema = sampleSchema(pipeline, await viewSchemaOf(pipeline.sources[0]))
  return { type: 'avro', schema, schemaFile: '' }
}

export interface FindSampleOptions {
  readonly log: Log
  readonly topic: SampleTopic
  readonly partition: number
  readonly sampleId: string
  readonly viewTimeMs: number
}

/** The first sample of this id, or undefined; `recordsRead` says what it took. */
export async function findSample(
  options: FindSampleOptions,
): Promise<{ found: FoundSample | undefined; recordsRead: number }> {
  const { log, topic, partition, viewTimeMs } = options
  const events = new EventLog({ log, topic: topic.topic, partition, reader: topic.reader, basis: 'event' })
  const [end] = await endsOfPartition(log, [topic.topic], partition)
  if (end === undefined) return { found: undefined, recordsRead: 0 }
  const near = await events.offsetBefore(viewTimeMs - 1, DISORDER_MS, end.low, end.high)
  const from = Math.max(end.low, near - BATCH_RECORDS)
  const search = new SampleSearch(options)
  const to = Math.min(end.high, from + MOST_RECORDS)
  for await (const chunk of log.readRange(topic.topic, partition, from, to, READ_BYTES)) {
    const preparing = topic.reader.prepare(chunk)
    if (preparing !== undefined) await preparing
    if (search.take(chunk)) break
  }
  return { found: search.found, recordsRead: events.recordsRead + search.recordsRead }
}

class SampleSearch {
  found: FoundSample | undefined
  recordsRead = 0
  private readonly options: FindSampleOptions
  private readonly wanted: Buffer
  private readonly batch = new EventBatch()
  private node: string | null = null

  constructor(options: FindSampleOptions) {
    this.options = options
    this.wanted = Buffer.from(options.sampleId)
  }

  /** True when there is no more to look for: it is found, or what follows is of later views. */
  take(chunk: RawChunk): boolean {
    const { batch } = this
    this.options.topic.reader.read(chunk, batch)
    this.recordsRead += chunk.count
    let earliestMs = Number.POSITIVE_INFINITY
    for (let i = 0; i < batch.count; i++) {
      this.node = nodeOf(chunk, i) ?? this.node
      if (batch.kind[i] >= REFUSED) continue
      earliestMs = Math.min(earliestMs, batch.timeMs[i])
      const at = batch.viewIdAt[i]
      if (batch.viewIdLength[i] !== this.wanted.length) continue
      if (this.wanted.compare(batch.text, at, at + this.wanted.length) !== 0) continue
      this.found = this.sampleAt(chunk, i)
      return true
    }
    return Number.isFinite(earliestMs) && earliestMs > this.options.viewTimeMs + DISORDER_MS
  }

  private sampleAt(chunk: RawChunk, i: number): FoundSample {
    const { batch, node } = this
    const { topic, partition } = this.options
    const at = batch.payloadAt[i]
    const payload = batch.payload.subarray(at, at + batch.payloadLength[i])
    const sample = topic.reader.toJson(payload, batch.writer[i]) as Record<string, unknown>
    return { topic: topic.topic, partition, offset: chunk.offset[i], stampMs: chunk.stampMs[i], node, sample }
  }
}

/** Who produced the batch that begins with this record; undefined where it is not the first, or does not tell. */
export function nodeOf(chunk: RawChunk, i: number): string | undefined {
  if (chunk.headersLength[i] <= 1) return undefined
  return headersOf(chunk, i)
    .find(([name]) => name === NODE_HEADER)?.[1]
    ?.toString()
}
