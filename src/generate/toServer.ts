/**
 * Generated events to a node's control server: `POST /topics/<topic>`, with JSON lines, or Avro records each behind its
 * length (4 bytes, big-endian). The server finds the key and the partition from the mapped user id.
 *
 * The first requests are small, and of all topics: generated events lie in the past, and a node that has heard nothing of
 * a source for a while would let the first large request of another move its clock beyond all that the silent one is
 * about to bring.
 *
 * One request a topic at a time, so that events keep their order; 429 and 503 are waited out as Retry-After says, and
 * given up when the server has refused for too long. A request whose answer was lost is not sent again: that is an error.
 */
import type { Pipeline } from '../config/model.ts'
import type { GeneratedEvent } from './event.ts'
import { RecordError, RecordMaker } from './record.ts'
import type { Target } from './target.ts'

const REQUEST_BYTES = 256 * 1024
/** Some seconds of event time; then twice as much each time. */
const FIRST_REQUEST_BYTES = 2 * 1024
const LENGTH_BYTES = 4
const NEWLINE = Buffer.from('\n')
const MAX_REFUSED_MS = 300_000
const DEFAULT_RETRY_MS = 1000
const MAX_RETRY_MS = 30_000

interface Lane {
  readonly topic: string
  readonly maker: RecordMaker
  parts: Buffer[]
  sizeBytes: number
}

export type Sleep = (ms: number) => Promise<void>

export class ServerTarget implements Target {
  readonly partitions: number
  private readonly url: string
  private readonly headers: Readonly<Record<string, string>>
  private readonly lanes: readonly Lane[]
  private readonly sleep: Sleep
  private requestBytes = FIRST_REQUEST_BYTES

  constructor(
    url: string,
    pipeline: Pipeline,
    seed: number,
    partitions: number,
    sleep: Sleep,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.url = url.replace(/\/+$/, '')
    this.headers = headers
    this.partitions = partitions
    this.sleep = sleep
    this.lanes = pipeline.sources.map((source) => ({
      topic: source.topic,
      maker: new RecordMaker(source, seed),
      parts: [],
      sizeBytes: 0,
    }))
  }

  send(source: number, event: GeneratedEvent): Promise<void> | undefined {
    const lane = this.lanes[source]
    const value = lane.maker.encode(event)
    if (isAvro(lane)) {
      const length = Buffer.allocUnsafe(LENGTH_BYTES)
      length.writeUInt32BE(value.length)
      lane.parts.push(length, value)
    } else {
      lane.parts.push(value, NEWLINE)
    }
    lane.sizeBytes += value.length + LENGTH_BYTES
    return lane.sizeBytes >= this.requestBytes ? this.flush() : undefined
  }

  async flush(): Promise<void> {
    this.requestBytes = Math.min(this.requestBytes * 2, REQUEST_BYTES)
    await Promise.all(this.lanes.map((lane) => this.post(lane)))
  }

  close(): Promise<void> {
    return this.flush()
  }

  private async post(lane: Lane): Promise<void> {
    if (lane.parts.length === 0) return
    const body = Buffer.concat(lane.parts)
    lane.parts = []
    lane.sizeBytes = 0
    const contentType = isAvro(lane) ? 'application/avro-frames' : 'application/x-ndjson'
    for (let refusedMs = 0; ; ) {
      const response = await this.request(lane.topic, body, contentType)
      if (response.ok) {
        await response.arrayBuffer()
        return
      }
      const text = (await response.text()).slice(0, 500)
      if (response.status !== 429 && response.status !== 503) {
        throw refusal(response.status, `${this.url}: topic ${lane.topic}: ${response.status}: ${text}`)
      }
      const waitMs = retryAfterMs(response.headers.get('retry-after'))
      refusedMs += waitMs
      if (refusedMs > MAX_REFUSED_MS) throw new Error(`${this.url}: topic ${lane.topic}: refused for ${refusedMs} ms`)
      await this.sleep(waitMs)
    }
  }

  private async request(topic: string, body: Buffer, contentType: string): Promise<Response> {
    try {
      return await fetch(`${this.url}/topics/${encodeURIComponent(topic)}`, {
        method: 'POST',
        headers: { ...this.headers, 'content-type': contentType },
        body: new Uint8Array(body),
      })
    } catch (error) {
      const cause = (error as Error).cause
      throw new Error(`${this.url}: no answer: ${cause instanceof Error ? cause.message : (error as Error).message}`)
    }
  }
}

/** What the server cannot do is a failure; what it will not take from us is wrong use: a topic, a token, a record. */
function refusal(status: number, message: string): Error {
  return status >= 500 ? new Error(message) : new RecordError(message)
}

function isAvro(lane: Lane): boolean {
  return lane.maker.source.format.type === 'avro'
}

/** Seconds, as the header has them; a date is not understood and takes the default. */
function retryAfterMs(header: string | null): number {
  const seconds = Number(header ?? Number.NaN)
  if (!Number.isFinite(seconds) || seconds < 0) return DEFAULT_RETRY_MS
  return Math.min(Math.max(seconds * 1000, 10), MAX_RETRY_MS)
}
