/**
 * Reads the sources as a group of its own and writes them, keyed by user, into one consolidated topic, with their clocks.
 *
 * Owns: the group's reader, a queue a source partition (bounded in bytes, in step by time), the clocks of the source
 * partitions that are this node's, the writer's batches.
 *
 * Invariants:
 * 1. A source's offset is committed only when all that was written for it is durable; at least once: what is written
 *    again after a crash is a copy, which the join drops by its identity.
 * 2. A clock is told behind the events it stands for, in every consolidated partition, and only by whoever owns the
 *    source partition. Silence counts by answers of the log, as in the join (join/clocks.ts).
 *
 * How it fails: `failed` rejects, once; nothing after it is committed. A schema registry that does not answer is waited
 * for by the source partitions whose records need it, beside all else: commits, clocks, rebalances, a stop. A log that is
 * away is waited for too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Inbox } from '../actors/inbox.ts'
import { isPrepared, prepared } from '../actors/preparing.ts'
import { Pump } from '../actors/pump.ts'
import { REVOKE_PATIENCE_MS } from '../cluster/delivery.ts'
import { sourceTopics } from '../cluster/topics.ts'
import type { SourceReader } from '../codec/port.ts'
import type { Config } from '../config/load.ts'
import { Clocks } from '../join/clocks.ts'
import type { Rules } from '../join/rules.ts'
import type { RawChunk } from '../log/chunk.ts'
import { endIn, Leaderless } from '../log/leaderless.ts'
import { whilePassing } from '../log/patience.ts'
import {
  type CommitEntry,
  type Log,
  LogError,
  type Reader,
  type StartPosition,
  type TopicInfo,
  type Writer,
} from '../log/port.ts'
import { BatchedTopic } from '../sinks/batches.ts'
import { limitOf } from '../sinks/limit.ts'
import type { Clock } from '../time/clock.ts'
import { within } from '../time/within.ts'
import { type Lane, Lanes, type RepartitionView } from './lanes.ts'
import { Router } from './router.ts'

const FETCH_BYTES = 512 * 1024
const FETCH_WAIT_MS = 250
const LOOK_EVERY_MS = 250
const LAST_COMMIT_MS = 3_000
/** Output that is not durable after it is waited for in the next commits. */
const COMMIT_PATIENCE_MS = 1_000
const VERSION = 1

export interface RepartitionerOptions {
  readonly config: Config
  readonly rules: Rules
  readonly log: Log
  /** Of the pipeline's sources, in their order. */
  readonly readers: readonly SourceReader[]
  readonly clock: Clock
  /** Told to the group's members. */
  readonly memberInfo?: () => Buffer
  readonly onTrouble: (error: Error) => void
}

/** The group that reads the sources for the consolidated topic. */
export function repartitionGroup(config: Config): string {
  return `${config.node.group}-repartition`
}

export class Repartitioner {
  /** Rejects when it cannot go on. */
  readonly failed: Promise<never>
  records = 0
  private readonly options: RepartitionerOptions
  private readonly lanes: Lanes
  private readonly clocks: Clocks
  private readonly inbox: Inbox
  private readonly router: Router
  private readonly out: BatchedTopic
  private readonly writer: Writer
  private readonly reader: Reader
  private readonly pump = new Pump(
    () => (this.isStopped || this.isHeld ? undefined : this.inbox.take(this.progress)),
    ({ source, chunk }) => this.take(source, chunk).catch((error: Error) => this.fail(error)),
  )
  private readonly leaderless: Leaderless
  private looking: Promise<void> = Promise.resolve()
  private committing: Promise<void> = Promise.resolve()
  private isStopped = false
  /** Between a revocation and the next assignment nothing is written: another may write it too. */
  private isHeld = false
  private reject!: (error: Error) => void

  private constructor(options: RepartitionerOptions, lanes: Lanes, writer: Writer, consolidated: TopicInfo) {
    const { config, log, readers, rules } = options
    const { pipeline, node } = config
    this.options = options
    this.failed = new Promise((_, reject) => {
      this.reject = reject
    })
    this.failed.catch(() => {})
    this.leaderless = new Leaderless({ log, rejoin: () => this.reader.rejoin?.() })
    this.lanes = lanes
    this.writer = writer
    this.clocks = new Clocks(rules, lanes.all.length)
    this.inbox = new Inbox({
      sources: lanes.all.length,
      limitBytes: Math.max(1, Math.floor(node.memory.inFlightBytes / lanes.all.length)),
      alignWithinMs: pipeline.time.alignWithinMs,
      pause: (lane) => this.reader.pause(lanes.all[lane]),
      resume: (lane) => this.reader.resume(lanes.all[lane]),
    })
    const limit = limitOf(consolidated, 'lz4', pipeline.limits.inflatedBytes)
    this.out = new BatchedTopic(consolidated.topic, 'lz4', writer, { limit })
    this.router = new Router({
      sources: pipeline.sources,
      readers,
      out: this.out,
      partitions: consolidated.partitions,
      maxClockSkewMs: rules.maxClockSkewMs,
      byArrival: rules.basis === 'arrival',
    })
    this.reader = log.reader({
      group: repartitionGroup(config),
      topics: pipeline.sources.map(({ topic }) => topic),
      fetchBytesPerPartition: FETCH_BYTES,
      maxWaitMs: FETCH_WAIT_MS,
      maxInflatedBytes: pipeline.limits.inflatedBytes,
      sessionTimeoutMs: node.kafka?.sessionTimeoutMs,
      memberInfo: options.memberInfo,
      onAssigned: (numbers) => this.assigned(numbers),
      onRevoking: () => this.revoking(),
      onChunk: (chunk) => this.chunk(chunk),
      onFailed: (error) => this.fail(error),
    })
  }

  /** Joins the group and goes on until `stop`. */
  static async start(options: RepartitionerOptions): Promise<Repartitioner> {
    const { log, config } = options
    const { sources, repartition } = config.pipeline
    const topics = sources.map(({ topic }) => topic)
    const infos = new Map((await log.topics([...topics, repartition!.topic])).map((info) => [info.topic, info]))
    const lanes = new Lanes(topics.map((topic) => infos.get(topic)!))
    const one = new Repartitioner(options, lanes, await log.writer(), infos.get(repartition!.topic)!)
    await one.reader.start()
    one.looking = one.lookOn()
    return one
  }

  get view(): RepartitionView {
    const { highestMs, silenceMs } = this.clocks
    const lanes = this.lanes.all.flatMap(({ isOwned, topic, partition, position, endOffset }, index) => {
      const clock = { highestMs: highestMs[index], silenceMs: silenceMs[index] }
      return isOwned ? [{ topic, partition, position, endOffset, ...clock, isPaused: this.inbox.isPaused(index) }] : []
    })
    return { topic: this.options.config.pipeline.repartition!.topic, records: this.records, lanes }
  }

  /** Writes what is in hand, commits, leaves. */
  async stop(): Promise<void> {
    if (this.isStopped) return
    this.isStopped = true
    this.leaderless.wait([])
    await this.pump.run()
    await this.looking
    await this.commitAtLast()
    await this.reader.close()
    await this.writer.close()
  }

  private readonly progress = {
    highestMs: (lane: number): number => this.clocks.highestMs[lane],
    hasMore: (lane: number): boolean => {
      const { isOwned, position, endOffset } = this.lanes.all[lane]
      return isOwned && position < endOffset
    },
  }

  private chunk(chunk: RawChunk): void {
    const index = this.lanes.find(chunk.topic, chunk.partition)
    if (this.isStopped || index < 0 || !this.lanes.all[index].isOwned) return
    this.lanes.all[index].endOffset = Math.max(chunk.highWatermark, chunk.nextOffset)
    this.inbox.put(index, chunk)
    void this.pump.run()
  }

  private async take(index: number, chunk: RawChunk): Promise<void> {
    const lane = this.lanes.all[index]
    if (this.isStopped || !lane.isOwned || chunk.nextOffset <= lane.position) return
    if (!isPrepared(this.options.readers[lane.source], chunk)) return this.setAside(index, chunk)
    const { clock, config } = this.options
    this.clocks.heard(index, clock.monotonicMs())
    this.records += this.router.route(lane, index, chunk, this.clocks, clock.wallMs())
    lane.position = chunk.nextOffset
    if (this.inbox.bytes === 0) this.tell()
    if (this.out.bufferedBytes > config.node.memory.outputBytes) await this.drained()
  }

  /** What was written is durable: a rebalance and a stop do not wait for that. */
  private async drained(): Promise<void> {
    const flushed = this.out.flush().then(() => true)
    while (!this.isStopped && !this.isHeld && (await within(flushed, LOOK_EVERY_MS)) !== true);
  }

  /** Until its reader knows what the chunk's records were written by; the others go on. */
  private setAside(index: number, chunk: RawChunk): void {
    const lane = this.lanes.all[index]
    const { epoch } = lane
    const isStopped = (): boolean => this.isStopped || lane.epoch !== epoch
    this.inbox.setAside(index, chunk)
    const { readers, onTrouble } = this.options
    prepared(readers[lane.source], chunk, { isStopped, onTrouble })
      .then(() => {
        if (isStopped()) return
        this.inbox.ready(index)
        void this.pump.run()
      })
      .catch((error: Error) => this.fail(error))
  }

  private tell(): void {
    const { clock } = this.options
    this.router.tell(this.lanes.all, this.clocks, clock.wallMs(), clock.monotonicMs())
    this.router.push()
  }

  /** Asks where the sources end, tells clocks, and commits, each in its time. */
  private async lookOn(): Promise<void> {
    const { clock, config } = this.options
    let committedAtMs = clock.monotonicMs()
    while (!this.isStopped) {
      await sleep(LOOK_EVERY_MS)
      await this.look().catch((error: Error) => this.options.onTrouble(error))
      if (clock.monotonicMs() - committedAtMs < config.node.commitEveryMs) continue
      committedAtMs = clock.monotonicMs()
      await this.commit(COMMIT_PATIENCE_MS)
    }
  }

  private async look(): Promise<void> {
    const { log, clock, config } = this.options
    const askedAtMs = clock.monotonicMs()
    for (const { topic, partition, high } of await log.ends(sourceTopics(config.pipeline), 'led')) {
      const index = this.lanes.find(topic, partition)
      if (index < 0 || !this.lanes.all[index].isOwned) continue
      const lane = this.lanes.all[index]
      lane.endOffset = high
      if (this.inbox.waiting(index) === 0 && lane.position >= high) this.clocks.atEnd(index, askedAtMs)
      else this.clocks.behind(index)
    }
    void this.pump.run()
    this.tell()
  }

  private async revoking(): Promise<void> {
    this.isHeld = true
    await this.pump.run()
    await this.commit(REVOKE_PATIENCE_MS)
  }

  /** Before it leaves: in the middle of a rebalance a commit is refused, and what was written would be written again. */
  private async commitAtLast(): Promise<void> {
    const { clock } = this.options
    const untilMs = clock.monotonicMs() + LAST_COMMIT_MS
    const left = (): number => Math.max(0, untilMs - clock.monotonicMs())
    while (!(await this.commit(left())) && left() > 0) await sleep(LOOK_EVERY_MS)
  }

  /** False: it was refused, or what it stands for was not durable in time. */
  private commit(patienceMs: number): Promise<boolean> {
    const done = this.committing.then(() => this.commitNow(patienceMs))
    this.committing = done.then(
      () => {},
      (error: Error) => this.fail(error),
    )
    return done.catch(() => true)
  }

  private async commitNow(patienceMs: number): Promise<boolean> {
    const entries: CommitEntry[] = this.lanes.all.flatMap(({ isOwned, topic, partition, position }, index) => {
      const highestMs = this.clocks.highestMs[index]
      const metadata = JSON.stringify({ v: VERSION, h: Number.isFinite(highestMs) ? highestMs : null })
      return isOwned ? [{ topic, partition, offset: position, metadata }] : []
    })
    if (entries.length === 0) return true
    const flushed = this.out.flush().then(() => true)
    if ((await within(flushed, patienceMs)) !== true) return false
    try {
      await this.reader.commit(entries)
      return true
    } catch (error) {
      // Somebody else goes on from the last commit; anything but a rebalance is tried again with the next.
      this.options.onTrouble(error as Error)
      return false
    }
  }

  /**
   * Kept partitions go on where they are; others start from their commit, or at the beginning. A number that has no leader
   * in one of the sources is left to a later assignment.
   */
  private async assigned(numbers: readonly number[]): Promise<readonly StartPosition[]> {
    const { log, config, onTrouble } = this.options
    const topics = sourceTopics(config.pipeline)
    const group = repartitionGroup(config)
    const ask = () => Promise.all([log.committed(group, topics), log.ends(topics, 'led')])
    const [committed, ends] = await whilePassing(ask, { isStopped: () => this.isStopped, onTrouble })
    const isFresh = (lane: Lane): boolean => numbers.includes(lane.partition) && !lane.isOwned
    const leaderless = this.lanes.all.filter((lane) => isFresh(lane) && endIn(ends, lane) === undefined)
    this.leaderless.wait(leaderless)
    const left = new Set(leaderless.map(({ partition }) => partition))
    for (const [index, lane] of this.lanes.all.entries()) {
      const isOwned = numbers.includes(lane.partition) && !left.has(lane.partition)
      if (!isOwned) this.inbox.forget(index)
      if (isOwned && !lane.isOwned) {
        const at = committed.find((one) => one.topic === lane.topic && one.partition === lane.partition)
        lane.position = this.startOf(at?.offset ?? -1, endIn(ends, lane)!.low, lane)
        this.clocks.highestMs[index] = highestIn(at?.metadata ?? '')
      }
      if (!isOwned || !lane.isOwned) this.clocks.behind(index)
      if (lane.isOwned !== isOwned) lane.epoch++
      lane.isOwned = isOwned
    }
    this.inbox.pauseAgain()
    this.isHeld = false
    void this.pump.run()
    return this.lanes.all.flatMap(({ isOwned, topic, partition, position }, index) =>
      isOwned ? [{ topic, partition, offset: this.inbox.endOf(index) ?? position }] : [],
    )
  }

  private startOf(committed: number, low: number, { name }: { name: string }): number {
    if (committed < 0) return low
    if (committed >= low) return committed
    throw new LogError(
      'OUT_OF_RANGE',
      `${name}: offsets ${committed} to ${low - 1} were not repartitioned and are no longer in the log`,
    )
  }

  private fail(error: Error): void {
    if (this.isStopped) return
    this.isStopped = true
    this.reject(error)
  }
}

function highestIn(metadata: string): number {
  try {
    return (JSON.parse(metadata) as { h?: number | null }).h ?? Number.NEGATIVE_INFINITY
  } catch {
    return Number.NEGATIVE_INFINITY
  }
}
