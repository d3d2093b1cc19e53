/**
 * A group's reader of the embedded log: the only member, so that every partition is its own.
 *
 * Invariants:
 * 1. One loop a topic partition: its chunks come one at a time, in order, and none while it is paused or shut, as it is
 *    from a revocation to the end of the next assignment. A pause outlives that.
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
  open: boolean
  paused: boolean
  running: Promise<void> | null
  unsubscribe: () => void
}

export class EmbeddedReader implements Reader {
  private readonly host: ReaderHost
  private readonly options: ReaderOptions
  /** Of all partitions, from the first assignment on: what may be committed. */
  private readonly lanes = new Map<string, Lane>()
  private readonly committing = new Set<Promise<void>>()
  private assigning: Promise<void> = Promise.resolve()
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
      for (const log of topics.flatMap((topic) => topic.partitions)) this.addLane(log)
      await (this.assigning = this.assign())
    } catch (error) {
      await this.close()
      throw error
    }
  }

  rejoin(): void {
    const again = this.assigning.then(async () => {
      await this.revoke()
      await this.assign()
    })
    this.assigning = again.catch((error: Error) => this.fail(error))
  }

  /** As a group's coordinator would tell it. */
  get member(): GroupMember {
    const { memberInfo } = this.options
    return { memberId: 'embedded', info: memberInfo?.() ?? Buffer.alloc(0), partitions: this.numbers }
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    if (this.state === 'closed') throw new LogError('CLOSED', 'the reader is closed')
    for (const entry of entries) {
      if (!this.lanes.has(keyOf(entry))) throw new LogError('NOT_OWNER', `${keyOf(entry)} is not this reader's`)
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

  private addLane(log: PartitionLog): void {
    const lane: Lane = { log, position: 0, open: false, paused: false, running: null, unsubscribe: () => {} }
    lane.unsubscribe = log.onAppended(() => this.wake(lane))
    this.lanes.set(keyOf(log), lane)
  }

  /** Asks the owner where to begin, and opens what it names. */
  private async assign(): Promise<void> {
    if (this.stopped()) return
    const lanes = [...this.lanes.values()]
    const starts = await this.options.onAssigned(this.numbers)
    if (this.stopped()) return
    const given = new Set(starts.map(({ partition }) => partition))
    for (const lane of lanes.filter(({ log }) => given.has(log.partition))) {
      const { topic, partition } = lane.log
      const start = starts.find((one) => one.topic === topic && one.partition === partition)
      if (start === undefined) throw new LogError('FAILED', `no start was given for ${keyOf(lane.log)}`)
      lane.position = start.offset
      lane.open = true
    }
    for (const lane of lanes) this.wake(lane)
  }

  private async revoke(): Promise<void> {
    const lanes = [...this.lanes.values()]
    for (const lane of lanes) lane.open = false
    await Promise.all(lanes.map(({ running }) => running))
    if (!this.stopped()) await this.options.onRevoking(this.numbers)
  }

  private get numbers(): readonly number[] {
    return [...new Set([...this.lanes.values()].map(({ log }) => log.partition))].sort((a, b) => a - b)
  }

  private wake(lane: Lane): void {
    if (this.stopped() || !isReading(lane) || lane.running !== null) return
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
      if (this.stopped() || !isReading(lane) || bytes.length === 0) return
      const chunk = readRecordBatches(bytes, {
        topic: log.topic,
        partition: log.partition,
        fromOffset: lane.position,
        highWatermark: log.high,
        maxInflatedBytes: this.options.maxInflatedBytes,
      })
      lane.position = chunk.nextOffset
      this.options.onChunk(chunk)
    } while (lane.position !== log.high && isReading(lane) && !this.stopped())
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

function isReading({ open, paused }: Lane): boolean {
  return open && !paused
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `topic ${topic}, partition ${partition}`
}
