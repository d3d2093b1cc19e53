/**
 * One partition of a topic, read as events: ranges of it, and the offset from which an event time lies, found by looking
 * here and there (bisection) rather than by reading it all.
 *
 * A consolidated topic is in no order of time: its sources lie in it as far as each was read. There the clocks go by which
 * its records tell how far each source was (join/toldClocks.ts).
 *
 * Invariant: a batch that is handed out is good until the next is asked for.
 * Between two reads the process has its turn: a node that explains goes on joining.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SourceReader } from '../codec/port.ts'
import { EventBatch, REFUSED } from '../join/event.ts'
import type { ToldClocks } from '../join/toldClocks.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Log } from '../log/port.ts'

/** Of a look, and of a read: what is read keeps the join waiting for as long as it takes to decode. */
const LOOK_BYTES = 64 * 1024
const READ_BYTES = 256 * 1024
/** Bisection ends here: reading so many records costs less than another look. */
const CLOSE_ENOUGH = 1024
/** Records of one look. */
const LOOK_RECORDS = 128
/** Of a look at told clocks: all are told each second, which may be many records. */
const LOOK_TOLD_RECORDS = 65_536

export interface EventLogOptions {
  readonly log: Log
  readonly topic: string
  readonly partition: number
  readonly reader: SourceReader
  /** The time by which records are in order: the event's, or its arrival's. */
  readonly basis: 'event' | 'arrival'
  /** Of a consolidated topic. */
  readonly makeClocks?: () => ToldClocks
}

export class EventLog {
  recordsRead = 0
  private readonly options: EventLogOptions
  private readonly batch = new EventBatch()

  constructor(options: EventLogOptions) {
    this.options = options
  }

  async *read(from: number, to: number, bytes = READ_BYTES): AsyncGenerator<EventBatch> {
    for await (const chunk of this.chunks(from, to, bytes)) yield this.decode(chunk)
  }

  async *chunks(from: number, to: number, bytes = READ_BYTES): AsyncGenerator<RawChunk> {
    const { log, topic, partition } = this.options
    if (from >= to) return
    for await (const chunk of log.readRange(topic, partition, from, to, bytes)) {
      this.recordsRead += chunk.count
      yield chunk
      await nextTurn()
    }
  }

  /** A chunk, or a piece of one. */
  async decode(chunk: RawChunk): Promise<EventBatch> {
    const { reader } = this.options
    const preparing = reader.prepare(chunk)
    if (preparing !== undefined) await preparing
    reader.read(chunk, this.batch)
    return this.batch
  }

  /**
   * An offset before which nothing is later than `timeMs`, and not much below the last such one. Records lie in order of
   * time up to `disorderMs`; some that do not, do no harm, since a look goes by its middle one.
   */
  async offsetBefore(timeMs: number, disorderMs: number, low: number, high: number): Promise<number> {
    let sure = low
    let beyond = high
    while (beyond - sure > CLOSE_ENOUGH) {
      const middle = sure + Math.floor((beyond - sure) / 2)
      const { makeClocks } = this.options
      const seenMs =
        makeClocks === undefined ? await this.look(middle, high) : await this.lookAtClocks(middle, high, makeClocks())
      if (seenMs !== undefined && seenMs + disorderMs <= timeMs) sure = middle
      else beyond = middle
    }
    return sure
  }

  /** The time of the middle one (by time) of some records from the offset on. */
  private async look(offset: number, high: number): Promise<number | undefined> {
    for await (const batch of this.read(offset, Math.min(offset + LOOK_RECORDS, high), LOOK_BYTES)) {
      const times: number[] = []
      for (let i = 0; i < batch.count; i++) {
        if (batch.kind[i] < REFUSED) times.push(this.clockMs(batch, i))
      }
      if (times.length > 0) return times.sort((a, b) => a - b)[times.length >> 1]
    }
    return undefined
  }

  /** How far the source that is furthest ahead was at the offset, at most: by what each is told first behind it. */
  private async lookAtClocks(offset: number, high: number, clocks: ToldClocks): Promise<number> {
    const seen = new Set<string>()
    for await (const batch of this.read(offset, Math.min(offset + LOOK_TOLD_RECORDS, high), LOOK_BYTES)) {
      for (const told of [...batch.told.values()].flat()) {
        if (!seen.has(told.name)) clocks.tell([told])
        seen.add(told.name)
      }
      if (clocks.greatestMs() !== Number.POSITIVE_INFINITY) break
    }
    return clocks.greatestMs()
  }

  private clockMs(batch: EventBatch, i: number): number {
    return this.options.basis === 'arrival' ? batch.stampMs[i] : batch.timeMs[i]
  }
}
