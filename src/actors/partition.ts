/**
 * One partition's loop: fetched chunks in, samples out, positions to commit (DESIGN.md section 4).
 *
 *   chunk -> columns -> admit (clocks, keying) -> a turn a user -> order -> encode -> sinks        commit
 *
 * Owns: the join state, the user actors, the positions. Nothing else changes them. Invariants:
 * 1. One thing at a time: a chunk, a tick, a capture of what is to be committed, each runs to its end (`turnstile`).
 * 2. Until replay is through nothing is emitted, sealed or counted.
 * 3. `position` says what was joined; a record below it is skipped uncounted, whatever the log client hands in.
 *
 * How it fails: what it cannot deal with (a miskeyed record, an output that cannot be written) is told once to
 * `onFailed`, and the partition stops where it is: nothing after it is committed. What it had joined before a
 * PartitionStop still is.
 */
import { randomBytes } from 'node:crypto'
import { admitTick } from '../join/batch.ts'
import { JoinState } from '../join/state.ts'
import { takeTurn } from '../join/turn.ts'
import type { RawChunk } from '../log/chunk.ts'
import { type AdvanceParts, advance, type InHand } from './advance.ts'
import { admitChunk, Flags, LateInReplay } from './arrival.ts'
import { captureOf } from './capture.ts'
import { Feed } from './feed.ts'
import { type LostRange, mergeLost } from './loss.ts'
import { Memory } from './memory.ts'
import { PartitionOutput } from './output.ts'
import { type Capture, newRates, type PartitionOptions } from './partitionOptions.ts'
import { PartitionStop } from './partitionStop.ts'
import { takeOver } from './pipelineMark.ts'
import type { Position } from './position.ts'
import type { ReplayView } from './progress.ts'
import { Quarantine } from './quarantine.ts'
import { Rebuild, type Recovered } from './rebuild.ts'
import { Restarter } from './restarter.ts'
import { Slice } from './slice.ts'
import { SnapshotSchedule } from './snapshotSchedule.ts'
import { Spill } from './spill.ts'
import { Store } from './store.ts'
import { Turnstile } from './turnstile.ts'
import { Users } from './users.ts'

const OWNER_BYTES = 6

export class Partition {
  readonly index: number
  /** Of this ownership of the partition, from one assignment on: what its commits and its journal are known by. */
  readonly owner = randomBytes(OWNER_BYTES).toString('base64url')
  readonly state: JoinState
  readonly users: Users
  readonly rates = newRates()
  /** What the start made of the journal. */
  recovered: Recovered = { from: 'log', segmentsRead: 0, usersLoaded: 0, lost: [] }
  /** Per source: the next offset to take. */
  readonly position: Float64Array
  /** Per source: the log's end when last heard of; Infinity while unknown. */
  readonly endOffset: Float64Array
  readonly store: Store
  readonly spill: Spill
  readonly output: PartitionOutput
  readonly schedule: SnapshotSchedule
  private readonly options: PartitionOptions
  private readonly memory: Memory
  private readonly parts: AdvanceParts
  private readonly rebuild: Rebuild
  readonly restarter: Restarter
  private readonly feed: Feed
  private readonly flags = new Flags()
  private quarantine: Quarantine
  readonly neededFloor: Float64Array
  private lost: readonly LostRange[] = []
  /** Who made the commit that this was begun from. */
  private committedBy: string | undefined
  /** Per source: where the log began when this was begun. */
  private lows: readonly number[] = []
  /** Per source: up to where the journal has everything. */
  private readonly coveredTo: Float64Array
  private chunk: RawChunk | undefined
  private replaying = true
  private isGivenUp = false
  private failure: Error | undefined
  private readonly turnstile = new Turnstile((error) => this.fail(error))

  constructor(options: PartitionOptions) {
    const sources = options.topics.length
    this.options = options
    this.index = options.partition
    this.state = new JoinState(options.rules, sources, options.makeClocks?.())
    this.position = new Float64Array(sources)
    this.neededFloor = new Float64Array(sources)
    this.endOffset = new Float64Array(sources).fill(Number.POSITIVE_INFINITY)
    this.quarantine = new Quarantine(sources, 0)
    this.output = new PartitionOutput({
      ...options,
      owner: this.owner,
      emissions: this.rates.emissions,
      onDead: (source, offset, decided) => this.quarantine.write(source, offset, decided),
    })
    this.users = new Users(
      options.system,
      `partition-${options.partition}`,
      this.state,
      (user) => {
        this.restarter.mark()
        takeTurn(this.state, user, options.beforeRecord)
      },
      (user, error) => this.restarter.restart(user, error),
    )
    this.store = new Store(options.journal, this.state, options.fingerprint, this.isQuarantined)
    this.spill = new Spill(this.state, options.journal, options.readers[0], options.partition)
    this.memory = new Memory(this.state, this.users, this.store, this.spill, options)
    this.coveredTo = new Float64Array(sources)
    const waiting = { isStopped: () => this.isStopped, onTrouble: options.onTrouble }
    const { state, users, store, spill, memory, output, flags, turnstile } = this
    const kept = { state, users, store, spill }
    this.schedule = new SnapshotSchedule(options, { ...kept, turnstile, onDamaged: (error) => this.fail(error) })
    const made = { ...kept, flags, schedule: this.schedule, memory, output, waiting }
    this.parts = { ...made, onlooker: options.onlooker, slice: new Slice() }
    const { position, endOffset, coveredTo, rates } = this
    this.feed = new Feed(options, {
      ...{ state, turnstile, waiting, position, endOffset },
      isReplaying: () => this.replaying,
      join: (source, chunk) => this.join(source, chunk),
    })
    const lateInReplay = new LateInReplay(options.rules, sources, options.makeClocks?.())
    const replayParts = { state, batch: this.feed.batch, store, flags, lateInReplay, coveredTo }
    this.rebuild = new Rebuild({ ...options, parts: replayParts, memory, rates, waiting, owner: this.owner })
    this.restarter = new Restarter({
      ...options,
      state,
      position,
      journalWholeFrom: () => store.journalWholeFrom,
      keying: options,
      isQuarantined: this.isQuarantined,
      quarantine: (...crash) => output.crashed(this.chunk, options.clock.wallMs(), ...crash),
    })
  }

  get isLive(): boolean {
    return !this.replaying
  }

  get isDraining(): boolean {
    return this.feed.gate.isDraining
  }

  get bufferedBytes(): number {
    return this.feed.bytes
  }

  isPaused(source: number): boolean {
    return this.feed.isPaused(source)
  }

  /** It takes nothing more. */
  get isStopped(): boolean {
    return this.isGivenUp || this.failure !== undefined
  }

  /** Half a batch may be in hand: nothing is committed any more. */
  private get isTorn(): boolean {
    return this.failure !== undefined && !(this.failure instanceof PartitionStop)
  }

  /** Why it stands still, where it does: nothing after that is committed. */
  get stoppedBy(): Error | undefined {
    return this.failure
  }

  /** How far the replay has come; undefined once it is through. */
  get replay(): ReplayView | undefined {
    return this.replaying ? this.rebuild.progress.view : undefined
  }

  /** Starts from a commit: clocks and ledger as committed. `lows` says where the log begins, by topic. */
  begin(at: Position, lows: ReadonlyMap<string, number>): void {
    const s = this.state
    const sources = this.options.topics.map((topic) => at.sources.get(topic)!)
    s.restoreLedger(at.ledger)
    const highestMs = sources.map((source) => source.highestMs)
    s.clocks.restore(at.watermarkMs, highestMs)
    takeOver(s, at, this.index)
    this.position.set(sources.map((source) => source.offset))
    this.neededFloor.set(sources.map((source) => source.neededFrom))
    this.lost = at.lost ?? []
    this.committedBy = at.owner
    this.lows = this.options.topics.map((topic) => lows.get(topic)!)
  }

  /** Rebuilds the state up to where it was begun. Resolves when the partition is live, stopped or failed. */
  restore(quarantine: Quarantine): Promise<void> {
    const restored = this.turnstile.run(async () => {
      if (this.isStopped) return
      this.quarantine = quarantine
      const { lows, lost, committedBy } = this
      const [offsets, neededFrom] = [[...this.position], [...this.neededFloor]]
      const target = {
        offsets,
        neededFrom,
        lows,
        lost,
        committedBy,
        watermarkMs: this.state.clocks.watermarkMs,
        quarantine,
      }
      this.store.restored(target, committedBy)
      const recovered = await this.rebuild.run(target)
      if (recovered === undefined) return
      this.recovered = recovered
      this.lost = mergeLost(this.lost, recovered.lost)
      this.lows.forEach((low, source) => {
        this.position[source] = Math.max(this.position[source], low)
      })
      this.replaying = false
    })
    return restored.then(
      () => void this.feed.run(),
      () => {}, // told to `onFailed`
    )
  }

  /** A fetched chunk; kept until its turn comes. */
  offer(source: number, chunk: RawChunk): void {
    if (this.isStopped || this.feed.gate.isQuiet) return
    this.endOffset[source] = Math.max(chunk.highWatermark, chunk.nextOffset)
    this.feed.put(source, chunk)
  }

  /** An answer of the log about a source's end; `askedAtMs` is when it was asked for (monotonic). */
  heardEnd(source: number, endOffset: number, askedAtMs: number): void {
    this.endOffset[source] = endOffset
    if (this.replaying) return
    if (this.feed.isEmpty(source) && this.position[source] >= endOffset) this.state.clocks.atEnd(source, askedAtMs)
    else this.state.clocks.behind(source)
  }

  /** A source has no more than this (files): it holds nobody back. One that never had an event is left out. */
  ended(source: number, endOffset: number): void {
    this.endOffset[source] = endOffset
    if (this.state.clocks.highestMs[source] === Number.NEGATIVE_INFINITY && this.position[source] >= endOffset) {
      this.state.clocks.atEnd(source, this.options.clock.monotonicMs())
    }
  }

  /** After answers: what the moved clocks made due is done. */
  tick(): Promise<void> {
    if (this.replaying) return Promise.resolve()
    void this.feed.run()
    return this.turnstile.run(async () => {
      const s = this.state
      if (this.isStopped || this.feed.gate.isHeld || s.clocks.watermarkMs <= s.lastWatermarkMs) return
      admitTick(s)
      await this.advance()
      this.output.push()
    })
  }

  /** The end of all input (files): everything is sealed. */
  finish(): Promise<void> {
    return this.turnstile.run(async () => {
      this.state.clocks.finish()
      admitTick(this.state)
      await this.advance()
      await this.output.flush()
    })
  }

  /** What a commit of this moment would say; to be committed once `flushed` has resolved. */
  capture(cut?: (capture: Capture) => void): Promise<Capture> {
    return this.turnstile.run(async () => {
      if (this.isTorn) throw this.failure
      const capture = captureOf({
        ...this.parts,
        position: this.position,
        topics: this.options.topics,
        neededFloor: this.neededFloor,
        quarantine: this.quarantine,
        cut,
        lost: this.lost,
        owner: this.owner,
      })
      this.schedule.captured(capture)
      return capture
    })
  }

  /** A commit of this capture was acknowledged: what only older commits needed is forgotten, memory may be given up. */
  acknowledged(capture: Capture): Promise<void> {
    return this.turnstile.run(async () => {
      if (this.isGivenUp || this.isTorn) return
      this.schedule.acknowledged(capture)
      const { position, epoch, batchNumber } = capture
      const offsets = this.options.topics.map((topic) => position.sources.get(topic)!.offset)
      await this.store.acknowledge(epoch, batchNumber, { offsets, watermarkMs: position.watermarkMs })
      if (this.memory.isOver) await this.memory.evict()
      this.feed.gate.isStarved = false
      void this.feed.run()
    })
  }

  /** A capture that is not committed after all. */
  abandoned(capture: Capture): void {
    this.schedule.abandoned(capture)
    this.store.abandon(capture.epoch)
  }

  /** Resolves when all output made so far is durable. */
  flushed(): Promise<void> {
    return this.output.flush()
  }

  /** The dead letters that were sent first now lie in the log. */
  deadLettersWritten(baseOffset: number, count: number): void {
    this.quarantine.written(baseOffset, count)
  }

  /** As it is once the dead letters of a capture are written. */
  get readBack(): Quarantine['readBack'] {
    return this.quarantine.readBack
  }

  /** Where the log is to be read from for this source: behind what waits in the inbox. */
  fetchFrom(source: number): number {
    return Math.max(this.feed.endOf(source) ?? this.position[source], this.lows[source])
  }

  /** What is in hand is finished; nothing more is joined, sealed or decided until `release`. */
  hold(): void {
    this.feed.gate.isHeld = true
  }

  /** The partition was kept through a rebalance. */
  release(): void {
    this.feed.release()
  }

  /** The node is told to stop: what others see of it. */
  announceStop(): void {
    this.feed.gate.isLeaving = true
  }

  /** Takes no further chunk; what is in hand is finished. */
  quiesce(): void {
    this.feed.quiesce()
  }

  /** Gives up everything; resolves when what is in hand is done. */
  async stop(): Promise<void> {
    this.isGivenUp = true
    this.feed.clear()
    await this.schedule.stop()
    await this.turnstile.idle
    this.users.stop()
    await this.store.close()
  }

  /** Resolves when no chunk waits any more. */
  async drained(): Promise<void> {
    await this.feed.run()
    await this.turnstile.idle
  }

  private readonly isQuarantined = (source: number, offset: number): boolean => this.quarantine.has(source, offset)

  /** It cannot go on: what was committed stands, nothing after it is. */
  fail(error: Error): void {
    if (this.isStopped) return
    this.failure = error
    this.feed.clear()
    this.feed.pauseAll()
    this.options.onFailed(error)
  }

  private async join(source: number, chunk: RawChunk): Promise<void> {
    const { state: s, feed } = this
    const { batch, gate } = feed
    const startedMs = this.options.clock.monotonicMs()
    s.clocks.heard(source, startedMs)
    const { partition, partitions, clock } = this.options
    const rules = { source, partition, partitions, wallMs: clock.wallMs(), isQuarantined: this.isQuarantined }
    const dead = admitChunk(s, batch, chunk, rules)
    this.chunk = chunk
    this.store.open(this.coveredTo)
    await this.advance({ dead, chunk, source })
    this.position[source] = chunk.nextOffset
    await this.store.append(source, this.coveredTo[source], chunk, this.flags.items)
    this.coveredTo[source] = Math.max(this.coveredTo[source], chunk.nextOffset)
    this.chunk = undefined
    chunk.release?.()
    await this.memory.balance()
    if (this.memory.isStarved) gate.starve(this.options.commitSoon)
    this.rates.recordsJoined += batch.count
    this.rates.batches.add(this.options.clock.monotonicMs() - startedMs)
    if (feed.bytes === 0) this.output.push()
    if (this.output.isFull) await this.output.flush()
  }

  private advance(inHand?: InHand): Promise<void> {
    return advance(this.parts, this.options.clock.wallMs(), inHand)
  }
}
