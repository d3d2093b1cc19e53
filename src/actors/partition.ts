/**
 * One partition's loop: fetched chunks in, samples out, positions to commit (DESIGN.md section 4).
 *
 *   chunk -> columns -> admit (clocks, keying) -> a turn a user -> order -> encode -> sinks        commit
 *
 * Owns: the join state, the user actors, the inbox, the positions. Nothing else touches them.
 *
 * Invariants:
 * 1. One thing at a time: a chunk, a tick, a capture of what is to be committed, each runs to its end (`exclusive`).
 * 2. Until replay is through nothing is emitted, sealed or counted.
 * 3. `position` says what was joined; a record below it is skipped uncounted, whatever the log client hands in.
 *
 * How it fails: what it cannot deal with (a miskeyed record, an output that cannot be written) is told once to
 * `onFailed`, and the partition stops where it is: nothing after it is committed.
 */
import type { ActorSystemRef } from 'nact'
import type { SourceReader } from '../codec/port.ts'
import { admit, admitTick, type DeadRecord, gather, MiskeyedError, settleBatch } from '../join/batch.ts'
import { EventBatch, REFUSED, SKIPPED } from '../join/event.ts'
import { orderGaveUp, orderSealed } from '../join/order.ts'
import { finishReplay, replay } from '../join/replay.ts'
import type { Rules } from '../join/rules.ts'
import { JoinState } from '../join/state.ts'
import { type BeforeRecord, takeTurn } from '../join/turn.ts'
import type { PartitionJournal } from '../journal/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Clock } from '../time/clock.ts'
import { Inbox } from './inbox.ts'
import { recoverJournal } from './journalRecovery.ts'
import { Memory } from './memory.ts'
import { type Outlets, PartitionOutput } from './output.ts'
import type { Position } from './position.ts'
import { Quarantine } from './quarantine.ts'
import type { Culprit } from './restart.ts'
import { Restarter } from './restarter.ts'
import { ACCEPTED, WAS_LATE } from './segment.ts'
import { Spill } from './spill.ts'
import { type Epoch, Store } from './store.ts'
import { Users } from './users.ts'

export interface PartitionOptions {
  readonly partition: number
  readonly partitions: number
  readonly rules: Rules
  /** Topics of the sources, in their order. */
  readonly topics: readonly string[]
  readonly readers: readonly SourceReader[]
  readonly outlets: Outlets
  readonly system: ActorSystemRef
  readonly clock: Clock
  readonly inboxBytes: number
  readonly alignWithinMs: number
  readonly outputBytes: number
  readonly actorBytes: number
  readonly pause: (source: number) => void
  readonly resume: (source: number) => void
  readonly onFailed: (error: Error) => void
  /** What is tried again. */
  readonly onTrouble: (error: Error) => void
  /** Where state may lie beside memory. */
  readonly journal: PartitionJournal
  readonly fingerprint: string
  readonly stateBytes: number
  /** Asks for a commit soon: state waits for it to be moved out of memory. */
  readonly commitSoon: () => void
  /** Reads [from, to) of a source's log again. */
  readonly readLog: (source: number, from: number, to: number) => AsyncIterable<RawChunk>
  /** Runs before each record of a turn; tests inject faults with it. */
  readonly beforeRecord?: BeforeRecord
}

/** What a commit would say, as of one moment between two batches. */
export interface Capture {
  readonly position: Position
  readonly batchNumber: number
  readonly epoch: Epoch
}

export interface PartitionRates {
  recordsJoined: number
  chunksJoined: number
  joinMs: number
  recordsReplayed: number
}

const FIRST_WAIT_MS = 100
const MOST_WAIT_MS = 5000

export class Partition {
  readonly index: number
  readonly state: JoinState
  readonly users: Users
  readonly rates: PartitionRates = { recordsJoined: 0, chunksJoined: 0, joinMs: 0, recordsReplayed: 0 }
  /** What the start made of the journal. */
  recovered: { segmentsRead: number; refused?: string } = { segmentsRead: 0 }
  /** Per source: the next offset to take. */
  readonly position: Float64Array
  /** Per source: the log's end when last heard of; Infinity while unknown. */
  readonly endOffset: Float64Array
  readonly store: Store
  readonly spill: Spill
  private readonly options: PartitionOptions
  private readonly memory: Memory
  private readonly restarter: Restarter
  private readonly output: PartitionOutput
  private readonly inbox: Inbox
  private readonly batch = new EventBatch()
  private flags = new Uint8Array(0)
  private quarantine: Quarantine
  /** Per source: where live begins; replay covers what lies below. */
  private readonly liveFrom: Float64Array
  private readonly replayHighestMs: Float64Array
  /** Per source: up to where the journal has everything. */
  private readonly coveredTo: Float64Array
  private chunk: RawChunk | undefined
  private replaying = true
  private stopped = false
  private isQuiet = false
  /** Memory is full of what no commit stands behind yet. */
  private starved = false
  private pumping = false
  private tail: Promise<void> = Promise.resolve()

  constructor(options: PartitionOptions) {
    const sources = options.topics.length
    this.options = options
    this.index = options.partition
    this.state = new JoinState(options.rules, sources)
    this.position = new Float64Array(sources)
    this.liveFrom = new Float64Array(sources)
    this.replayHighestMs = new Float64Array(sources).fill(Number.NEGATIVE_INFINITY)
    this.endOffset = new Float64Array(sources).fill(Number.POSITIVE_INFINITY)
    this.quarantine = new Quarantine(sources, 0)
    this.output = new PartitionOutput({
      ...options,
      onDead: (source, offset, decided) => this.quarantine.write(source, offset, decided),
    })
    this.inbox = new Inbox({
      sources,
      limitBytes: options.inboxBytes,
      alignWithinMs: options.alignWithinMs,
      pause: options.pause,
      resume: options.resume,
    })
    this.users = new Users(
      options.system,
      `partition-${options.partition}`,
      this.state,
      (user) => this.turn(user),
      (user, error) => this.restarter.restart(user, error),
    )
    this.store = new Store(options.journal, this.state, options.fingerprint)
    this.spill = new Spill(this.state, options.journal, options.readers[0], options.partition)
    this.memory = new Memory(this.state, this.users, this.store, this.spill, options)
    this.coveredTo = new Float64Array(sources)
    this.restarter = new Restarter({
      state: this.state,
      journal: options.journal,
      readers: options.readers,
      topics: options.topics,
      partition: options.partition,
      position: this.position,
      readLog: options.readLog,
      isQuarantined: (source, offset) => this.quarantine.has(source, offset),
      quarantine: (culprit, reason, key, value) => this.isolate(culprit, reason, key, value),
    })
  }

  get isLive(): boolean {
    return !this.replaying
  }

  get bufferedBytes(): number {
    return this.inbox.bytes
  }

  isPaused(source: number): boolean {
    return this.inbox.isPaused(source)
  }

  /** Starts from a commit: clocks, ledger and quarantine as committed; replay from what is still needed. */
  async restore(position: Position, quarantine: Quarantine): Promise<void> {
    const s = this.state
    s.ledger.set(position.ledger)
    s.clocks.restore(
      position.watermarkMs,
      this.options.topics.map((topic) => position.sources.get(topic)!.highestMs),
    )
    this.quarantine = quarantine
    const at = this.options.topics.map((topic) => position.sources.get(topic)!)
    const offsets = at.map((source) => source.offset)
    const recovered = await recoverJournal({
      ...this.options,
      store: this.store,
      state: s,
      quarantine,
      offsets,
      neededFrom: at.map((source) => source.neededFrom),
      watermarkMs: position.watermarkMs,
    })
    this.liveFrom.set(offsets)
    this.position.set(recovered.coveredTo)
    this.coveredTo.set(recovered.coveredTo)
    this.recovered = { segmentsRead: recovered.segmentsRead, refused: recovered.refused }
    this.finishReplayIfThrough()
  }

  /** A fetched chunk; kept until its turn comes. */
  offer(source: number, chunk: RawChunk): void {
    if (this.stopped || this.isQuiet) return
    this.endOffset[source] = Math.max(chunk.highWatermark, chunk.nextOffset)
    this.inbox.put(source, chunk)
    void this.pump()
  }

  /** An answer of the log about a source's end; `askedAtMs` is when it was asked for (monotonic). */
  heardEnd(source: number, endOffset: number, askedAtMs: number): void {
    this.endOffset[source] = endOffset
    if (this.replaying) return
    if (this.inbox.waiting(source) === 0 && this.position[source] >= endOffset)
      this.state.clocks.atEnd(source, askedAtMs)
    else this.state.clocks.behind(source)
  }

  /** A source has no more than this (files): it holds nobody back. One that never had an event is left out. */
  ended(source: number, endOffset: number): void {
    this.endOffset[source] = endOffset
    if (this.state.clocks.highestMs[source] === Number.NEGATIVE_INFINITY && this.inbox.waiting(source) === 0) {
      this.state.clocks.atEnd(source, this.options.clock.monotonicMs())
    }
  }

  /** After answers: what the moved clocks made due is done. */
  tick(): Promise<void> {
    void this.pump()
    return this.exclusive(async () => {
      const s = this.state
      if (this.replaying || s.clocks.watermarkMs <= s.lastWatermarkMs) return
      admitTick(s)
      await this.advance()
      this.output.push()
    })
  }

  /** The end of all input (files): everything is sealed. */
  finish(): Promise<void> {
    return this.exclusive(async () => {
      this.state.clocks.finish()
      admitTick(this.state)
      await this.advance()
      await this.output.flush()
    })
  }

  /** What a commit of this moment would say; to be committed once `flushed` has resolved. */
  capture(): Promise<Capture> {
    return this.exclusive(async () => {
      const s = this.state
      const { topics } = this.options
      const sources = new Map(
        topics.map((topic, source) => {
          const offset = this.position[source]
          const neededFrom = Math.min(offset, s.needed[source].lowest(offset))
          return [topic, { offset, highestMs: s.clocks.highestMs[source], neededFrom }]
        }),
      )
      this.quarantine.prune([...sources.values()].map((source) => source.neededFrom))
      const position = {
        watermarkMs: s.clocks.watermarkMs,
        sources,
        deadLettersFrom: this.quarantine.readBackFrom,
        ledger: [...s.ledger],
      }
      return { position, batchNumber: s.batchNumber, epoch: this.store.capture() }
    })
  }

  /** A commit of this capture was acknowledged: what only older commits needed is forgotten, memory may be given up. */
  acknowledged(capture: Capture): Promise<void> {
    return this.exclusive(async () => {
      const { position, epoch, batchNumber } = capture
      const offsets = this.options.topics.map((topic) => position.sources.get(topic)!.offset)
      await this.store.acknowledge(epoch, batchNumber, offsets, position.watermarkMs)
      if (this.memory.isOver) await this.memory.evict()
      this.starved = false
      void this.pump()
    })
  }

  /** A capture that is not committed after all. */
  abandoned(capture: Capture): void {
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

  get deadLettersFrom(): number {
    return this.quarantine.readBackFrom
  }

  /** Where the log is to be read from for this source: behind what waits in the inbox. */
  fetchFrom(source: number): number {
    return this.inbox.endOf(source) ?? this.position[source]
  }

  /** The partition was kept through a rebalance. */
  kept(): void {
    this.inbox.pauseAgain()
  }

  /** Takes no further chunk; what is in hand is finished. */
  quiesce(): void {
    this.isQuiet = true
    this.inbox.clear()
  }

  /** Gives up everything; resolves when what is in hand is done. */
  async stop(): Promise<void> {
    this.stopped = true
    this.inbox.clear()
    await this.tail
    this.users.stop()
    await this.store.close()
  }

  /** Resolves when no chunk waits any more. */
  async drained(): Promise<void> {
    await this.pump()
    await this.tail
  }

  private async pump(): Promise<void> {
    if (this.pumping) return
    this.pumping = true
    try {
      for (let next = this.next(); next !== undefined; next = this.next()) {
        const { source, chunk } = next
        await this.exclusive(() => this.take(source, chunk))
        await new Promise(setImmediate)
      }
    } catch {
      // Told by `fail`.
    } finally {
      this.pumping = false
    }
  }

  private next(): { source: number; chunk: RawChunk } | undefined {
    if (this.stopped || this.isQuiet || this.starved) return undefined
    if (!this.replaying) return this.inbox.take(this.progress)
    for (let source = 0; source < this.position.length; source++) {
      if (this.position[source] >= this.liveFrom[source]) continue
      const chunk = this.inbox.takeFrom(source)
      if (chunk !== undefined) return { source, chunk }
    }
    return undefined
  }

  private readonly progress = {
    highestMs: (source: number): number => this.state.clocks.highestMs[source],
    hasMore: (source: number): boolean => this.position[source] < this.endOffset[source],
  }

  /** Runs one thing at a time; a failure stops the partition and is told once. */
  private exclusive<T>(run: () => Promise<T>): Promise<T> {
    const done = this.tail.then(run)
    this.tail = done.then(
      () => {},
      (error: unknown) => this.fail(error as Error),
    )
    return done
  }

  private fail(error: Error): void {
    if (this.stopped) return
    this.stopped = true
    this.inbox.clear()
    this.options.onFailed(error)
  }

  private async take(source: number, chunk: RawChunk): Promise<void> {
    if (this.stopped || chunk.nextOffset <= this.position[source]) return
    const reader = this.options.readers[source]
    await this.prepared(reader, chunk)
    if (this.stopped) return
    reader.read(chunk, this.batch)
    if (this.replaying) await this.replay(source, chunk)
    else await this.join(source, chunk)
  }

  /** Waits for what the reader needs of others (a registry) as long as it takes; what is in the log waits with it. */
  private async prepared(reader: SourceReader, chunk: RawChunk): Promise<void> {
    for (let waitMs = FIRST_WAIT_MS; !this.stopped; waitMs = Math.min(2 * waitMs, MOST_WAIT_MS)) {
      const preparing = reader.prepare(chunk)
      if (preparing === undefined) return
      try {
        await preparing
        return
      } catch (error) {
        this.options.onTrouble(error as Error)
        await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
    }
  }

  private async join(source: number, chunk: RawChunk): Promise<void> {
    const { batch, state: s } = this
    const startedMs = this.options.clock.monotonicMs()
    for (let i = 0; i < batch.count && batch.offset[i] < this.position[source]; i++) batch.kind[i] = SKIPPED
    s.clocks.heard(source, startedMs)
    const dead = this.admit(source, chunk)
    this.chunk = chunk
    this.store.open(this.coveredTo)
    await this.advance(dead, chunk, source)
    this.position[source] = chunk.nextOffset
    await this.keep(source, chunk)
    this.chunk = undefined
    await this.memory.balance()
    if (this.memory.isStarved) this.starve()
    this.rates.recordsJoined += batch.count
    this.rates.chunksJoined++
    this.rates.joinMs += this.options.clock.monotonicMs() - startedMs
    if (this.inbox.bytes === 0) this.output.push()
    if (this.output.bufferedBytes > this.options.outputBytes) await this.output.flush()
  }

  /** Writes the chunk and what arrival decided to the journal. */
  private async keep(source: number, chunk: RawChunk): Promise<void> {
    await this.store.append(source, this.coveredTo[source], chunk, this.flags)
    this.coveredTo[source] = Math.max(this.coveredTo[source], chunk.nextOffset)
  }

  /** Takes nothing more until a commit lets state be moved out of memory. */
  private starve(): void {
    this.starved = true
    this.options.commitSoon()
  }

  private admit(source: number, chunk: RawChunk): readonly DeadRecord[] {
    try {
      return admit(this.state, this.batch, {
        source,
        partition: this.index,
        partitions: this.options.partitions,
        wallMs: this.options.clock.wallMs(),
        isQuarantined: (from, offset) => this.quarantine.has(from, offset),
      })
    } catch (error) {
      if (!(error instanceof MiskeyedError)) throw error
      throw new Error(
        `${chunk.topic} partition ${chunk.partition} offset ${error.offset}: ${error.message}, by the text of its user ` +
          'id. Usual causes: null keys, a key that is not the user id, a partitioner other than murmur2 (librdkafka: set ' +
          'partitioner=murmur2_random), binary keys. `onMiskeyed: deadLetter` goes on without such records.',
        { cause: error },
      )
    }
  }

  /** From the moved clocks to the output: the same for a batch and for a tick. */
  private async advance(dead: readonly DeadRecord[] = [], chunk?: RawChunk, source = 0): Promise<void> {
    const { state: s, output } = this
    const stampMs = this.options.clock.wallMs()
    for (const { i, reason, decided } of dead) {
      output.dead(chunk!, i, source, reason, decided, stampMs)
    }
    const loading = this.store.load(s.batch, s.lastWatermarkMs)
    if (loading !== undefined) await loading
    gather(s)
    const crashed = this.users.turns()
    if (crashed !== undefined) await crashed
    const restoring = this.spill.restore()
    if (restoring !== undefined) await restoring
    for (const k of orderSealed(s)) {
      const waiting = output.sample(s, k, stampMs)
      if (waiting !== undefined) await waiting
    }
    for (const k of orderGaveUp(s)) {
      const waiting = output.gaveUp(s, k, stampMs)
      if (waiting !== undefined) await waiting
    }
    this.noteFlags()
    settleBatch(s, (user) => this.memory.emptied(user))
    this.store.settle()
  }

  /** What arrival decided of each record, for the journal. */
  private noteFlags(): void {
    const { batch, state: s } = this
    if (s.batch === undefined) return
    if (this.flags.length < batch.count) this.flags = new Uint8Array(batch.count * 2)
    for (let i = 0; i < batch.count; i++) this.flags[i] = batch.kind[i] < REFUSED ? ACCEPTED : 0
    for (let k = 0; k < s.lateRecords.length; k++) this.flags[s.lateRecords.items[k]] |= WAS_LATE
  }

  private turn(user: number): void {
    this.restarter.mark()
    takeTurn(this.state, user, this.options.beforeRecord)
  }

  /** An event that crashed its actor twice: written down in the dead letters, and skipped from now on. */
  private isolate(culprit: Culprit, reason: string, key: Buffer, value: Buffer | null): void {
    const { source, offset, record } = culprit
    const stampMs = this.options.clock.wallMs()
    if (record >= 0) this.output.dead(this.chunk!, record, source, reason, true, stampMs)
    else this.output.deadBytes({ source, offset, reason, decided: true, key, value }, stampMs)
  }

  private async replay(source: number, chunk: RawChunk): Promise<void> {
    const { batch, state: s } = this
    const below = this.liveFrom[source]
    for (let i = 0; i < batch.count && batch.offset[i] < this.position[source]; i++) batch.kind[i] = SKIPPED
    const late = this.lateInReplay(source)
    const loading = this.store.load(batch, Number.NEGATIVE_INFINITY)
    if (loading !== undefined) await loading
    this.store.open(this.coveredTo)
    this.rates.recordsReplayed += replay(s, batch, {
      source,
      below,
      isQuarantined: (from, offset) => this.quarantine.has(from, offset),
      isLate: (i) => late[i] === 1,
      keying: { partition: this.index, partitions: this.options.partitions },
    })
    this.position[source] = Math.min(chunk.nextOffset, below)
    this.store.settle()
    if (this.flags.length < batch.count) this.flags = new Uint8Array(batch.count * 2)
    for (let i = 0; i < batch.count; i++) {
      const isTaken = batch.kind[i] < REFUSED && batch.offset[i] < below
      this.flags[i] = isTaken ? ACCEPTED | (late[i] === 1 ? WAS_LATE : 0) : 0
    }
    await this.store.append(source, this.coveredTo[source], { ...chunk, nextOffset: this.position[source] }, this.flags)
    this.coveredTo[source] = this.position[source]
    await this.memory.balance()
    if (chunk.nextOffset > below) this.inbox.putBack(source, chunk)
    this.finishReplayIfThrough()
  }

  /** Which of the batch's records were late by their own source's clock. What is quarantined moved no clock then either. */
  private lateInReplay(source: number): Uint8Array {
    const { batch, options, quarantine } = this
    const { outOfOrdernessMs, allowedLatenessMs, basis } = options.rules
    const clockMs = basis === 'arrival' ? batch.stampMs : batch.timeMs
    const late = new Uint8Array(batch.count)
    let highestMs = this.replayHighestMs[source]
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] >= REFUSED || quarantine.has(source, batch.offset[i])) continue
      if (clockMs[i] > highestMs) highestMs = clockMs[i]
      late[i] = batch.timeMs[i] < highestMs - outOfOrdernessMs - allowedLatenessMs ? 1 : 0
    }
    this.replayHighestMs[source] = highestMs
    return late
  }

  private finishReplayIfThrough(): void {
    for (let source = 0; source < this.position.length; source++) {
      if (this.position[source] < this.liveFrom[source]) return
    }
    finishReplay(this.state, this.state.clocks.watermarkMs)
    this.store.settle()
    admitTick(this.state)
    this.replaying = false
  }
}
