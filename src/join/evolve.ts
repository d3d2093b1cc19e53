/**
 * Evolving: the changes that decisions bring, and nothing but them. Every function leaves the state's invariants whole
 * (state.ts); none of them judges.
 */
import * as B from './blocks.ts'
import { deadlineMs, viewHash } from './decide.ts'
import type { EventBatch } from './event.ts'
import { foldLabels } from './fold.ts'
import { IS_LITTLE_ENDIAN, murmur2Aligned } from './hash.ts'
import { indexByItem, insertByItem, removeByItem } from './items.ts'
import * as L from './layout.ts'
import { BOUND, PENDING, SAMPLES, UNDECIDED } from './ledger.ts'
import type { JoinState } from './state.ts'

/** Beyond it a native copy is faster. */
const MOST_BY_WORDS = 512

/** A block for a user of whom nothing is known yet. */
export function addUser(s: JoinState, hash: number, bytes: Uint8Array, at: number, length: number): number {
  const sizeBytes = L.U_HEADER_BYTES + length
  const user = s.arena.allocate(sizeBytes)
  const chunk = s.arena.chunks[user >>> 16]
  const word = (user & 0xffff) << 2
  chunk.u32.fill(0, word, word + L.U_HEADER_BYTES / 4)
  chunk.u32[word + L.KIND] = L.USER
  chunk.u32[word + L.U_HASH] = hash
  chunk.u32[word + L.U_LENGTH] = length
  chunk.u32[word + L.U_BYTES] = sizeBytes
  copyBytes(bytes, at, length, chunk.bytes, B.userTextAt(user))
  s.users.insert(user)
  return user
}

/** Gives back a user's block: nothing of the user may be left. */
export function dropUser(s: JoinState, user: number): void {
  s.users.remove(user)
  s.arena.release(user, L.U_HEADER_BYTES + B.u32(s.arena, user, L.U_LENGTH))
}

export interface ViewInput {
  readonly timeMs: number
  readonly offset: number
  readonly flags: number
  readonly writer: number
  readonly segment: number
  /** `viewHash` of the identity, where the caller has it at hand. */
  readonly idHash?: number
}

/** Adds a pending view (or, while restoring, one with the flags it had). The identity must not be in the id table. */
export function addView(
  s: JoinState,
  user: number,
  input: ViewInput,
  id: Uint8Array,
  idAt: number,
  idLength: number,
  item: Uint8Array,
  itemAt: number,
  itemLength: number,
): number {
  const sizeBytes = L.V_HEADER_BYTES + idLength + itemLength
  const view = s.arena.allocate(sizeBytes)
  const chunk = s.arena.chunks[view >>> 16]
  const word = (view & 0xffff) << 2
  const u32 = chunk.u32
  u32.fill(0, word, word + L.V_HEADER_BYTES / 4)
  u32[word + L.KIND] = L.VIEW_BLOCK | input.flags
  u32[word + L.V_USER] = user
  u32[word + L.V_ID_HASH] = input.idHash ?? viewHash(user, id, idAt, idLength)
  u32[word + L.V_LENGTHS] = idLength | (itemLength << 16)
  u32[word + L.V_SEGMENT] = input.segment
  u32[word + L.V_WRITER] = input.writer
  chunk.f64[((view & 0xffff) << 1) + L.V_TIME] = input.timeMs
  chunk.f64[((view & 0xffff) << 1) + L.V_OFFSET] = input.offset
  const at = B.viewIdAt(view)
  copyBytes(id, idAt, idLength, chunk.bytes, at)
  copyBytes(item, itemAt, itemLength, chunk.bytes, at + idLength)
  s.ids.insert(view)
  if (s.isIndexedByItem) insertByItem(s, view)
  linkView(s, user, view, sizeBytes)
  s.needed[0].add(input.offset)
  s.retained.push(input.segment)
  return view
}

/** Gives a block its own record's bytes. `addressWord` is V_PAYLOAD or E_PAYLOAD; the length lies in the next word. */
export function setPayload(
  s: JoinState,
  owner: number,
  addressWord: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): void {
  B.setU32(s.arena, owner, addressWord + 1, length)
  if (length === 0) return
  const payload = s.arena.allocateRaw(length)
  const chunk = s.arena.chunks[payload >>> 16]
  copyToWords(bytes, at, length, chunk.u32, (payload & 0xffff) << 2, chunk.bytes)
  B.setU32(s.arena, owner, addressWord, payload)
  addUserBytes(s, B.u32(s.arena, owner, L.V_USER), length)
}

/** Gives up a block's own record's bytes; its length stays. */
export function releasePayload(s: JoinState, owner: number, addressWord: number): void {
  const payload = B.u32(s.arena, owner, addressWord)
  if (payload === 0) return
  const length = B.u32(s.arena, owner, addressWord + 1)
  s.arena.releaseRaw(payload, length)
  B.setU32(s.arena, owner, addressWord, 0)
  addUserBytes(s, B.u32(s.arena, owner, L.V_USER), -length)
}

function linkView(s: JoinState, user: number, view: number, sizeBytes: number): void {
  const first = B.u32(s.arena, user, L.U_VIEWS)
  B.setU32(s.arena, view, L.NEXT, first)
  if (first !== 0) B.setU32(s.arena, first, L.V_PREVIOUS, view)
  B.setU32(s.arena, user, L.U_VIEWS, view)
  addUserBytes(s, user, sizeBytes)
}

function addUserBytes(s: JoinState, user: number, bytes: number): void {
  B.setU32(s.arena, user, L.U_BYTES, B.u32(s.arena, user, L.U_BYTES) + bytes)
}

/** Seals a pending view: its labels are folded into row `s.sealed.length`; its blocks stay until `forgetSealed`. */
export function sealView(s: JoinState, view: number, fire: number, order: number): void {
  foldLabels(s, view, s.sealed.length)
  const late = B.hasFlag(s.arena, view, L.F_LATE)
  B.setF64(s.arena, view, L.V_SEALED_AT, late ? s.watermarkAt[fire] : deadlineMs(s, view))
  B.setFlag(s.arena, view, L.F_SEALED)
  const user = B.u32(s.arena, view, L.V_USER)
  B.setU32(s.arena, user, L.U_PENDING, B.u32(s.arena, user, L.U_PENDING) - 1)
  s.sealed.push(view)
  s.sealedFire.push(order)
  s.ledger[PENDING]--
  s.ledger[SAMPLES]++
}

/** After its sample is made: gives up what a sealed view no longer needs; it is remembered from now on. */
export function settleSealed(s: JoinState, view: number): void {
  releaseBound(s, view)
  const payload = B.u32(s.arena, view, L.V_PAYLOAD)
  const length = B.u32(s.arena, view, L.V_PAYLOAD_LENGTH)
  const isElsewhere = payload === 0 && length > 0
  const { u32, bytes } = s.arena.chunks[payload >>> 16]
  const hash = isElsewhere ? 0 : murmur2Aligned(u32, bytes, B.byteAt(payload), length)
  releasePayload(s, view, L.V_PAYLOAD)
  B.setU32(s.arena, view, L.V_BOUND, hash)
}

export function releaseBound(s: JoinState, view: number): void {
  for (let e = B.u32(s.arena, view, L.V_BOUND); e !== 0; ) {
    const next = B.u32(s.arena, e, L.NEXT)
    freeEngagement(s, e)
    e = next
  }
  B.setU32(s.arena, view, L.V_BOUND, 0)
}

/** Takes a view out of the tables, so that no rule sees it any more. */
export function hideView(s: JoinState, view: number): void {
  if (B.hasFlag(s.arena, view, L.F_HIDDEN)) return
  s.ids.remove(view)
  if (s.isIndexedByItem) removeByItem(s, view)
  B.setFlag(s.arena, view, L.F_HIDDEN)
}

/** Frees a view with everything of it. */
export function freeView(s: JoinState, view: number): void {
  hideView(s, view)
  releasePayload(s, view, L.V_PAYLOAD)
  const user = B.u32(s.arena, view, L.V_USER)
  const next = B.u32(s.arena, view, L.NEXT)
  const previous = B.u32(s.arena, view, L.V_PREVIOUS)
  if (next !== 0) B.setU32(s.arena, next, L.V_PREVIOUS, previous)
  if (previous !== 0) B.setU32(s.arena, previous, L.NEXT, next)
  else B.setU32(s.arena, user, L.U_VIEWS, next)
  const sizeBytes = B.viewBlockBytes(s.arena, view)
  addUserBytes(s, user, -sizeBytes)
  s.needed[0].remove(B.f64(s.arena, view, L.V_OFFSET))
  s.released.push(B.u32(s.arena, view, L.V_SEGMENT))
  s.arena.release(view, sizeBytes)
}

export interface EngagementInput {
  readonly source: number
  readonly type: number
  readonly writer: number
  readonly segment: number
  readonly hash: number
}

/** Holds an engagement undecided; it is in the identity table and in its user's list. */
export function addEngagement(
  s: JoinState,
  user: number,
  batch: EventBatch,
  i: number,
  input: EngagementInput,
): number {
  if (batch.viewIdLength[i] < 0) indexByItem(s)
  const viewId = Math.max(batch.viewIdLength[i], 0)
  const item = batch.itemLength[i]
  const id = Math.max(batch.engagementIdLength[i], 0)
  const type = batch.typeLength[i]
  const sizeBytes = L.E_HEADER_BYTES + viewId + item + id + type
  const e = s.arena.allocate(sizeBytes)
  const chunk = s.arena.chunks[e >>> 16]
  const word = (e & 0xffff) << 2
  const u32 = chunk.u32
  u32.fill(0, word, word + L.E_HEADER_BYTES / 4)
  u32[word + L.KIND] =
    L.ENGAGEMENT_BLOCK |
    (batch.viewIdLength[i] >= 0 ? L.F_HAS_VIEW_ID : 0) |
    (batch.engagementIdLength[i] >= 0 ? L.F_HAS_ENGAGEMENT_ID : 0)
  u32[word + L.E_USER] = user
  u32[word + L.E_HASH] = input.hash
  u32[word + L.E_TYPE] = input.type
  u32[word + L.E_SOURCE] = input.source
  u32[word + L.E_LENGTHS] = viewId | (item << 16)
  u32[word + L.E_LENGTHS_2] = id | (type << 16)
  u32[word + L.E_SEGMENT] = input.segment
  u32[word + L.E_WRITER] = input.writer
  const f64 = chunk.f64
  const at64 = (e & 0xffff) << 1
  f64[at64 + L.E_TIME] = batch.timeMs[i]
  f64[at64 + L.E_OFFSET] = batch.offset[i]
  f64[at64 + L.E_VALUE] = batch.value[i] + 0 // -0 and 0 are one text, so one identity: whichever came, it folds as 0
  let at = B.engagementTextAt(e)
  copyBytes(batch.text, batch.viewIdAt[i], viewId, chunk.bytes, at)
  copyBytes(batch.text, batch.itemAt[i], item, chunk.bytes, (at += viewId))
  copyBytes(batch.text, batch.engagementIdAt[i], id, chunk.bytes, (at += item))
  copyBytes(batch.text, batch.typeAt[i], type, chunk.bytes, at + id)
  s.engagements.insert(e)
  linkUndecided(s, user, e)
  addUserBytes(s, user, sizeBytes)
  s.needed[input.source].add(batch.offset[i])
  s.retained.push(input.segment)
  return e
}

function linkUndecided(s: JoinState, user: number, e: number): void {
  const first = B.u32(s.arena, user, L.U_UNDECIDED)
  B.setU32(s.arena, e, L.NEXT, first)
  if (first !== 0) B.setU32(s.arena, first, L.E_PREVIOUS, e)
  B.setU32(s.arena, user, L.U_UNDECIDED, e)
}

function unlinkUndecided(s: JoinState, e: number): void {
  const next = B.u32(s.arena, e, L.NEXT)
  const previous = B.u32(s.arena, e, L.E_PREVIOUS)
  if (next !== 0) B.setU32(s.arena, next, L.E_PREVIOUS, previous)
  if (previous !== 0) B.setU32(s.arena, previous, L.NEXT, next)
  else B.setU32(s.arena, B.u32(s.arena, e, L.E_USER), L.U_UNDECIDED, next)
  B.setU32(s.arena, e, L.E_PREVIOUS, 0)
}

/** Binds an undecided engagement to its owner: it is counted when the owner is sealed. */
export function bind(s: JoinState, e: number, owner: number): void {
  unlinkUndecided(s, e)
  attach(s, e, owner)
  releasePayload(s, e, L.E_PAYLOAD)
  s.ledger[UNDECIDED]--
  s.ledger[BOUND]++
}

/** Hangs an engagement on its owner, without counting. */
export function attach(s: JoinState, e: number, owner: number): void {
  B.setU32(s.arena, e, L.NEXT, B.u32(s.arena, owner, L.V_BOUND))
  B.setU32(s.arena, owner, L.V_BOUND, e)
  B.setU32(s.arena, e, L.E_PREVIOUS, owner)
  B.setFlag(s.arena, e, L.F_BOUND)
}

/** Binds without counting: while state is rebuilt, the decision was counted long ago. */
export function rebind(s: JoinState, e: number, owner: number): void {
  unlinkUndecided(s, e)
  attach(s, e, owner)
  releasePayload(s, e, L.E_PAYLOAD)
}

/** Gives an undecided engagement up; its block stays until the batch is done, for its side output. */
export function giveUp(s: JoinState, e: number, reason: number, fire: number): void {
  unlinkUndecided(s, e)
  s.engagements.remove(e)
  B.setFlag(s.arena, e, L.F_GIVEN_UP)
  s.gaveUp.push(e)
  s.gaveUpFire.push(fire)
  s.gaveUpReason.push(reason)
  s.ledger[UNDECIDED]--
}

/** Drops an undecided engagement without a trace (replay: it was decided long ago). */
export function dropUndecided(s: JoinState, e: number): void {
  unlinkUndecided(s, e)
  freeEngagement(s, e)
}

export function freeEngagement(s: JoinState, e: number): void {
  if (!B.hasFlag(s.arena, e, L.F_GIVEN_UP)) s.engagements.remove(e)
  releasePayload(s, e, L.E_PAYLOAD)
  const sizeBytes = B.engagementBlockBytes(s.arena, e)
  addUserBytes(s, B.u32(s.arena, e, L.E_USER), -sizeBytes)
  s.needed[B.u32(s.arena, e, L.E_SOURCE)].remove(B.f64(s.arena, e, L.E_OFFSET))
  s.released.push(B.u32(s.arena, e, L.E_SEGMENT))
  s.arena.release(e, sizeBytes)
}

/** Frees everything of a user, and the user: state that lies elsewhere (the journal), or is to be rebuilt. */
export function freeUser(s: JoinState, user: number): void {
  for (let view = B.u32(s.arena, user, L.U_VIEWS); view !== 0; view = B.u32(s.arena, user, L.U_VIEWS)) {
    if (!B.hasFlag(s.arena, view, L.F_SEALED)) releaseBound(s, view)
    freeView(s, view)
  }
  for (let e = B.u32(s.arena, user, L.U_UNDECIDED); e !== 0; e = B.u32(s.arena, user, L.U_UNDECIDED)) {
    dropUndecided(s, e)
  }
  dropUser(s, user)
}

/** Copies to where words begin, four bytes at a time: of a record's size that beats a native call and its view. */
function copyToWords(
  from: Uint8Array,
  at: number,
  length: number,
  u32: Uint32Array,
  word: number,
  bytes: Uint8Array,
): void {
  if (length > MOST_BY_WORDS || !IS_LITTLE_ENDIAN) {
    bytes.set(from.subarray(at, at + length), word * 4)
    return
  }
  const whole = length & ~3
  for (let k = 0; k < whole; k += 4) {
    u32[word + (k >> 2)] = from[at + k] | (from[at + k + 1] << 8) | (from[at + k + 2] << 16) | (from[at + k + 3] << 24)
  }
  for (let k = whole; k < length; k++) bytes[word * 4 + k] = from[at + k]
}

/** Copies short runs by hand: below a few dozen bytes that beats a native call. */
export function copyBytes(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void {
  if (length > 48) {
    to.set(from.subarray(at, at + length), toAt)
    return
  }
  for (let k = 0; k < length; k++) to[toAt + k] = from[at + k]
}
