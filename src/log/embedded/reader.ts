/**
 * A group's reader of the embedded log: the only member, so that every partition is its own.
 *
 * Invariants:
 * 1. One loop a topic partition: its chunks come one at a time, in order, and none while it is paused.
 * 2. A position moves by what was handed over and by nothing else; a failure commits nothing.
 * 3. After `close` resolves no event comes.
 *
 * Fails: `start` and `commit` reject; a loop that cannot go on ends them all and is told once through `onFailed`.
 */
import {
  type CommitEntry,
  type GroupMember,
  LogError,
  type Reader,
  type ReaderOptions,
  type TopicPartition,
} from '../port.ts'
import { readRecordBatches } from '../recordBatch/reader.ts'
import type { Commits } from './commits.ts'
import type { PartitionLog } from './partition.ts'
import type { Topics } from './topics.ts'

/** What a reader needs of the log that it belongs to. */
export interface ReaderHost {
  readonly topics: Topics
  readonly commits: Commits
  /** Makes this the group's only reader, or throws. */
  enter(group: string, reader: EmbeddedReader): void
  leave(group: string, reader: EmbeddedReader): void
}

interface Lane {
  readonly log: PartitionLog
  position: number
  paused: boolean
  running: Promise<void> | null
  unsubscribe: () => void
}

export class EmbeddedReader implements Reader {
  private readonly host: ReaderHost
  private readonly options: ReaderOptions
  private readonly lanes = new Map<string, Lane>()
  /** What may be committed: from the assignment on, before the first chunk. */
  private readonly owned = new Set<string>()
  private readonly committing = new Set<Promise<void>>()
  private state: 'new' | 'reading' | 'failed' | 'closed' = 'new'

  constructor(host: ReaderHost, options: ReaderOptions) {
    this.host = host
    this.options = options
  }

  async start(): Promise<void> {
    if (this.state !== 'new') throw new LogError('CLOSED', 'a reader starts once')
    const topics = this.options.topics.map((name) => this.host.topics.need(name))
    this.host.enter(this.options.group, this)
    this.state = 'reading'
    try {
      const most = Math.max(0, ...topics.map((topic) => topic.info.partitions))
      for (const log of topics.flatMap((topic) => topic.partitions)) this.owned.add(keyOf(log))
      const positions = await this.options.onAssigned(Array.from({ length: most }, (_, i) => i))
      if (this.stopped()) return
      const given = new Set(positions.map(({ partition }) => partition))
      for (const log of topics.flatMap((topic) => topic.partitions)) {
        if (!given.has(log.partition)) continue
        const start = positions.find((one) => one.topic === log.topic && one.partition === log.partition)
        if (start === undefined) throw new LogError('FAILED', `no start was given for ${keyOf(log)}`)
        this.addLane(log, start.offset)
      }
    } catch (error) {
      await this.close()
      throw error
    }
    for (const lane of this.lanes.values()) this.wake(lane)
  }

  /** As a group's coordinator would tell it. */
  get member(): GroupMember {
    const numbers = [...this.lanes.values()].map(({ log }) => log.partition)
    return {
      memberId: 'embedded',
      info: this.options.memberInfo?.() ?? Buffer.alloc(0),
      partitions: [...new Set(numbers)].sort((a, b) => a - b),
    }
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    if (this.state === 'closed') throw new LogError('CLOSED', 'the reader is closed')
    for (const entry of entries) {
      if (!this.owned.has(keyOf(entry))) throw new LogError('NOT_OWNER', `${keyOf(entry)} is not this reader's`)
    }
    const group = await this.host.commits.group(this.options.group)
    const committing = group.commit(entries)
    this.committing.add(committing)
    await committing.finally(() => this.committing.delete(committing))
  }

  pause(partition: TopicPartition): void {
    const lane = this.lanes.get(keyOf(partition))
    if (lane !== undefined) lane.paused = true
  }

  resume(partition: TopicPartition): void {
    const lane = this.lanes.get(keyOf(partition))
    if (lane === undefined) return
    lane.paused = false
    this.wake(lane)
  }

  async close(): Promise<void> {
    this.state = 'closed'
    const lanes = [...this.lanes.values()]
    for (const lane of lanes) lane.unsubscribe()
    await Promise.all([...lanes.map((lane) => lane.running), ...this.committing].map((one) => one?.catch(() => {})))
    this.host.leave(this.options.group, this)
  }

  private addLane(log: PartitionLog, position: number): void {
    const lane: Lane = { log, position, paused: false, running: null, unsubscribe: () => {} }
    lane.unsubscribe = log.onAppended(() => this.wake(lane))
    this.lanes.set(keyOf(log), lane)
  }

  private wake(lane: Lane): void {
    if (this.stopped() || lane.paused || lane.running !== null) return
    lane.running = this.read(lane)
      .catch((error: Error) => this.fail(error))
      .finally(() => {
        lane.running = null
        // What was appended or resumed while the loop was ending must not wait for the next append.
        if (lane.position !== lane.log.high) this.wake(lane)
      })
  }

  private async read(lane: Lane): Promise<void> {
    const { log } = lane
    do {
      const bytes = await log.read(lane.position, this.options.fetchBytesPerPartition)
      if (this.stopped() || lane.paused || bytes.length === 0) return
      const chunk = readRecordBatches(bytes, {
        topic: log.topic,
        partition: log.partition,
        fromOffset: lane.position,
        highWatermark: log.high,
        maxInflatedBytes: this.options.maxInflatedBytes,
      })
      lane.position = chunk.nextOffset
      this.options.onChunk(chunk)
    } while (lane.position !== log.high && !lane.paused && !this.stopped())
  }

  private fail(error: Error): void {
    if (this.stopped()) return
    this.state = 'failed'
    this.options.onFailed(error)
  }

  private stopped(): boolean {
    return this.state !== 'reading'
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `topic ${topic}, partition ${partition}`
}
