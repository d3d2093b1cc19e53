/**
 * Rewrites records into the consolidated topic: each to the partition of its user, with its bytes as they are, and each
 * owned source partition's clock into every partition, behind the events that it stands for.
 *
 * Invariant: what is added for one consolidated partition is appended in the order of adding (sinks/batches.ts), so a
 * clock is never ahead of the events below it.
 *
 * What cannot be read goes where its source partition says, and is refused there with its reason: one way for bad input.
 * What the topic cannot hold goes there cut, with the reason beside it, and moves no clock.
 */
import type { SourceReader } from '../codec/port.ts'
import type { Source } from '../config/model.ts'
import type { Clocks } from '../join/clocks.ts'
import { EventBatch, REFUSED, type ToldClock } from '../join/event.ts'
import { murmur2, partitionOf } from '../join/hash.ts'
import { LEFT_OUT } from '../join/toldClocks.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { RecordHeader } from '../log/recordBatch/builder.ts'
import type { BatchedTopic } from '../sinks/batches.ts'
import { cutTo } from '../sinks/cut.ts'
import type { Lane } from './lanes.ts'
import { CLOCKS, encodeClocks, encodeOrigin, ORIGIN, REFUSED_BECAUSE, schemaNames } from './origin.ts'

/** Told again though unchanged: whoever begins to read learns where everybody is. */
/** A reason may quote the record. */
const REASON_CHARS = 4096
const TELL_ALL_EVERY_MS = 1000

export interface RouterOptions {
  readonly sources: readonly Source[]
  readonly readers: readonly SourceReader[]
  readonly out: BatchedTopic
  /** Of the consolidated topic. */
  readonly partitions: number
  /** How far the clock of an event may be ahead of the machine's: beyond it the event moves none. */
  readonly maxClockSkewMs: number
  readonly byArrival: boolean
}

export class Router {
  private readonly options: RouterOptions
  private readonly batch = new EventBatch()
  /** Per lane: the clock as it was told last. */
  private readonly toldMs: number[] = []
  /** Per source: the schema of a record of a chunk. */
  private readonly schemaNames: readonly ReturnType<typeof schemaNames>[]
  private toldAllAtMs = Number.NEGATIVE_INFINITY

  constructor(options: RouterOptions) {
    this.options = options
    this.schemaNames = options.sources.map(({ format }) => schemaNames(format))
  }

  /** Adds the chunk's records at and above the lane's position; moves its clock. Returns how many there were. */
  route(lane: Lane, index: number, chunk: RawChunk, clocks: Clocks, wallMs: number): number {
    const { readers, byArrival } = this.options
    const { batch } = this
    const schemaOf = this.schemaNames[lane.source]
    readers[lane.source].read(chunk, batch)
    const latestMs = wallMs + this.options.maxClockSkewMs
    let count = 0
    for (let i = 0; i < batch.count; i++) {
      const offset = chunk.offset[i]
      if (offset < lane.position) continue
      count++
      const { topic, partition } = lane
      const origin = encodeOrigin({ topic, partition, offset }, schemaOf(chunk, i))
      const isWhole = this.add(lane, chunk, i, [[ORIGIN, origin]])
      const clockMs = byArrival ? batch.stampMs[i] : batch.timeMs[i]
      if (isWhole && batch.kind[i] < REFUSED && batch.timeMs[i] <= latestMs && clockMs <= latestMs)
        clocks.record(index, clockMs)
    }
    return count
  }

  /**
   * Adds clocks that have moved, at times all of them: also that of a source partition of which nothing is known. It may
   * have been left out, by whoever told it last, and has its first records now. False: there was nothing to tell.
   */
  tell(lanes: readonly Lane[], clocks: Clocks, wallMs: number, nowMs: number): boolean {
    const isAll = nowMs - this.toldAllAtMs >= TELL_ALL_EVERY_MS
    if (isAll) this.toldAllAtMs = nowMs
    const told: ToldClock[] = []
    for (const [index, { isOwned, name }] of lanes.entries()) {
      if (!isOwned) continue
      const clockMs = clockOf(clocks, index)
      if (!isAll && this.toldMs[index] === clockMs) continue
      this.toldMs[index] = clockMs
      told.push({ name, clockMs })
    }
    if (told.length === 0) return false
    const value = encodeClocks(told)
    const headers: RecordHeader[] = [[CLOCKS, Buffer.alloc(0)]]
    const { out, partitions } = this.options
    for (let partition = 0; partition < partitions; partition++) {
      out.add(partition, wallMs, null, 0, -1, value, 0, value.length, headers)
    }
    return true
  }

  push(): void {
    for (let partition = 0; partition < this.options.partitions; partition++) this.options.out.push(partition)
  }

  /** False: the topic cannot hold it whole. */
  private add(lane: Lane, chunk: RawChunk, i: number, headers: readonly RecordHeader[]): boolean {
    const { batch } = this
    const { out, partitions } = this.options
    const isRead = batch.kind[i] < REFUSED
    const partition = isRead
      ? partitionOf(murmur2(batch.text, batch.userAt[i], batch.userLength[i]), partitions)
      : lane.partition % partitions
    const key = isRead ? batch.text : chunk.bytes
    const keyAt = isRead ? batch.userAt[i] : chunk.keyAt[i]
    const keyLength = isRead ? batch.userLength[i] : chunk.keyLength[i]
    const value = chunk.bytes
    const valueAt = chunk.valueAt[i]
    const valueLength = chunk.valueLength[i]
    const told = isRead ? headers : [this.because(batch.refusals.get(i)!), ...headers]
    const refusal = out.refusal(key, keyAt, keyLength, value, valueAt, valueLength, told)
    if (refusal === undefined) {
      out.add(partition, chunk.stampMs[i], key, keyAt, keyLength, value, valueAt, valueLength, told)
      return true
    }
    const cut = cutTo(out.roomBytes, {
      key: keyLength < 0 ? null : key.subarray(keyAt, keyAt + keyLength),
      value: valueLength < 0 ? null : value.subarray(valueAt, valueAt + valueLength),
      headers: [this.because(refusal), ...told],
    })
    const sizes = [cut.key?.length ?? -1, cut.value?.length ?? -1] as const
    out.add(partition, chunk.stampMs[i], cut.key, 0, sizes[0], cut.value, 0, sizes[1], cut.headers)
    return false
  }

  /** Whoever joins goes by it: it may know a schema by then that was not there yet, and look for the key that is missing. */
  private because(reason: string): RecordHeader {
    return [REFUSED_BECAUSE, Buffer.from(reason.slice(0, REASON_CHARS))]
  }
}

/** As it is told: whole milliseconds; LEFT_OUT where it holds nobody, -Infinity where it holds all. */
function clockOf(clocks: Clocks, index: number): number {
  const clockMs = clocks.clockMs(index)
  return Number.isNaN(clockMs) ? LEFT_OUT : Math.floor(clockMs)
}
