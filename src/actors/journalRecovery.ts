/**
 * What a start makes of a partition's journal: it is believed only as far as the commit that was found goes.
 *
 * The mark and the notes beside stored users say which commits stand behind them. A journal of another pipeline, or one
 * that is ahead of the commit in anything that cannot be cut off, is forgotten; segments beyond the commit, behind a gap
 * or damaged are cut off, and those that another has joined otherwise: who owned the partition since may have found late
 * or refused what they say was accepted, or accepted it. What is then missing is replayed from the log, by the same code.
 */
import type { SourceReader } from '../codec/port.ts'
import { findUser } from '../join/decide.ts'
import { CLOCK, EventBatch, REFUSED, SKIPPED } from '../join/event.ts'
import { murmur2 } from '../join/hash.ts'
import { replay } from '../join/replay.ts'
import type { JoinState } from '../join/state.ts'
import { AWAKE_MS, isDamage, type PartitionJournal } from '../journal/port.ts'
import { discard } from '../log/recordBatch/discard.ts'
import { type LateInReplay, skipBelow } from './arrival.ts'
import { type LostRange, pastLost } from './loss.ts'
import type { Memory } from './memory.ts'
import { decodeMark, decodeNote, isAhead, type Mark } from './note.ts'
import { prepared } from './preparing.ts'
import type { Quarantine } from './quarantine.ts'
import { ACCEPTED, decodeSegment, type Segment, WAS_LATE } from './segment.ts'
import type { Store } from './store.ts'

export interface JournalRecoveryOptions {
  readonly journal: PartitionJournal
  readonly store: Store
  readonly memory: Memory
  readonly state: JoinState
  readonly readers: readonly SourceReader[]
  readonly topics: readonly string[]
  readonly partition: number
  readonly partitions: number
  readonly fingerprint: string
  readonly quarantine: Quarantine
  /** Its clocks come along: what lies in the log behind the journal is judged by them. */
  readonly lateInReplay: LateInReplay
  /** Per source: the committed offset, and the lowest that it still needs. */
  readonly offsets: readonly number[]
  readonly neededFrom: readonly number[]
  readonly watermarkMs: number
  /** Who made the commit. */
  readonly committedBy?: string
  /** What was accepted as lost before: the journal has a gap there. */
  readonly lost: readonly LostRange[]
  /** Per source, of the newest shared snapshot, where there is one: the lowest offset that it still needs. */
  readonly sharedNeeds?: readonly number[]
  /** What is tried again. */
  readonly onTrouble: (error: Error) => void
  /** Told how far it has come. */
  readonly onCovered: (coveredTo: Float64Array) => void
  readonly isStopped: () => boolean
}

export interface JournalRecovery {
  /** Per source: up to where the journal had everything; the log is replayed from here. */
  readonly coveredTo: Float64Array
  readonly segmentsRead: number
  /** Why the journal was not used, where it was not. */
  readonly refused?: string
}

/** Whom the journal has, one entry of the wake list after the other: millions of them are not kept side by side. */
interface Stored {
  /** Who was awake, or has fallen due since: needed in memory. */
  readonly needed: Buffer[]
  /** The others stay where they are; up to which segment their events are theirs already. */
  readonly asleep: Map<string, number>
  readonly lastSegment: number
}

/** Users brought back at a time: between two groups memory is balanced. */
export const LOAD_USERS = 32

export async function recoverJournal(options: JournalRecoveryOptions): Promise<JournalRecovery> {
  try {
    const mark = await readMark(options)
    if (typeof mark === 'string') return forget(options, mark)
    if (mark.owner !== options.committedBy) await options.journal.cut(mark.upTo + 1)
    const stored = await adoptAll(options, mark)
    if (typeof stored === 'string') return forget(options, stored)
    return await use(options, mark, stored)
  } catch (error) {
    return forget(options, reasonOfDamage(error))
  }
}

/** Starts with an empty journal: everything is replayed from the log. */
async function forget(options: JournalRecoveryOptions, refused: string): Promise<JournalRecovery> {
  await options.journal.clear()
  options.store.reset()
  await options.store.begin(options.neededFrom)
  return { coveredTo: Float64Array.from(options.neededFrom), segmentsRead: 0, refused }
}

async function readMark(options: JournalRecoveryOptions): Promise<Mark | string> {
  const bytes = await options.journal.mark()
  const mark = bytes === null ? undefined : decodeMark(bytes)
  if (mark === undefined) return 'it is empty, or of another version'
  if (mark.fingerprint !== options.fingerprint) return 'it is of another pipeline'
  if (isAhead(mark, options)) return 'it is ahead of the commit'
  if (mark.wholeFrom?.some((from, source) => options.neededFrom[source] < from) === true) {
    return 'a shared snapshot gave what it lacks'
  }
  const { sharedNeeds } = options
  if (sharedNeeds !== undefined && mark.offsets.every((offset, source) => offset <= sharedNeeds[source])) {
    return 'a shared snapshot needs nothing of what it has'
  }
  return mark
}

/** All or none: before anybody is loaded, what is needed can only be what those that were adopted need. */
async function adoptAll(options: JournalRecoveryOptions, mark: Mark): Promise<Stored | string> {
  const stored = await adoptStored(options, mark).catch(reasonOfDamage)
  if (typeof stored === 'string') for (const needed of options.state.needed) needed.clear()
  return stored
}

function reasonOfDamage(error: unknown): string {
  if (!isDamage(error)) throw error
  return error.message
}

async function adoptStored(options: JournalRecoveryOptions, mark: Mark): Promise<Stored | string> {
  const { store } = options
  const needed: Buffer[] = []
  const asleep = new Map<string, number>()
  let lastSegment = mark.first - 1
  for await (const { key, dueMs, note: bytes } of options.journal.wakes()) {
    const note = decodeNote(bytes, options.topics.length)
    if (isAhead(note.commit, options)) return 'a stored user is ahead of the commit'
    if (note.segment > mark.upTo && mark.owner !== options.committedBy) return 'a stored user is another owner’s'
    lastSegment = Math.max(lastSegment, note.segment)
    if (dueMs === AWAKE_MS || dueMs < options.watermarkMs) {
      store.awaits(key)
      needed.push(key)
    } else {
      store.adopt(key, note)
      asleep.set(key.toString('latin1'), note.segment)
    }
  }
  return { needed, asleep, lastSegment }
}

async function use(options: JournalRecoveryOptions, mark: Mark, stored: Stored): Promise<JournalRecovery> {
  const { store, memory } = options
  const { needed, asleep, lastSegment } = stored
  await store.resume(mark, lastSegment)
  for (let k = 0; k < needed.length; k += LOAD_USERS) {
    await store.loadUsers(needed.slice(k, k + LOAD_USERS))
    await memory.balance()
  }
  // An older journal may end below what the commit needs, where retention may have passed the log.
  const coveredTo = mark.begins.map((begin, source) => Math.max(begin, options.neededFrom[source]))
  return new SegmentReplay(options, asleep, Float64Array.from(coveredTo)).run()
}

class SegmentReplay {
  private readonly options: JournalRecoveryOptions
  private readonly asleep: Map<string, number>
  private readonly coveredTo: Float64Array
  private readonly batch = new EventBatch()
  private segmentsRead = 0

  constructor(options: JournalRecoveryOptions, asleep: Map<string, number>, coveredTo: Float64Array) {
    this.options = options
    this.asleep = asleep
    this.coveredTo = coveredTo
  }

  async run(): Promise<JournalRecovery> {
    const { journal, store } = this.options
    let cutFrom = -1
    try {
      for await (const { sequence, bytes, value } of journal.segments()) {
        const segment = decodeSegment(bytes, (source) => this.options.topics[source], this.options.partition)
        if (segment === undefined || !this.isNext(segment)) {
          cutFrom = sequence
          break
        }
        await this.replay(sequence, segment)
        segment.chunk.release?.()
        if (value !== undefined) discard(value)
        this.options.onCovered(this.coveredTo)
        if (this.options.isStopped()) break
      }
    } catch (error) {
      if (!isDamage(error)) throw error
      cutFrom = store.lastSegmentNumber + 1
    }
    if (cutFrom >= 0) await journal.cut(cutFrom)
    return { coveredTo: this.coveredTo, segmentsRead: this.segmentsRead }
  }

  /** Segments lie in the order of joining: the first that is ahead of the commit, or behind a gap, ends what is usable. */
  private isNext({ source, fromOffset }: Segment): boolean {
    const { offsets, topics, lost } = this.options
    return fromOffset < offsets[source] && fromOffset <= pastLost(topics[source], this.coveredTo[source], lost)
  }

  private async replay(sequence: number, { source, chunk, flags }: Segment): Promise<void> {
    const { options, batch } = this
    const reader = options.readers[source]
    await prepared(reader, chunk, options)
    if (options.isStopped()) return
    reader.read(chunk, batch)
    for (let i = 0; i < batch.count; i++) {
      if ((flags[i] & ACCEPTED) === 0 && batch.kind[i] !== CLOCK) batch.kind[i] = SKIPPED
    }
    const isQuarantined = (from: number, offset: number): boolean => options.quarantine.has(from, offset)
    options.lateInReplay.of(options.state, batch, source, isQuarantined)
    // Below what the commit needs everything is decided: a cold replay would not have it either.
    skipBelow(batch, options.neededFrom[source])
    options.store.began(sequence, this.coveredTo)
    options.state.segment = sequence
    this.passOverHeld(sequence)
    await options.store.load(batch, Number.NEGATIVE_INFINITY)
    replay(options.state, batch, {
      source,
      below: options.offsets[source],
      keying: options,
      isQuarantined,
      isLate: (i) => (flags[i] & WAS_LATE) !== 0,
      decidedMs: options.watermarkMs,
    })
    options.store.settle()
    await options.memory.balance()
    this.coveredTo[source] = Math.min(Math.max(this.coveredTo[source], chunk.nextOffset), options.offsets[source])
    this.segmentsRead++
  }

  /** Passes over what sleeping users hold already. Those that have newer records are loaded, and replayed to the end. */
  private passOverHeld(sequence: number): void {
    const { batch, asleep } = this
    if (asleep.size === 0) return
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] >= REFUSED) continue
      const at = batch.userAt[i]
      const length = batch.userLength[i]
      if (findUser(this.options.state, murmur2(batch.text, at, length), batch.text, at, length) !== 0) continue
      const text = batch.text.toString('latin1', at, at + length)
      const holds = asleep.get(text)
      if (holds === undefined) continue
      if (sequence <= holds) batch.kind[i] = SKIPPED
      else asleep.delete(text)
    }
  }
}
