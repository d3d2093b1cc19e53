/**
 * One node: a log, a reader in the group, the partitions that the group gives it, and what runs beside them (commits,
 * the watch on the log's ends).
 *
 * Owns: the life of all of these: started in order, drained and closed in the reverse one.
 *
 * Invariants:
 * 1. A partition is built from its commit (recovery.ts) before any chunk of it is handed in, and given up before another
 *    member may have it.
 * 2. `stop` drains: what is in hand is finished, flushed, committed; then the group is left.
 *
 * How it fails: anything that a node cannot go on with ends in `failed`, once; the process exits with it.
 */
import { type ActorSystemRef, start as startSystem } from 'nact'
import { Partition } from '../actors/partition.ts'
import { encodeMetadata } from '../actors/position.ts'
import { RecoveryError, readQuarantine, startOf } from '../actors/recovery.ts'
import type { SourceReader } from '../codec/port.ts'
import type { Config } from '../config/load.ts'
import type { DelayWatch } from '../delays/watch.ts'
import type { Rules } from '../join/rules.ts'
import type { BeforeRecord } from '../join/turn.ts'
import { noPartitionJournal } from '../journal/none.ts'
import type { JournalStore, PartitionJournal } from '../journal/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import {
  type CommitEntry,
  type Log,
  LogError,
  type PartitionEnds,
  type Reader,
  type StartPosition,
  type Writer,
} from '../log/port.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import type { Durations } from '../time/durations.ts'
import { Committer } from './committer.ts'
import { EndsPoller } from './ends.ts'
import { LastCommits } from './lastCommits.ts'
import { ClusterMap } from './map.ts'
import { type OpenOutlets, openOutlets } from './outlets.ts'
import { rulesOf, watchOf } from './rules.ts'
import { Slots } from './slots.ts'
import { Standing } from './standing.ts'
import { toldOf } from './told.ts'

/** Small fetches keep what is young in the collector's young space: 512 KiB a partition was measured best. */
const FETCH_BYTES = 512 * 1024
const FETCH_WAIT_MS = 250
const ENDS_EVERY_MS = 250
/** What one partition's replay holds of the log: two fetches. */
const REPLAY_BYTES = 8 * 2 ** 20

export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface NodeOptions {
  readonly config: Config
  readonly id: string
  readonly log: Log
  readonly readers: readonly SourceReader[]
  readonly logger: Logger
  readonly clock?: Clock
  readonly journal: JournalStore
  /** Fingerprints of other pipelines beside whose nodes this one may work (admission.ts). */
  readonly alsoWith?: readonly string[]
  /** Runs before each record of a turn; tests inject faults with it. */
  readonly beforeRecord?: BeforeRecord
}

export class Node {
  readonly id: string
  readonly config: Config
  readonly topics: readonly string[]
  readonly log: Log
  readonly map: ClusterMap
  readonly delays: DelayWatch | undefined
  /** Rejects when the node cannot go on. */
  readonly failed: Promise<never>
  partitionCount = 0
  /** Assignments that the group has given this node. */
  assignments = 0
  private readonly options: NodeOptions
  private readonly clock: Clock
  private readonly rules: Rules
  private readonly system: ActorSystemRef
  private readonly owned = new Map<number, Partition>()
  private readonly committer: Committer
  private readonly replays: Slots
  private readonly ends: EndsPoller
  private standing!: Standing
  private reader!: Reader
  private writer!: Writer
  private outlets!: OpenOutlets
  private fail!: (error: Error) => void
  private readonly lastCommits = new LastCommits()
  /** Whether what is owned is what the group says: not from a revocation to the end of the next assignment. */
  private isSettled = true
  private started = false
  private stopping = false

  constructor(options: NodeOptions) {
    const { config, log } = options
    this.options = options
    this.id = options.id
    this.config = config
    this.log = log
    this.clock = options.clock ?? systemClock
    this.topics = config.pipeline.sources.map((source) => source.topic)
    this.rules = rulesOf(config)
    this.delays = watchOf(config, this.rules, this.clock)
    this.system = startSystem()
    this.map = new ClusterMap({ log, group: config.node.group, partitionCount: () => this.partitionCount })
    this.failed = new Promise((_, reject) => {
      this.fail = (error) => {
        this.committer.stop()
        reject(error)
      }
    })
    this.failed.catch(() => {})
    this.committer = new Committer({
      everyMs: config.node.commitEveryMs,
      topics: this.topics,
      partitions: () => (this.isSettled ? this.partitions : []),
      commit: (entries) => this.lastCommits.commit(entries, this.reader),
      onFailed: (error) => this.fail(error),
      onTrouble: (error, times) => this.warn('a commit was refused', error, { times }),
    })
    this.replays = new Slots(Math.max(1, Math.floor(config.node.memory.inFlightBytes / REPLAY_BYTES)))
    this.ends = new EndsPoller({
      log,
      topics: this.topics,
      partition: (index) => this.owned.get(index),
      clock: this.clock,
      everyMs: ENDS_EVERY_MS,
      onTrouble: (error) => this.warn('the log did not tell its ends', error, {}),
    })
  }

  get partitions(): readonly Partition[] {
    return [...this.owned.values()]
  }

  get commits(): number {
    return this.committer.commits
  }

  get commitTimes(): Durations {
    return this.committer.commitTimes
  }

  get flushTimes(): Durations {
    return this.committer.flushTimes
  }

  get state(): 'starting' | 'running' | 'stopping' {
    if (this.stopping) return 'stopping'
    return this.started ? 'running' : 'starting'
  }

  /** `url`: where the other nodes reach this one. */
  async start(url = ''): Promise<void> {
    const { log, config } = this.options
    const [views] = await log.topics([this.topics[0]])
    if (views === undefined) throw new Error(`topic ${this.topics[0]} does not exist`)
    this.partitionCount = views.partitions
    const owned = () => [...this.owned.keys()]
    this.standing = new Standing({ id: this.id, url, pipeline: config.pipeline, owned })
    await this.standing.lookInto(this.options.journal, this.partitionCount)
    this.writer = await log.writer()
    this.outlets = await openOutlets({
      config,
      writer: this.writer,
      node: this.id,
      viewReader: this.options.readers[0],
      onDeadLetters: (partition, base, count) => this.owned.get(partition)?.deadLettersWritten(base, count),
    })
    if (this.stopping) return
    this.reader = log.reader({
      group: config.node.group,
      topics: this.topics,
      fetchBytesPerPartition: FETCH_BYTES,
      maxWaitMs: FETCH_WAIT_MS,
      maxInflatedBytes: config.pipeline.limits.inflatedBytes,
      sessionTimeoutMs: config.node.kafka?.sessionTimeoutMs,
      memberInfo: () => this.standing.info(),
      agreements: [config.pipeline.fingerprint, ...(this.options.alsoWith ?? [])],
      onAssigned: (partitions) => this.assigned(partitions),
      onRevoking: () => this.revoking(),
      onChunk: (chunk) => this.chunk(chunk),
      onFailed: (error) => this.fail(error),
    })
    await this.reader.start()
    if (this.stopping) return
    this.committer.start()
    this.ends.start()
    this.started = true
  }

  /** Drains and leaves: what is in hand is finished, flushed and committed. */
  async stop(): Promise<void> {
    if (this.stopping) return
    this.stopping = true
    this.committer.stop()
    await this.ends.stop()
    for (const partition of this.owned.values()) partition.quiesce()
    await this.committer.commitNow()
    await this.reader?.close()
    for (const partition of this.owned.values()) await partition.stop()
    await this.outlets?.close()
    await this.writer?.close()
  }

  private chunk(chunk: RawChunk): void {
    if (this.stopping) return
    const partition = this.owned.get(chunk.partition)
    const source = this.topics.indexOf(chunk.topic)
    if (partition !== undefined && source >= 0) partition.offer(source, chunk)
  }

  /** Nothing is joined from here on until it is known which partitions stay: another would join it again. */
  private async revoking(): Promise<void> {
    for (const partition of this.owned.values()) partition.hold()
    await this.committer.commitNow()
    this.isSettled = false
  }

  private async assigned(partitions: readonly number[]): Promise<readonly StartPosition[]> {
    // A node that is leaving takes nothing more, and nobody waits for what it would say.
    if (this.stopping) return new Promise(() => {})
    this.isSettled = false
    try {
      const committed = await this.log.committed(this.config.node.group, this.topics)
      const isKept = ({ index }: Partition) => partitions.includes(index) && this.lastCommits.isOwn(index, committed)
      const lost = this.partitions.filter((partition) => !isKept(partition))
      for (const { index } of lost) this.owned.delete(index)
      this.isSettled = true
      for (const partition of this.partitions) partition.release()
      for (const partition of lost) {
        this.delays?.leave(partition.index)
        await partition.stop()
      }
      const fresh = partitions.filter((index) => !this.owned.has(index))
      if (fresh.length > 0) await this.recover(fresh)
      this.assignments++
      return this.partitions.flatMap((partition) => this.startPositions(partition))
    } catch (error) {
      this.fail(error as Error)
      throw error
    }
  }

  private startPositions(partition: Partition): StartPosition[] {
    return this.topics.map((topic, source) => ({
      topic,
      partition: partition.index,
      offset: partition.fetchFrom(source),
    }))
  }

  private async recover(fresh: readonly number[]): Promise<void> {
    const { log, config } = this.options
    const { deadLetters } = config.pipeline.sideOutputs
    const [committed, ends, deadEnds] = await Promise.all([
      log.committed(config.node.group, this.topics),
      log.ends(this.topics),
      log.ends([deadLetters]),
    ])
    const first: CommitEntry[] = []
    for (const index of fresh) {
      const deadEnd = deadEnds.find((end) => end.partition === index) as PartitionEnds
      const start = startOf({ partition: index, topics: this.topics, committed, ends, deadLettersEnd: deadEnd.high })
      const partition = await this.build(index)
      partition.begin(start.position, start.lows)
      this.owned.set(index, partition)
      this.lastCommits.found(index, committed)
      // Not awaited: partitions that are live already go on meanwhile.
      void this.restore(partition, { ...deadEnd, from: start.position.deadLettersFrom })
      const metadata = encodeMetadata(start.position)
      if (start.isFirst) {
        for (const [topic, at] of start.position.sources) {
          first.push({ topic, partition: index, offset: at.offset, metadata })
        }
      }
    }
    if (first.length > 0) await this.commitFirst(first, fresh)
    this.options.logger.info({ partitions: fresh }, 'partitions assigned')
  }

  private async restore(partition: Partition, deadLetters: PartitionEnds & { from: number }): Promise<void> {
    const startedMs = this.clock.monotonicMs()
    try {
      await this.replays.run(async () => {
        await partition.restore(await readQuarantine(this.log, this.topics, deadLetters))
      })
    } catch (error) {
      partition.fail(error as Error)
    }
    if (!partition.isLive) return
    const { rates, recovered, index } = partition
    const tookMs = Math.round(this.clock.monotonicMs() - startedMs)
    this.options.logger.info(
      { partition: index, tookMs, recordsReplayed: rates.recordsReplayed, segmentsRead: recovered.segmentsRead },
      'partition live',
    )
  }

  /** A log that no longer has what a partition needs stops that partition; others go on. Anything else stops the node. */
  private partitionFailed(index: number, error: Error): void {
    if (!(error instanceof RecoveryError)) {
      this.fail(error)
      return
    }
    this.options.logger.error({ partition: index, error: error.message }, 'the partition is stopped')
    if (this.partitions.every(({ stoppedBy }) => stoppedBy !== undefined)) this.fail(error)
  }

  /** Those that cannot go on, with the reason. */
  get stopped(): readonly Partition[] {
    return this.partitions.filter(({ stoppedBy }) => stoppedBy !== undefined)
  }

  /** A partition without a commit commits its start before it takes a record in. */
  private async commitFirst(entries: readonly CommitEntry[], fresh: readonly number[]): Promise<void> {
    try {
      await this.lastCommits.commit(entries, this.reader)
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'NOT_OWNER')) throw error
      // Another generation is under way: these are given up, its own assignment builds anew what is this node's.
      for (const index of fresh) {
        const partition = this.owned.get(index)
        this.owned.delete(index)
        await partition?.stop()
      }
    }
  }

  private async build(index: number): Promise<Partition> {
    const { config } = this.options
    const { memory } = config.node
    const journal = await this.openJournal(index)
    const shares = this.partitionCount
    return new Partition({
      partition: index,
      partitions: this.partitionCount,
      rules: this.rules,
      topics: this.topics,
      readers: this.options.readers,
      outlets: this.outlets,
      system: this.system,
      clock: this.clock,
      inboxBytes: Math.max(1, Math.floor(memory.inFlightBytes / shares / this.topics.length)),
      alignWithinMs: config.pipeline.time.alignWithinMs,
      outputBytes: memory.outputBytes,
      actorBytes: Math.floor(memory.actorBytes / shares),
      pause: (source) => this.reader.pause({ topic: this.topics[source], partition: index }),
      resume: (source) => this.reader.resume({ topic: this.topics[source], partition: index }),
      onFailed: (error) => this.partitionFailed(index, error),
      ...toldOf(this.options.logger, this.topics, index),
      observe: this.delays?.partition(index, shares),
      beforeRecord: this.options.beforeRecord,
      journal: journal ?? noPartitionJournal(),
      fingerprint: config.pipeline.fingerprint,
      stateBytes: journal === undefined ? Number.POSITIVE_INFINITY : Math.floor(memory.stateBytes / shares),
      commitSoon: () => this.committer.commitSoon(),
      readLog: (source, from, to) => this.log.readRange(this.topics[source], index, from, to),
    })
  }

  /** Undefined where there is none, or where it cannot be used: then the log alone must do. */
  private async openJournal(index: number): Promise<PartitionJournal | undefined> {
    if (!this.config.node.journal) return undefined
    try {
      const journal = await this.options.journal.partition(index)
      this.standing.holds(index)
      return journal
    } catch (error) {
      this.warn('the journal cannot be used: state must fit memory, and starts replay the log', error as Error, {
        partition: index,
      })
      return undefined
    }
  }

  private warn(message: string, error: Error, fields: object): void {
    this.options.logger.warn({ ...fields, error: error.message }, message)
  }
}
