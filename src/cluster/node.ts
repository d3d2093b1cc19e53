/**
 * One node: a log, a reader in the group, the partitions that the group gives it, and what runs beside them (commits,
 * the watch on the log's ends).
 *
 * Owns: the life of all of these: started in order, drained and closed in the reverse one.
 *
 * Invariants:
 * 1. A partition is taken over (delivery.ts), then built from its commit (recovery.ts), before any chunk of it is handed
 *    in, and given up before another member may have it.
 * 2. `stop` drains: what is in hand is finished, flushed, committed; then the group is left.
 *
 * How it fails: anything that a node cannot go on with ends in `failed`, once; the process exits with it. A partition
 * whose delivery is lost, or whose journal is damaged, is given up alone, and asked for again.
 */
import { type ActorSystemRef, start as startSystem } from 'nact'
import type { AcceptedLoss } from '../actors/loss.ts'
import { Partition } from '../actors/partition.ts'
import type { PartitionOptions } from '../actors/partitionOptions.ts'
import { PartitionStop } from '../actors/partitionStop.ts'
import { entriesOf } from '../actors/position.ts'
import type { SharedSnapshots } from '../actors/snapshotSchedule.ts'
import type { SourceReader } from '../codec/port.ts'
import type { Config } from '../config/load.ts'
import type { DelayWatch } from '../delays/watch.ts'
import type { Rules } from '../join/rules.ts'
import type { BeforeRecord } from '../join/turn.ts'
import { isDamage, type JournalStore } from '../journal/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import { whilePassing } from '../log/patience.ts'
import type { CommitEntry, Log, Reader, StartPosition } from '../log/port.ts'
import { toldClocksOf } from '../repartition/clocks.ts'
import type { SnapshotStore } from '../snapshots/port.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import { Durations } from '../time/durations.ts'
import { type Delivery, REVOKE_PATIENCE_MS, STOP_PATIENCE_MS } from './delivery.ts'
import { EndsPoller } from './ends.ts'
import { isClosed, isLost } from './exactlyOnce.ts'
import { Holdings } from './holdings.ts'
import { Journals } from './journals.ts'
import { ClusterMap } from './map.ts'
import { openDelivery } from './openDelivery.ts'
import { type OpenOutlets, openOutlets } from './outlets.ts'
import { Restores } from './restores.ts'
import { rulesOf, watchOf } from './rules.ts'
import { Standing } from './standing.ts'
import { Starts } from './starts.ts'
import { toldOf } from './told.ts'
import { joinTopics, outputTopics } from './topics.ts'

/** Small fetches keep what is young in the collector's young space: 512 KiB a partition was measured best. */
const FETCH_BYTES = 512 * 1024
const FETCH_WAIT_MS = 250
const ENDS_EVERY_MS = 250

export type Logger = Readonly<Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>>

export interface NodeOptions {
  readonly config: Config
  readonly id: string
  /** The name of its data folder (dataFolder.ts); absent where it is no process of its own. */
  readonly folder?: string
  readonly log: Log
  readonly readers: readonly SourceReader[]
  readonly logger: Logger
  readonly clock?: Clock
  readonly journal: JournalStore
  /** Fingerprints of other pipelines beside whose nodes this one may work (admission.ts). */
  readonly alsoWith?: readonly string[]
  /** Where snapshots are shared; absent: nowhere. */
  readonly snapshots?: SnapshotStore
  /** What may be missing from the log, exactly. */
  readonly acceptLoss?: readonly AcceptedLoss[]
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
  /** Of commits: from the capture to its acknowledgement; of it, until all output was durable. */
  readonly commitTimes = new Durations()
  readonly flushTimes = new Durations()
  private readonly options: NodeOptions
  private readonly clock: Clock
  private readonly rules: Rules
  private readonly system: ActorSystemRef
  private readonly held: Holdings
  private readonly restores: Restores
  private readonly starts: Starts
  private readonly snapshots: SharedSnapshots | undefined
  private readonly ends: EndsPoller
  private journals!: Journals
  private makeClocks: PartitionOptions['makeClocks']
  private reader!: Reader
  private delivery: Delivery | undefined
  private outlets!: OpenOutlets
  private fail!: (error: Error) => void
  /** Whether what is owned is what the group says: not from a revocation to the end of the next assignment. */
  private isSettled = true
  /** What the group gave last, until it is taken over: it opens journals still. */
  private assigning: Promise<unknown> = Promise.resolve()
  private started = false
  private isBuilding = false
  private stopping = false
  private isLeaving = false

  constructor(options: NodeOptions) {
    const { config, log } = options
    this.options = options
    this.id = options.id
    this.config = config
    this.log = log
    this.clock = options.clock ?? systemClock
    this.topics = joinTopics(config.pipeline)
    this.rules = rulesOf(config)
    this.delays = watchOf(config, this.rules, this.clock)
    this.system = startSystem()
    this.map = new ClusterMap({ log, group: config.node.group, partitionCount: () => this.partitionCount })
    this.failed = new Promise((_, reject) => {
      this.fail = (error) => {
        this.delivery?.stop()
        reject(error)
      }
    })
    this.failed.catch(() => {})
    const rejoin = (): void => this.reader.rejoin?.()
    this.held = new Holdings({
      leave: (partition) => this.leave(partition),
      rejoin,
      onFailed: (error) => this.fail(error),
    })
    const { everyMs = 0, memoryBytes = 0 } = config.node.snapshots ?? {}
    const { snapshots: store } = options
    this.snapshots = store && { store, everyMs, limitBytes: memoryBytes, taking: undefined, waiting: new Map() }
    const { topics, clock } = this
    const { deadLetters } = config.pipeline.sideOutputs
    const told = { log, topics, logger: options.logger }
    this.starts = new Starts({ ...told, outputs: outputTopics(config.pipeline), deadLetters, rejoin })
    this.restores = new Restores({ ...told, clock, inFlightBytes: config.node.memory.inFlightBytes })
    this.ends = new EndsPoller({
      log,
      topics: this.topics,
      partition: (index) => this.held.get(index),
      clock: this.clock,
      everyMs: ENDS_EVERY_MS,
      onTrouble: (error) => this.warn('the log did not tell its ends', error, {}),
    })
  }

  get partitions(): readonly Partition[] {
    return this.held.all
  }

  get commits(): number {
    return this.delivery?.commits ?? 0
  }

  get state(): 'starting' | 'running' | 'stopping' {
    if (this.stopping || this.isLeaving) return 'stopping'
    return this.started ? 'running' : 'starting'
  }

  /** `url`: where the other nodes reach this one. */
  async start(url = ''): Promise<void> {
    const { log, config, folder = '', journal: store } = this.options
    const [views] = await log.topics([this.topics[0]])
    if (views === undefined) throw new Error(`topic ${this.topics[0]} does not exist`)
    this.partitionCount = views.partitions
    this.makeClocks = await toldClocksOf(log, config.pipeline, this.rules)
    const owned = () => this.held.numbers
    const standing = new Standing({ id: this.id, folder, url, pipeline: config.pipeline, owned })
    const { partitionCount: shares, warn } = this
    await standing.lookInto(store, shares)
    this.journals = new Journals({ config, store, shares, standing, warn })
    const delivery = await openDelivery(config, log, {
      everyMs: config.node.commitEveryMs,
      topics: this.topics,
      times: this,
      partitions: () => (this.isSettled ? this.partitions : []),
      commit: (entries) => this.reader.commit(entries),
      onFailed: (error) => this.fail(error),
      onLost: (partition, error) => this.lost(partition, error),
      onTrouble: (error, times) => this.warn('a commit was refused', error, { times }),
    })
    this.delivery = delivery
    this.outlets = await openOutlets({
      config,
      log,
      writer: delivery.writer,
      node: this.id,
      viewReader: this.options.readers[0],
      onDeadLetters: (partition, base, count) => this.held.get(partition)?.deadLettersWritten(base, count),
      logger: this.options.logger,
    })
    if (this.stopping) return
    this.reader = log.reader({
      group: config.node.group,
      topics: this.topics,
      fetchBytesPerPartition: FETCH_BYTES,
      maxWaitMs: FETCH_WAIT_MS,
      maxInflatedBytes: config.pipeline.limits.inflatedBytes,
      sessionTimeoutMs: config.node.kafka?.sessionTimeoutMs,
      memberInfo: () => standing.info(),
      agreements: [config.pipeline.fingerprint, ...(this.options.alsoWith ?? [])],
      // A node that is leaving takes nothing more, and nobody waits for what it would say.
      onAssigned: (numbers) => (this.stopping ? new Promise(() => {}) : (this.assigning = this.assigned(numbers))),
      onRevoking: () => this.revoking(),
      onChunk: (chunk) => this.chunk(chunk),
      onFailed: (error) => this.fail(error),
    })
    await this.reader.start()
    if (this.stopping) return
    delivery.start()
    this.ends.start()
    this.started = true
  }

  /** Told before anything that it rests on is stopped, so that nobody takes it for ready meanwhile. */
  announceStop(): void {
    this.isLeaving = true
    for (const partition of this.partitions) partition.announceStop()
  }

  /** Drains and leaves: what is in hand is finished, flushed and committed. */
  async stop(): Promise<void> {
    if (this.stopping) return
    this.stopping = true
    this.delivery?.stop()
    await this.ends.stop()
    for (const partition of this.partitions) partition.quiesce()
    await this.delivery?.commitNow(STOP_PATIENCE_MS)
    await this.reader?.close()
    await this.assigning.catch(() => {})
    this.starts.forget()
    await this.held.giveUpAll()
    await this.outlets?.close()
    await this.delivery?.close()
  }

  private chunk(chunk: RawChunk): void {
    if (this.stopping) return
    const partition = this.held.get(chunk.partition)
    const source = this.topics.indexOf(chunk.topic)
    if (partition !== undefined && source >= 0) partition.offer(source, chunk)
  }

  /** Nothing is joined from here on until it is known which partitions stay: another would join it again. */
  private async revoking(): Promise<void> {
    for (const partition of this.partitions) partition.hold()
    await this.delivery!.commitNow(REVOKE_PATIENCE_MS)
    this.isSettled = false
  }

  private async assigned(partitions: readonly number[]): Promise<readonly StartPosition[]> {
    this.isSettled = false
    this.starts.forget()
    try {
      const stay = await this.insist(() => this.delivery!.keep(this.held.among(partitions)))
      const left = this.held.assign(partitions, stay)
      this.isSettled = true
      for (const partition of this.partitions) partition.release()
      await left
      const fresh = partitions.filter((index) => !this.held.has(index))
      this.isBuilding = true
      if (fresh.length > 0) await this.recover(fresh)
      this.isBuilding = false
      this.failIfAllStopped()
      this.assignments++
      return this.partitions.flatMap((partition) =>
        this.topics.map((topic, k) => ({ topic, partition: partition.index, offset: partition.fetchFrom(k) })),
      )
    } catch (error) {
      this.fail(error as Error)
      throw error
    }
  }

  private async recover(fresh: readonly number[]): Promise<void> {
    const starts = await this.insist(() => this.starts.of(fresh, this.delivery!))
    const first: CommitEntry[] = []
    for (const { index, start, deadLetters } of starts) {
      if (this.stopping) return
      const partition = await this.build(index)
      partition.begin(start.position, start.lows)
      this.held.hold(partition)
      if (this.isLeaving) partition.announceStop()
      // A pause of whoever was built of it before would outlive it.
      for (const topic of this.topics) this.reader.resume({ topic, partition: index })
      // Not awaited: partitions that are live already go on meanwhile.
      void this.restores.restore(partition, deadLetters, start.position)
      if (start.isFirst) first.push(...entriesOf(start.position, index))
    }
    if (first.length > 0) await this.commitFirst(first, fresh)
    this.options.logger.info({ partitions: starts.map(({ index }) => index) }, 'partitions assigned')
  }

  /** What is a partition's alone (a log that lacks what it needs, a miskeyed record) stops no other. Else the node stops. */
  private partitionFailed(index: number, error: Error): void {
    const partition = this.held.get(index)
    // One that goes is of no concern any more: whoever builds it anew here finds a damage of its journal by itself.
    if (partition === undefined && (isClosed(error) || isDamage(error))) return
    const isBuiltAnew = isLost(error) || this.journals.mayBeginAnew(index, error)
    if (partition !== undefined && isBuiltAnew) return this.lost(partition, error)
    if (!(error instanceof PartitionStop)) return this.fail(error)
    this.options.logger.error({ partition: index, error: error.message }, 'the partition is stopped')
    this.failIfAllStopped()
  }

  /** Not judged while some are still to come: the first of them may be the one that cannot go on. */
  private failIfAllStopped(): void {
    const [first] = this.stopped
    if (!this.isBuilding && first !== undefined && this.stopped.length === this.partitions.length)
      this.fail(first.stoppedBy!)
  }

  /** A log that is away is waited for: a node that is given partitions then is of no less use afterwards. */
  private insist<T>(ask: () => Promise<T>): Promise<T> {
    const onTrouble = (error: Error): void => this.warn('an assignment waits for the log', error, {})
    return whilePassing(ask, { isStopped: () => this.stopping, onTrouble })
  }

  /** Those that cannot go on, with the reason. */
  get stopped(): readonly Partition[] {
    return this.partitions.filter(({ stoppedBy }) => stoppedBy !== undefined)
  }

  /** A partition without a commit commits its start before it takes a record in. */
  private async commitFirst(entries: readonly CommitEntry[], fresh: readonly number[]): Promise<void> {
    try {
      await this.delivery!.commitFirst(entries)
    } catch (error) {
      if (!isLost(error)) throw error
      // Another generation is under way: these are given up, its own assignment builds anew what is this node's.
      this.held.lose(this.partitions.filter(({ index }) => fresh.includes(index)))
      await this.held.settled()
    }
  }

  private async leave(partition: Partition): Promise<void> {
    this.delays?.leave(partition.index)
    await this.delivery!.giveUp(partition.index)
    const stopped = partition.stop()
    // What it has in hand waits for its output no longer; what it makes until it has stopped goes with the rest.
    this.outlets.discard(partition.index)
    await stopped
    this.outlets.discard(partition.index)
  }

  /** What the partition holds is no longer what its commit says: it is built anew, when the group gives it again. */
  private lost(partition: Partition, error: Error): void {
    if (this.held.get(partition.index) !== partition) return
    this.warn('a partition is given up until its next assignment', error, { partition: partition.index })
    this.held.lose([partition])
  }

  private async build(index: number): Promise<Partition> {
    const { pipeline, node } = this.options.config
    const shares = this.partitionCount
    const journal = await this.journals.open(index)
    return new Partition({
      partition: index,
      partitions: shares,
      rules: this.rules,
      topics: this.topics,
      readers: this.options.readers,
      makeClocks: this.makeClocks,
      outlets: this.outlets,
      system: this.system,
      clock: this.clock,
      inboxBytes: Math.max(1, Math.floor(node.memory.inFlightBytes / shares / this.topics.length)),
      alignWithinMs: pipeline.time.alignWithinMs,
      outputBytes: node.memory.outputBytes,
      actorBytes: Math.floor(node.memory.actorBytes / shares),
      pause: (source) => this.reader.pause({ topic: this.topics[source], partition: index }),
      resume: (source) => this.reader.resume({ topic: this.topics[source], partition: index }),
      onFailed: (error) => this.partitionFailed(index, error),
      ...toldOf(this.options.logger, this.topics, index),
      onlooker: this.delays?.partition(index, shares),
      snapshots: this.snapshots,
      acceptLoss: this.options.acceptLoss,
      beforeRecord: this.options.beforeRecord,
      ...journal,
      fingerprint: pipeline.fingerprint,
      commitSoon: () => this.delivery!.commitSoon(),
      readLog: (source, from, to) => this.log.readRange(this.topics[source], index, from, to),
    })
  }

  private readonly warn = (message: string, error: Error, fields: object): void =>
    this.options.logger.warn({ ...fields, error: error.message }, message)
}
