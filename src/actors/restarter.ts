/**
 * Restarts users' actors after crashes (restart.ts says what is undone and rebuilt).
 *
 * Where the state comes from: the stored user and the journal's segments, and from the log what the journal does not
 * cover; all of it through the same replay as a process's start.
 */
import type { SourceReader } from '../codec/port.ts'
import { gatherUser } from '../join/batch.ts'
import { EventBatch, SKIPPED } from '../join/event.ts'
import { addUser } from '../join/evolve.ts'
import { finishReplay, type ReplayOptions, replay } from '../join/replay.ts'
import { decodeUser } from '../join/snapshot.ts'
import type { JoinState } from '../join/state.ts'
import type { PartitionJournal } from '../journal/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import { readWhilePassing } from '../log/patience.ts'
import { discard } from '../log/recordBatch/discard.ts'
import type { Clock } from '../time/clock.ts'
import { skipBelow } from './arrival.ts'
import { prepared } from './preparing.ts'
import {
  type Culprit,
  culpritOf,
  markTurn,
  newMarks,
  payloadOf,
  quarantineCulprit,
  type Remains,
  reviveUser,
  undoTurn,
} from './restart.ts'
import { ACCEPTED, decodeSegment, WAS_LATE } from './segment.ts'
import { thrownReason } from './thrown.ts'

export interface RestarterOptions {
  readonly state: JoinState
  readonly journal: PartitionJournal
  readonly readers: readonly SourceReader[]
  readonly topics: readonly string[]
  readonly partition: number
  readonly keying: ReplayOptions['keying']
  /** Per source: what was joined before the batch in hand. */
  readonly position: Float64Array
  /** Per source: below it the journal may lack events (store.ts). */
  readonly journalWholeFrom: () => readonly number[] | undefined
  readonly readLog: (source: number, from: number, to: number) => AsyncIterable<RawChunk>
  /** What is tried again. */
  readonly onTrouble: (error: Error) => void
  readonly onRestarted?: (source: number, offset: number, error: unknown) => void
  readonly clock: Clock
  readonly isQuarantined: (source: number, offset: number) => boolean
  readonly quarantine: (culprit: Culprit, reason: string, key: Buffer, value: Buffer | null) => void
}

/** What comes from the log lies in none, and so is never spilled to one. */
const NO_SEGMENT = 0
const MOST_CRASHED = 1000
const MOST_NOTES = 100

/** What is remembered of a restart, for whoever looks inside. */
export interface RestartNote {
  readonly user: string
  readonly atMs: number
  readonly error: string
  /** Undefined where it could not be told what the turn was over. */
  readonly culprit: Culprit | undefined
  readonly quarantined: boolean
}

export class Restarter {
  /** The newest, oldest first. */
  readonly notes: RestartNote[] = []
  private readonly options: RestarterOptions
  private readonly marks = newMarks()
  private readonly batch = new EventBatch()
  /** What crashed an actor once. */
  private readonly crashed = new Set<string>()
  private rebuilding: Promise<void> = Promise.resolve()

  constructor(options: RestarterOptions) {
    this.options = options
  }

  /** Before each turn. */
  mark(): void {
    markTurn(this.options.state, this.marks)
  }

  /**
   * Rebuilds the user's state as it was before the failed turn; resolves with its block. The turn is undone at once,
   * since others have theirs in the same batch; rebuilding, which reads, is done for one user after the other.
   */
  async restart(user: number, error: unknown): Promise<number> {
    const { state: s } = this.options
    const culprit = culpritOf(s)
    const again = culprit !== undefined && this.isKnown(culprit)
    const value = culprit === undefined ? null : payloadOf(s)
    const remains = undoTurn(s, user, this.marks)
    this.note(remains.key.toString(), error, culprit, again)
    if (culprit === undefined) throw error
    this.options.onRestarted?.(culprit.source, culprit.offset, error)
    if (again) {
      quarantineCulprit(s, culprit)
      this.options.quarantine(culprit, thrownReason('crashedTwice', error), remains.key, value)
    }
    const rebuilt = this.rebuilding.then(() => this.rebuild(remains))
    this.rebuilding = rebuilt.then(
      () => {},
      () => {},
    )
    return rebuilt
  }

  private note(user: string, error: unknown, culprit: Culprit | undefined, quarantined: boolean): void {
    const text = error instanceof Error ? error.message : String(error)
    this.notes.push({ user, atMs: this.options.clock.wallMs(), error: text, culprit, quarantined })
    if (this.notes.length > MOST_NOTES) this.notes.shift()
  }

  private isKnown({ source, offset }: Culprit): boolean {
    const key = `${source}:${offset}`
    if (this.crashed.delete(key)) return true
    if (this.crashed.size >= MOST_CRASHED) this.crashed.clear()
    this.crashed.add(key)
    return false
  }

  /** The user's events below the batch in hand, and the watermark before it. */
  private async rebuild(remains: Remains): Promise<number> {
    const { state: s, journal } = this.options
    const { key, hash } = remains
    const [stored] = remains.stored === 1 ? await journal.getUsers([key]) : [null]
    if (stored !== null) decodeUser(s, addUser(s, hash, key, 0, key.length), stored, this.options.isQuarantined)
    await this.replayLog(new Float64Array(s.sources), remains, this.options.journalWholeFrom() ?? [])
    const covered = Float64Array.from(this.options.journalWholeFrom() ?? new Float64Array(s.sources))
    for await (const { sequence, bytes, value } of journal.segments()) {
      const read = decodeSegment(bytes, (from) => this.options.topics[from], this.options.partition)
      if (read === undefined) continue
      await this.replay(read.source, read.chunk, remains, sequence, read.flags)
      covered[read.source] = Math.max(covered[read.source], read.chunk.nextOffset)
      read.chunk.release?.()
      if (value !== undefined) discard(value)
    }
    await this.replayLog(covered, remains, this.options.position)
    finishReplay(s, s.watermarkBeforeMs)
    const revived = reviveUser(s, remains)
    gatherUser(s, revived)
    return revived
  }

  /** What the journal has not, because it is behind, or began with a shared snapshot. */
  private async replayLog(covered: Float64Array, remains: Remains, upTo: ArrayLike<number>): Promise<void> {
    const { readLog, onTrouble } = this.options
    for (let source = 0; source < upTo.length; source++) {
      const from = Math.max(covered[source], remains.lowest[source])
      if (from >= upTo[source]) continue
      const read = (at: number) => readLog(source, at, upTo[source])
      for await (const chunk of readWhilePassing(read, from, upTo[source], { isStopped: () => false, onTrouble })) {
        await this.replay(source, chunk, remains, NO_SEGMENT)
        chunk.release?.()
      }
    }
  }

  /** What the batch in hand says of source and segment is put back at once: other turns run between the awaits. */
  private async replay(
    source: number,
    chunk: RawChunk,
    remains: Remains,
    segment: number,
    flags?: Uint8Array,
  ): Promise<void> {
    const { readers, position, state, isQuarantined } = this.options
    const { batch } = this
    const { onTrouble } = this.options
    await prepared(readers[source], chunk, { isStopped: () => false, onTrouble })
    readers[source].read(chunk, batch)
    if (flags !== undefined) {
      for (let i = 0; i < batch.count; i++) if ((flags[i] & ACCEPTED) === 0) batch.kind[i] = SKIPPED
    }
    skipBelow(batch, remains.lowest[source])
    const options: ReplayOptions = {
      source,
      keying: this.options.keying,
      below: position[source],
      isQuarantined,
      isLate: (i) => (flags === undefined ? remains.late.has(batch.offset[i]) : (flags[i] & WAS_LATE) !== 0),
      only: { hash: remains.hash, bytes: remains.key, at: 0, length: remains.key.length },
    }
    const inHand = { source: state.source, segment: state.segment }
    state.segment = segment
    replay(state, batch, options)
    state.source = inHand.source
    state.segment = inHand.segment
  }
}
