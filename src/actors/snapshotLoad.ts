/**
 * Loading a shared snapshot into an empty state, up to where it is believed: it is of this pipeline, not ahead of the
 * commit, and whole.
 *
 * Frames are read and inflated ahead of the one in hand; everybody else has a turn of the event loop in between.
 *
 * How it fails: with the reason, after which the caller empties the state: whatever is wrong costs time, not labels.
 */

import * as B from '../join/blocks.ts'
import { findUser } from '../join/decide.ts'
import { addUser, setPayload } from '../join/evolve.ts'
import { murmur2 } from '../join/hash.ts'
import * as L from '../join/layout.ts'
import { decodeUser, type IsQuarantined } from '../join/snapshot.ts'
import type { JoinState } from '../join/state.ts'
import { discard } from '../log/recordBatch/discard.ts'
import {
  END,
  type Frame,
  type Header,
  openFrame,
  PAYLOADS,
  readEnd,
  readHeader,
  SnapshotDamaged,
  USERS,
} from '../snapshots/format.ts'
import type { FoundSnapshot } from '../snapshots/port.ts'

/** What a snapshot is held against. */
export interface Believed {
  readonly fingerprint: string
  readonly partition: number
  readonly topics: readonly string[]
  /** Of the commit, per source. */
  readonly offsets: readonly number[]
  readonly watermarkMs: number
}

export interface LoadOptions {
  readonly state: JoinState
  /** What of it is not wanted: quarantined since, or no longer needed by the commit. */
  readonly isLeftOut: IsQuarantined
  /** What is stored of a user who was loaded, and moved out since; null: nothing. */
  readonly peek: (key: Buffer) => Promise<Buffer | null>
  /** Between frames: memory back within its limits. */
  readonly balance: () => Promise<void> | undefined
  readonly onUsers: (users: number) => void
  readonly isStopped: () => boolean
}

/** Frames read and inflated ahead. */
const AHEAD = 3
const USERS_A_SLICE = 256
const SLICE_MS = 8
const NOTHING: Buffer = Buffer.alloc(0)

/** The header of a snapshot; throws where there is none that can be read. */
export async function headerOf(found: FoundSnapshot): Promise<Header> {
  for await (const frame of found.frames()) return readHeader(frame)
  throw new SnapshotDamaged('it is empty')
}

/** Why a snapshot cannot be used for this commit; undefined where it can. */
export function refusalOf(header: Header, believed: Believed): string | undefined {
  if (header.fingerprint !== believed.fingerprint) return 'it is of another pipeline'
  if (header.partition !== believed.partition || header.topics.join() !== believed.topics.join()) {
    return 'it is of other sources'
  }
  const isAhead = header.offsets.some((offset, source) => offset > believed.offsets[source])
  return isAhead || (header.watermarkMs ?? Number.NEGATIVE_INFINITY) > believed.watermarkMs
    ? 'it is ahead of the commit'
    : undefined
}

/** Undefined where it was stopped. */
export async function loadSnapshot(found: FoundSnapshot, header: Header, options: LoadOptions): Promise<void> {
  const loader = new Loader(options)
  let last: Frame | undefined
  let frames = 0
  for await (const frame of opened(found, header)) {
    if (options.isStopped()) return
    if (last !== undefined) throw new SnapshotDamaged('it goes on behind its end')
    frames++
    if (frame.kind === END) last = frame
    else await loader.take(frame)
  }
  if (last === undefined) throw new SnapshotDamaged('its end is missing')
  const end = readEnd(last)
  if (end.frames !== frames || end.users !== loader.users) throw new SnapshotDamaged('it is not whole')
  loader.end()
}

/** The frames behind the header, opened, some ahead of the one that is asked for. */
async function* opened(found: FoundSnapshot, header: Header): AsyncGenerator<Frame> {
  const ahead: Promise<Frame>[] = []
  let number = 0
  for await (const frame of found.frames()) {
    if (number === 0 && readHeader(frame).id !== header.id) throw new SnapshotDamaged('it was replaced')
    if (number > 0) {
      const opening = openFrame(frame, number, header.id)
      opening.catch(() => {})
      ahead.push(opening)
    }
    number++
    if (ahead.length > AHEAD) yield await ahead.shift()!
  }
  for (const frame of ahead) yield await frame
}

class Loader {
  users = 0
  private readonly options: LoadOptions
  /** What of an entry has come so far; entries are cut anywhere. */
  private parts: Buffer[] = []
  /** What the first of them lies in, where they were joined. */
  private run = NOTHING
  private partBytes = 0
  private kind = USERS
  /** Views whose own bytes are still to come, by their offsets. */
  private readonly bare = new Map<number, number>()

  constructor(options: LoadOptions) {
    this.options = options
  }

  async take({ kind, bytes }: Frame): Promise<void> {
    if (kind !== this.kind) this.turnTo(kind)
    this.parts.push(bytes)
    this.partBytes += bytes.length
    const head = kind === USERS ? 8 : 12
    let sliceMs = performance.now() + SLICE_MS
    for (let k = 1; this.partBytes >= head; k++) {
      const run = this.joined(head)
      const length = head + (kind === USERS ? run.readUInt32LE(0) + run.readUInt32LE(4) : run.readUInt32LE(8))
      if (this.partBytes < length) break
      const entry = this.joined(length).subarray(0, length)
      if (kind === USERS) await this.user(entry)
      else this.payload(entry)
      this.drop(length)
      if (k % USERS_A_SLICE !== 0 || performance.now() < sliceMs) continue
      this.options.onUsers(this.users)
      await new Promise(setImmediate)
      sliceMs = performance.now() + SLICE_MS
    }
    this.letGo(bytes)
    this.options.onUsers(this.users)
    const balancing = this.options.balance()
    if (balancing !== undefined) await balancing
    await new Promise(setImmediate)
  }

  end(): void {
    if (this.partBytes > 0 || this.bare.size > 0) throw new SnapshotDamaged('it is cut short')
  }

  private turnTo(kind: number): void {
    if (kind !== PAYLOADS || this.partBytes > 0) throw new SnapshotDamaged(`a frame of kind ${kind} is out of place`)
    this.kind = kind
  }

  /** The first buffer, made long enough. */
  private joined(length: number): Buffer {
    if (this.parts[0].length < length) {
      this.run = Buffer.concat(this.parts)
      this.parts = [this.run]
    }
    return this.parts[0]
  }

  private drop(length: number): void {
    this.partBytes -= length
    const [first] = this.parts
    if (first.length === length) this.parts.shift()
    else this.parts[0] = first.subarray(length)
  }

  /** What a frame has left is the beginning of an entry, and is copied: the rest was taken. */
  private letGo(bytes: Buffer): void {
    if (this.partBytes > bytes.length) return
    this.parts = this.partBytes === 0 ? [] : [Buffer.concat(this.parts)]
    for (const taken of [bytes, this.run]) discard(taken)
    this.run = NOTHING
  }

  private async user(entry: Buffer): Promise<void> {
    const { state: s } = this.options
    const keyLength = entry.readUInt32LE(0)
    const key = entry.subarray(8, 8 + keyLength)
    const hash = murmur2(key, 0, key.length)
    this.users++
    // A user may come twice, from memory and from the journal: as of one commit, so the same. It may have been moved out.
    if (findUser(s, hash, key, 0, key.length) !== 0 || (await this.options.peek(key)) !== null) return
    const user = addUser(s, hash, key, 0, key.length)
    decodeUser(s, user, entry.subarray(8 + keyLength), this.options.isLeftOut)
    this.noteBare(user)
  }

  private noteBare(user: number): void {
    const { arena } = this.options.state
    for (let view = B.u32(arena, user, L.U_VIEWS); view !== 0; view = B.u32(arena, view, L.NEXT)) {
      const isBare = B.u32(arena, view, L.V_PAYLOAD) === 0 && B.u32(arena, view, L.V_PAYLOAD_LENGTH) > 0
      if (!isBare || B.hasFlag(arena, view, L.F_SEALED)) continue
      this.bare.set(B.f64(arena, view, L.V_OFFSET), view)
      // Like one that is spilled: until its bytes are here its user stays in memory.
      B.setFlag(arena, view, L.F_SPILLED)
      B.setFlag(arena, user, L.F_SPILLED)
    }
  }

  private payload(entry: Buffer): void {
    const view = this.bare.get(entry.readDoubleLE(0))
    if (view === undefined) return
    this.bare.delete(entry.readDoubleLE(0))
    setPayload(this.options.state, view, L.V_PAYLOAD, entry, 12, entry.readUInt32LE(8))
    B.clearFlag(this.options.state.arena, view, L.F_SPILLED)
  }
}
