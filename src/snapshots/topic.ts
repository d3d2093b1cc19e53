/**
 * Shared snapshots in a compacted topic, partition by partition: a record a frame.
 *
 * A record's key is `<slot>:<frame>`; two slots take turns, so that compaction removes the snapshot before the last and
 * never the last one while its successor is being written. Its value is where the snapshot's first record lies (8 bytes)
 * and the frame. So one record read from the end of the partition leads to the beginning of its snapshot, and from there
 * to the one before: nothing is read but what is used.
 *
 * Invariants: a snapshot is published by its last frame, which is appended when all others are durable. What a longer
 * snapshot left in the same slot is deleted (by records without a value) before that.
 */
import { endOf } from '../log/leaderless.ts'
import type { Log, Writer } from '../log/port.ts'
import { RecordBatchBuilder } from '../log/recordBatch/builder.ts'
import { isEnd } from './format.ts'
import type { FoundSnapshot, SnapshotSink, SnapshotStore } from './port.ts'

const KEPT = 2
const PLACE_BYTES = 8
/** Appends under way: a frame each. */
const WRITING = 4
/** How far back from the end, at most, the last record is looked for where compaction has left gaps. */
const LOOK_BACK = 1 << 20

interface Placed {
  readonly offset: number
  readonly key: string
  /** Where its snapshot begins. */
  readonly first: number
  readonly frame: Buffer
}

export class TopicSnapshots implements SnapshotStore {
  private readonly log: Log
  private readonly topic: string
  private writer: Promise<Writer> | undefined

  constructor(log: Log, topic: string) {
    this.log = log
    this.topic = topic
  }

  async begin(partition: number): Promise<SnapshotSink> {
    this.writer ??= this.log.writer()
    const [last, before] = await this.lasts(partition)
    const slot = last === undefined ? 0 : 1 - slotOf(last.key)
    // The slot's own last snapshot may have had more frames than this one will.
    const left = [last, before].find((placed) => placed !== undefined && slotOf(placed.key) === slot)
    return new TopicSink(await this.writer, this.topic, partition, slot, left === undefined ? 0 : frameOf(left.key) + 1)
  }

  async find(partition: number): Promise<readonly FoundSnapshot[]> {
    return (await this.lasts(partition)).map((last) => ({
      name: `${this.topic}/${partition} from offset ${last.first}`,
      frames: () => this.frames(partition, last.first, last.offset + 1),
    }))
  }

  async close(): Promise<void> {
    await (await this.writer)?.close()
  }

  /** The last records of the snapshots that were published, the newest first. */
  private async lasts(partition: number): Promise<Placed[]> {
    const { low, high } = await endOf(this.log, this.topic, partition)
    const found: Placed[] = []
    for (let to = high; found.length < KEPT && to > low; ) {
      const last = await this.lastBefore(partition, low, to)
      if (last === undefined) break
      if (isEnd(last.frame)) found.push(last)
      to = Math.min(last.first, last.offset)
    }
    return found
  }

  /** The last record with a value below `to`. */
  private async lastBefore(partition: number, low: number, to: number): Promise<Placed | undefined> {
    for (let back = 1; back <= LOOK_BACK; back *= 8) {
      const from = Math.max(low, to - back)
      let last: Placed | undefined
      for await (const placed of this.read(partition, from, to)) last = placed
      if (last !== undefined || from === low) return last
    }
    return undefined
  }

  private async *frames(partition: number, from: number, to: number): AsyncGenerator<Buffer> {
    for await (const { first, frame } of this.read(partition, from, to)) if (first === from) yield frame
  }

  private async *read(partition: number, from: number, to: number): AsyncGenerator<Placed> {
    for await (const chunk of this.log.readRange(this.topic, partition, from, to)) {
      for (let i = 0; i < chunk.count; i++) {
        if (chunk.keyLength[i] < 0 || chunk.valueLength[i] < PLACE_BYTES) continue
        const offset = chunk.offset[i]
        const value = chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
        const first = value.readDoubleLE(0)
        yield {
          offset,
          key: chunk.bytes.toString('latin1', chunk.keyAt[i], chunk.keyAt[i] + chunk.keyLength[i]),
          first: first < 0 ? offset : first,
          frame: value.subarray(PLACE_BYTES),
        }
      }
    }
  }
}

class TopicSink implements SnapshotSink {
  private readonly writer: Writer
  private readonly topic: string
  private readonly partition: number
  private readonly slot: number
  /** Frames that the slot holds from before. */
  private readonly left: number
  private first = -1
  private count = 0
  private readonly writing = new Set<Promise<unknown>>()
  private failure: Error | undefined

  constructor(writer: Writer, topic: string, partition: number, slot: number, left: number) {
    this.writer = writer
    this.topic = topic
    this.partition = partition
    this.slot = slot
    this.left = left
  }

  async write(frame: Buffer): Promise<void> {
    const appended = this.append(this.count++, frame)
    if (this.first < 0) {
      this.first = await appended
      return
    }
    const settled = appended.then(
      () => void this.writing.delete(settled),
      (error: Error) => {
        this.failure ??= error
      },
    )
    this.writing.add(settled)
    if (this.writing.size >= WRITING) await Promise.race(this.writing)
    if (this.failure !== undefined) throw this.failure
  }

  async publish(last: Buffer): Promise<void> {
    await Promise.all(this.writing)
    if (this.failure !== undefined) throw this.failure
    for (let frame = this.count + 1; frame < this.left; frame++) await this.append(frame, null)
    await this.append(this.count, last)
  }

  async abandon(): Promise<void> {
    await Promise.allSettled(this.writing)
  }

  private append(number: number, frame: Buffer | null): Promise<number> {
    const builder = new RecordBatchBuilder({ compression: 'none' })
    const key = Buffer.from(`${this.slot}:${number}`)
    const value = frame === null ? null : Buffer.allocUnsafe(PLACE_BYTES + frame.length)
    value?.writeDoubleLE(this.first, 0)
    if (frame !== null) frame.copy(value!, PLACE_BYTES)
    builder.add(Date.now(), key, 0, key.length, value, 0, value?.length ?? -1)
    return this.writer.append(this.topic, this.partition, builder.finish())
  }
}

function slotOf(key: string): number {
  return Number(key.split(':')[0])
}

function frameOf(key: string): number {
  return Number(key.split(':')[1])
}
