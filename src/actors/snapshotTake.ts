/**
 * Taking a shared snapshot of a partition while it goes on joining.
 *
 * It stands for one commit: the state between two batches, at its capture. From then on users are encoded a few at a
 * time, between batches; a user that is about to change is encoded first (`before`, `evicting`). So copy-on-write
 * goes by users, the one unit that nothing else reaches into: slabs, chains and free lists have no owner, and a barrier
 * at each of their writes would be paid by every event.
 *
 * Invariants:
 * 1. What is written is the state at the capture: a user untouched since then, or encoded before it was touched.
 * 2. It is whole: users that lie in the journal are copied from there, and so are the bytes of views that were spilled.
 * 3. It is published only when the commit that it stands for has been acknowledged.
 * 4. A user that left memory since the capture is settled: what comes back of it later is not taken again.
 *
 * How it fails: with one log line and no snapshot; the partition knows nothing of it.
 */
import { isEmptyUser } from '../join/batch.ts'
import * as B from '../join/blocks.ts'
import * as L from '../join/layout.ts'
import { encodeUser } from '../join/snapshot.ts'
import type { JoinState } from '../join/state.ts'
import { AWAKE_MS, type PartitionJournal } from '../journal/port.ts'
import { newId, PAYLOADS, USERS } from '../snapshots/format.ts'
import type { SnapshotStore } from '../snapshots/port.ts'
import type { Clock } from '../time/clock.ts'
import type { Capture } from './partitionOptions.ts'
import { SnapshotFrames } from './snapshotFrames.ts'
import type { Spill } from './spill.ts'
import type { Turnstile } from './turnstile.ts'

export interface TakeOptions {
  readonly state: JoinState
  readonly journal: PartitionJournal
  readonly spill: Spill
  readonly turnstile: Turnstile
  readonly shared: { readonly store: SnapshotStore; readonly limitBytes: number }
  readonly partition: number
  readonly topics: readonly string[]
  readonly fingerprint: string
  readonly clock: Clock
}

export interface TakeResult {
  readonly users: number
  readonly views: number
  readonly bytes: number
  /** The longest that it held up the batches at a stretch. */
  readonly longestStallMs: number
}

/** Of a batch's time, at a time. */
const SLICE_MS = 4
const JOURNAL_USERS = 128

export class SnapshotTake {
  private static taken = 0
  private readonly options: TakeOptions
  private readonly capture: Capture
  private readonly number = ++SnapshotTake.taken
  private readonly settled = new Set<string>()
  private frames: SnapshotFrames | undefined
  /** Captured before the store has answered. */
  private held: Buffer[] = []
  private heldBytes = 0
  private readonly spilled: { segment: number; offset: number }[] = []
  private users = 0
  private views = 0
  private longestStallMs = 0
  private failure: Error | undefined
  private isCancelled = false
  private isAnswered = false
  private answer: (isCommitted: boolean) => void = () => {}
  private readonly committed = new Promise<boolean>((resolve) => {
    this.answer = resolve
  })

  /** In the turn of the capture. */
  constructor(options: TakeOptions, capture: Capture) {
    this.options = options
    this.capture = capture
  }

  isOf(capture: Capture): boolean {
    return capture === this.capture
  }

  /** Nobody has said yet what becomes of the commit that it stands for. */
  get isOpen(): boolean {
    return !this.isAnswered
  }

  /** The commit that it stands for was acknowledged, or will never be. */
  answered(isCommitted: boolean): void {
    this.isAnswered = true
    this.answer(isCommitted)
  }

  cancel(): void {
    this.isCancelled = true
    this.held = []
    this.answered(false)
  }

  /** The whole of it, beside the batches. Undefined where it was given up for nothing that is wrong. */
  async run(): Promise<TakeResult | undefined> {
    const { shared, partition, topics, fingerprint, clock } = this.options
    const { position } = this.capture
    const sources = topics.map((topic) => position.sources.get(topic)!)
    const finite = (ms: number): number | null => (Number.isFinite(ms) ? ms : null)
    const sink = await shared.store.begin(partition)
    try {
      const header = {
        id: newId(),
        fingerprint,
        partition,
        topics,
        offsets: sources.map(({ offset }) => offset),
        neededFrom: sources.map(({ neededFrom }) => neededFrom),
        highestMs: sources.map(({ highestMs }) => finite(highestMs)),
        watermarkMs: finite(position.watermarkMs),
        takenAtMs: clock.wallMs(),
      }
      this.frames = new SnapshotFrames(sink, header, shared.limitBytes)
      this.heldBytes = 0
      for (const bytes of this.held.splice(0)) this.frames.put(USERS, bytes)
      await this.takeMemory()
      await this.takeJournal()
      // Those that came back from there meanwhile.
      await this.takeMemory()
      this.frames.cut(USERS)
      await this.takeSpilled()
      this.frames.cut(PAYLOADS)
      const last = await this.frames.last({ users: this.users, views: this.views })
      if (!(await this.committed) || this.isOver()) return await this.giveUp(sink)
      await sink.publish(last)
    } catch (error) {
      await sink.abandon().catch(() => {})
      this.isCancelled = true
      throw error
    }
    const { users, views, longestStallMs } = this
    return { users, views, longestStallMs, bytes: this.frames.bytesWritten }
  }

  private async giveUp(sink: { abandon(): Promise<void> }): Promise<undefined> {
    await sink.abandon()
    if (this.failure !== undefined) throw this.failure
    return undefined
  }

  /** The batch in hand is about to change this user. */
  before(user: number): void {
    if (B.u32(this.options.state.arena, user, L.U_SHARED) !== this.number) this.timed(() => this.take(user))
  }

  /** These users are about to leave memory. */
  evicting(users: readonly number[]): void {
    this.timed(() => {
      for (const user of users) {
        this.take(user)
        this.settled.add(this.keyOf(user).toString('latin1'))
      }
    })
  }

  /** This user came back from the journal. */
  broughtBack(user: number, key: Buffer): void {
    if (this.settled.has(key.toString('latin1'))) B.setU32(this.options.state.arena, user, L.U_SHARED, this.number)
  }

  private isOver(): boolean {
    return this.isCancelled || this.failure !== undefined
  }

  /** Users in memory, a few at a time, until all were seen. */
  private async takeMemory(): Promise<void> {
    const { state, turnstile } = this.options
    const { users } = state
    let bucket = 0
    while (bucket >= 0 && !this.isOver()) {
      await this.frames!.room()
      await turnstile.run(async () => {
        if (this.isOver()) return
        const untilMs = performance.now() + SLICE_MS
        this.timed(() => {
          bucket = users.walk(bucket, (user) => {
            this.take(user)
            return performance.now() < untilMs
          })
        })
      })
      await new Promise(setImmediate)
    }
  }

  /** Users that lie in the journal alone. What is stored of them does not change while they stay there. */
  private async takeJournal(): Promise<void> {
    const { journal } = this.options
    let keys: Buffer[] = []
    for await (const { key, dueMs, note } of journal.wakes()) {
      if (this.isOver()) return
      if (dueMs !== AWAKE_MS && note.length > 0) keys.push(key)
      if (keys.length < JOURNAL_USERS) continue
      await this.copyStored(keys)
      keys = []
    }
    if (keys.length > 0) await this.copyStored(keys)
  }

  private async copyStored(keys: readonly Buffer[]): Promise<void> {
    const states = await this.options.journal.getUsers(keys)
    await this.frames!.room()
    keys.forEach((key, k) => {
      const state = states[k]
      if (state !== null && !this.settled.has(key.toString('latin1'))) this.put(key, state)
    })
  }

  /** The bytes of views that gave theirs up, from the segments where they lie. */
  private async takeSpilled(): Promise<void> {
    const { spill, turnstile } = this.options
    this.spilled.sort((a, b) => a.segment - b.segment)
    for (const { segment, offset } of this.spilled) {
      if (this.isOver()) return
      await this.frames!.room()
      const payload = await turnstile.run(() =>
        spill.payloadOf(segment, offset).catch((error: Error) => this.fail(error)),
      )
      if (payload === undefined) return
      const head = Buffer.allocUnsafe(12)
      head.writeDoubleLE(offset, 0)
      head.writeUInt32LE(payload.length, 8)
      this.frames!.put(PAYLOADS, head)
      this.frames!.put(PAYLOADS, payload)
    }
  }

  private take(user: number): void {
    const { state } = this.options
    const { arena } = state
    if (B.u32(arena, user, L.U_SHARED) === this.number) return
    if (B.u32(arena, user, L.U_TOUCHED) > this.capture.batchNumber) return
    B.setU32(arena, user, L.U_SHARED, this.number)
    if (isEmptyUser(state, user)) return
    if (this.options.spill.hasSpilled(user)) this.noteSpilled(user)
    this.views += B.u32(arena, user, L.U_PENDING)
    this.put(this.keyOf(user), encodeUser(state, user))
  }

  private noteSpilled(user: number): void {
    const { arena } = this.options.state
    for (let view = B.u32(arena, user, L.U_VIEWS); view !== 0; view = B.u32(arena, view, L.NEXT)) {
      if (!B.hasFlag(arena, view, L.F_SPILLED)) continue
      this.spilled.push({ segment: B.u32(arena, view, L.V_SEGMENT), offset: B.f64(arena, view, L.V_OFFSET) })
    }
  }

  private put(key: Buffer, state: Buffer): void {
    const head = Buffer.allocUnsafe(8)
    head.writeUInt32LE(key.length, 0)
    head.writeUInt32LE(state.length, 4)
    for (const bytes of [head, key, state]) {
      if (this.frames === undefined) this.hold(bytes)
      else this.frames.put(USERS, bytes)
    }
    this.users++
  }

  private hold(bytes: Buffer): void {
    this.held.push(bytes)
    this.heldBytes += bytes.length
    if (this.heldBytes <= this.options.shared.limitBytes) return
    this.held = []
    throw new Error(`${this.heldBytes} bytes wait for the store to begin, beyond snapshots.memory`)
  }

  private keyOf(user: number): Buffer {
    const { arena } = this.options.state
    const at = B.userTextAt(user)
    return Buffer.from(B.bytesOf(arena, user).subarray(at, at + B.u32(arena, user, L.U_LENGTH)))
  }

  private fail(error: Error): undefined {
    this.failure ??= error
  }

  /** Whatever goes wrong in here is the snapshot's, not the batch's. */
  private timed(work: () => void): void {
    if (this.isOver()) return
    const startedMs = performance.now()
    try {
      work()
    } catch (error) {
      this.failure ??= error as Error
    }
    this.longestStallMs = Math.max(this.longestStallMs, performance.now() - startedMs)
  }
}
