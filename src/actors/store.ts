/**
 * A partition's state beside memory: what of it lies in the journal, and when that may be forgotten.
 *
 * Segments are written as batches come; a user is written when moved out of memory (DESIGN.md section 4). The journal is
 * a cache of the log, so the one thing to get right is that it never knows less than a commit needs:
 *
 * 1. A segment is trimmed only when every event in it is in a stored user or is no longer needed by an acknowledged
 *    commit; from the front only, so that what is there is without gaps.
 * 2. A user is stored only in a state that an acknowledged commit stands behind: untouched since the last one. So a
 *    stored user is never ahead of the commit that a restart finds, and may be written over.
 * 3. A stored user that was loaded is marked awake and stays stored until it is stored anew or an acknowledged commit
 *    needs nothing of it.
 * 4. What is stored carries the commit that stood behind it, and keeps carrying one while it is awake: one that is
 *    ahead in anything of the commit found at a start is from another history, and the whole journal is forgotten.
 */

import * as B from '../join/blocks.ts'
import { dueMs, findUser } from '../join/decide.ts'
import { type EventBatch, REFUSED } from '../join/event.ts'
import { addUser, freeUser } from '../join/evolve.ts'
import { murmur2 } from '../join/hash.ts'
import * as L from '../join/layout.ts'
import { decodeUser, encodeUser, type IsQuarantined, lowestOffsets, nextDueMs } from '../join/snapshot.ts'
import type { JoinState } from '../join/state.ts'
import type { PartitionJournal, StoredUser } from '../journal/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import { HashCounts } from './hashCounts.ts'
import { type CommitPoint, decodeNote, encodeMark, encodeNote, type Mark, type Note } from './note.ts'
import { encodeSegment, segmentBytes } from './segment.ts'
import { roomFor } from './segmentRoom.ts'

/** Segments written and not yet answered for: beyond it the partition waits. */
const WRITING_BYTES = 16 << 20
const EVICT_USERS = 512

export interface StoreCounts {
  /** Users and pending views moved out of memory, and back. */
  usersStored: number
  usersLoaded: number
  viewsStored: number
  viewsLoaded: number
}

export class Store {
  readonly counts: StoreCounts = { usersStored: 0, usersLoaded: 0, viewsStored: 0, viewsLoaded: 0 }
  private readonly journal: PartitionJournal
  private readonly state: JoinState
  private readonly fingerprint: string
  private stored = new HashCounts()
  /** Per live segment: events that need it. */
  private readonly needs = new Map<number, number>()
  private firstSegment = 1
  private lastSegment = 0
  /** Where each segment that is kept begins, per source: what the mark says of the first one kept. */
  private readonly begins = new Map<number, Float64Array>()
  /** Released since the capture before last, by epoch: applied when their commit is acknowledged. */
  private releasing: Map<number, number> = new Map()
  private deleting: Buffer[] = []
  private writing = 0
  private failure: Error | undefined
  private acknowledgedBatch = -1
  private acknowledgedCommit: CommitPoint = { offsets: [], watermarkMs: Number.NEGATIVE_INFINITY }
  /** Somebody reads the segments that there are: none is trimmed. */
  isHeld = false
  /** Watches who leaves memory and who comes back. */
  watcher: StoreWatcher | undefined
  /** Per source: below it the journal has not everything, since a shared snapshot gave the state; undefined: it has. */
  private wholeFrom: readonly number[] | undefined
  /** Up to it segments lie below an acknowledged commit: none of them is ever cut off. */
  private acknowledgedSegment = 0
  /** Whose commits have what lies in later segments: while replaying, the one who made the commit that was found. */
  private owner: string | undefined
  private isReplaying = true

  private readonly isQuarantined: IsQuarantined

  constructor(journal: PartitionJournal, state: JoinState, fingerprint: string, isQuarantined: IsQuarantined) {
    this.journal = journal
    this.state = state
    this.fingerprint = fingerprint
    this.isQuarantined = isQuarantined
  }

  /** Per source: below it a user's events may lie neither in segments nor with the stored user. */
  get journalWholeFrom(): readonly number[] | undefined {
    return this.wholeFrom
  }

  get segments(): number {
    return this.lastSegment - this.firstSegment + 1
  }

  get storedUsers(): number {
    return this.stored.size
  }

  get journalCounts(): PartitionJournal['counts'] {
    return this.journal.counts
  }

  /** Takes the number of the segment that the next batch goes to. */
  open(position: Float64Array): void {
    this.lastSegment++
    if (this.isReplaying) this.acknowledgedSegment = this.lastSegment
    this.state.segment = this.lastSegment
    this.begins.set(this.lastSegment, position.slice())
  }

  /** At a start: continues after what the journal has; numbers never come again. */
  async resume({ first, upTo, begins, wholeFrom }: Mark, last: number): Promise<void> {
    this.wholeFrom = wholeFrom
    this.firstSegment = first
    this.lastSegment = last
    this.begins.set(first, Float64Array.from(begins))
    this.acknowledgedSegment = first - 1
    await this.writeMark(Math.max(upTo, last))
  }

  /** At a start: a segment that was read. Who leaves memory behind it has nothing of those that are still to be read. */
  began(sequence: number, position: Float64Array): void {
    this.begins.set(sequence, position.slice())
    this.lastSegment = Math.max(this.lastSegment, sequence)
    this.acknowledgedSegment = sequence
  }

  /** What comes from here on is live: beyond the commit, and its owner's own. */
  async replayed(owner: string): Promise<void> {
    this.isReplaying = false
    this.owner = owner
    this.acknowledgedSegment = this.lastSegment
    await this.writeMark()
  }

  /** At a start: the journal was forgotten. */
  reset(): void {
    this.stored = new HashCounts()
    this.needs.clear()
    this.begins.clear()
  }

  /** At a start with an empty journal: it will have everything from `begins` on. */
  async begin(begins: readonly number[], wholeFrom?: readonly number[]): Promise<void> {
    this.wholeFrom = wholeFrom
    this.begins.set(this.lastSegment + 1, Float64Array.from(begins))
    this.firstSegment = this.lastSegment + 1
    await this.writeMark()
  }

  /** At a start: everything that is read back lies below this commit, so all of it may be moved out of memory. */
  restored(commit: CommitPoint, owner: string | undefined): void {
    this.acknowledgedBatch = 0
    this.acknowledgedCommit = commit
    this.owner = owner
  }

  get lastSegmentNumber(): number {
    return this.lastSegment
  }

  /** Writes the batch in hand as the open segment. Waits only when too much is being written. */
  async append(source: number, fromOffset: number, chunk: RawChunk, flags: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    const bytes = encodeSegment(source, fromOffset, chunk, flags, roomFor(segmentBytes(chunk)))
    const sizeBytes = bytes.length
    this.writing += sizeBytes
    const written = this.journal.append(this.lastSegment, bytes).then(
      () => {
        this.writing -= sizeBytes
      },
      (error: Error) => {
        this.failure ??= new Error(`the journal cannot be written: ${error.message}`, { cause: error })
      },
    )
    if (this.writing > WRITING_BYTES) await written
  }

  /** After each batch: who needs which segment. What is released counts once its commit is acknowledged. */
  settle(): void {
    const { retained, released } = this.state
    for (let k = 0; k < retained.length; k++) {
      const segment = retained.items[k]
      if (segment !== 0) this.needs.set(segment, (this.needs.get(segment) ?? 0) + 1)
    }
    for (let k = 0; k < released.length; k++) {
      const segment = released.items[k]
      if (segment !== 0) this.releasing.set(segment, (this.releasing.get(segment) ?? 0) + 1)
    }
    retained.clear()
    released.clear()
  }

  /** What a capture takes along, to be given back when its commit is acknowledged. */
  capture(): Epoch {
    const epoch = { releasing: this.releasing, deleting: this.deleting, lastSegment: this.lastSegment }
    this.releasing = new Map()
    this.deleting = []
    return epoch
  }

  /** A capture that was never committed: its releases wait for the next. */
  abandon(epoch: Epoch): void {
    for (const [segment, count] of epoch.releasing) {
      this.releasing.set(segment, (this.releasing.get(segment) ?? 0) + count)
    }
    this.deleting.push(...epoch.deleting)
  }

  /** The commit of an epoch is acknowledged: segments and users that only older commits needed are forgotten. */
  async acknowledge(epoch: Epoch, batchNumber: number, commit: CommitPoint): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.acknowledgedBatch = batchNumber
    this.acknowledgedCommit = commit
    for (const [segment, count] of epoch.releasing) {
      const left = (this.needs.get(segment) ?? 0) - count
      if (left > 0) this.needs.set(segment, left)
      else this.needs.delete(segment)
    }
    this.acknowledgedSegment = epoch.lastSegment
    while (!this.isHeld && this.firstSegment <= epoch.lastSegment && !this.needs.has(this.firstSegment)) {
      this.begins.delete(this.firstSegment)
      this.firstSegment++
    }
    // The mark goes first: a start from an older commit must not take the journal for whole.
    await this.writeMark()
    if (epoch.deleting.length > 0) await this.journal.deleteUsers(epoch.deleting)
  }

  /** Says from where on the journal has everything (but stored users), and which commit stands behind that. */
  private async writeMark(upTo = this.acknowledgedSegment): Promise<void> {
    const { firstSegment: first, fingerprint, owner, wholeFrom } = this
    const { offsets, watermarkMs } = this.acknowledgedCommit
    const begins = [...(this.begins.get(first) ?? offsets)]
    const mark = { first, fingerprint, begins, offsets, watermarkMs, upTo, owner, wholeFrom }
    await this.journal.trim(first, encodeMark(mark))
  }

  /** The user's last trace is gone: what is stored of it goes with the next acknowledged commit. */
  emptied(user: number): void {
    if (B.u32(this.state.arena, user, L.U_STORED) === 0) return
    this.deleting.push(this.keyOf(user))
  }

  /** Users with records in the batch, or due before `beforeMs`, that lie in the journal alone. A promise only if any. */
  load(batch: EventBatch | undefined, beforeMs: number): Promise<void> | undefined {
    if (this.stored.size === 0) return undefined
    const keys = batch === undefined ? [] : this.missing(batch)
    if (keys.length === 0 && this.journal.nextDueMs >= beforeMs) return undefined
    return this.loadAll(keys, beforeMs)
  }

  private missing(batch: EventBatch): Buffer[] {
    const seen = new Set<string>()
    const keys: Buffer[] = []
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] >= REFUSED) continue
      const at = batch.userAt[i]
      const length = batch.userLength[i]
      const hash = murmur2(batch.text, at, length)
      if (!this.stored.has(hash) || findUser(this.state, hash, batch.text, at, length) !== 0) continue
      const key = Buffer.from(batch.text.subarray(at, at + length))
      const text = key.toString('latin1')
      if (seen.has(text)) continue
      seen.add(text)
      keys.push(key)
    }
    return keys
  }

  private async loadAll(keys: Buffer[], beforeMs: number): Promise<void> {
    if (this.journal.nextDueMs < beforeMs) {
      for await (const wake of this.journal.wakes(beforeMs)) {
        if (this.find(wake.key) === 0) keys.push(wake.key)
      }
    }
    for (let k = 0; k < keys.length; k += EVICT_USERS) await this.loadUsers(keys.slice(k, k + EVICT_USERS))
  }

  /** Brings stored users back to memory and marks them awake. */
  async loadUsers(keys: readonly Buffer[]): Promise<void> {
    const states = await this.journal.getUsers(keys)
    const loaded: Buffer[] = []
    for (let k = 0; k < keys.length; k++) {
      const bytes = states[k]
      if (bytes === null || this.find(keys[k]) !== 0) continue
      this.bringBack(keys[k], bytes)
      loaded.push(keys[k])
    }
    this.settle()
    if (loaded.length > 0) await this.journal.awaken(loaded, this.noteOfAwake())
  }

  /** What is stored of those who are awake was stored before: the last acknowledged commit is that one or a later one. */
  private noteOfAwake(): Buffer {
    const lowest = new Float64Array(this.state.sources).fill(Number.POSITIVE_INFINITY)
    return encodeNote({ commit: this.acknowledgedCommit, segment: this.acknowledgedSegment, lowest })
  }

  private bringBack(key: Buffer, bytes: Buffer): void {
    const s = this.state
    const hash = murmur2(key, 0, key.length)
    const user = addUser(s, hash, key, 0, key.length)
    B.setU32(s.arena, user, L.U_STORED, 1)
    this.watcher?.broughtBack(user, key)
    decodeUser(s, user, bytes, this.isQuarantined)
    this.stored.remove(hash)
    this.counts.usersLoaded++
    this.counts.viewsLoaded += B.u32(s.arena, user, L.U_PENDING)
  }

  private find(key: Buffer): number {
    return findUser(this.state, murmur2(key, 0, key.length), key, 0, key.length)
  }

  /** What is stored of a user that is not in memory, without bringing it back; null: nothing. */
  async peek(key: Buffer): Promise<Buffer | null> {
    if (!this.stored.has(murmur2(key, 0, key.length))) return null
    const [bytes] = await this.journal.getUsers([key])
    return bytes
  }

  /** Whether a user's state is one that an acknowledged commit stands behind. */
  isBehindCommit(user: number): boolean {
    return B.u32(this.state.arena, user, L.U_TOUCHED) <= this.acknowledgedBatch
  }

  /** Moves users out of memory. The caller has made sure of invariant 2, and that their actors are gone. */
  async evict(users: readonly number[]): Promise<void> {
    const s = this.state
    this.watcher?.evicting(users)
    const entries: StoredUser[] = users.map((user) => ({
      key: this.keyOf(user),
      state: encodeUser(s, user),
      dueMs: nextDueMs(s, user),
      note: encodeNote({
        commit: this.acknowledgedCommit,
        segment: this.acknowledgedSegment,
        lowest: lowestOffsets(s, user),
      }),
    }))
    await this.journal.putUsers(entries)
    users.forEach((user, k) => {
      this.counts.usersStored++
      this.counts.viewsStored += B.u32(s.arena, user, L.U_PENDING)
      this.stored.add(B.u32(s.arena, user, L.U_HASH))
      freeUser(s, user)
      this.keepNeeded(decodeNote(entries[k].note, s.sources))
    })
    // Their timers mean nothing any more, and would pile up with each way out and back until they are due.
    s.timers.tidy((address) => dueMs(s, address))
    this.settle()
  }

  /** A stored user's lowest offsets stand for all of its own. */
  private keepNeeded(note: Note): void {
    note.lowest.forEach((offset, source) => {
      if (Number.isFinite(offset)) this.state.needed[source].add(offset)
    })
  }

  /** At a start: a stored user that will be loaded at once. */
  awaits(key: Buffer): void {
    this.stored.add(murmur2(key, 0, key.length))
  }

  /** At a start: a stored user that stays where it is. */
  adopt(key: Buffer, note: Note): void {
    this.stored.add(murmur2(key, 0, key.length))
    this.keepNeeded(note)
  }

  private keyOf(user: number): Buffer {
    const at = B.userTextAt(user)
    return Buffer.from(B.bytesOf(this.state.arena, user).subarray(at, at + B.u32(this.state.arena, user, L.U_LENGTH)))
  }

  close(): Promise<void> {
    return this.journal.close()
  }
}

export interface StoreWatcher {
  /** Users about to be moved out of memory. */
  evicting(users: readonly number[]): void
  /** A user that was brought back from the journal. */
  broughtBack(user: number, key: Buffer): void
}

/** What becomes true when a capture's commit is acknowledged. */
export interface Epoch {
  readonly releasing: Map<number, number>
  readonly deleting: Buffer[]
  readonly lastSegment: number
}
