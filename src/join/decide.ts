/**
 * Deciding: what an event or a due time means, by SEMANTICS.md sections 1 to 3. Reads the state and changes nothing.
 */
import * as B from './blocks.ts'
import type { EventBatch } from './event.ts'
import { compareBytes, mix, murmur2, sameBytes } from './hash.ts'
import * as L from './layout.ts'
import { countsForAny } from './rules.ts'
import { GAVE_UP_LATE, GAVE_UP_ORPHAN, GAVE_UP_OUTSIDE, GAVE_UP_UNUSED, type JoinState } from './state.ts'

/** What becomes of an engagement: the owner that it is bound to, or why it is given up. */
export interface Verdict {
  /** The view that it is bound to; 0 when given up. */
  owner: number
  reason: number
  /** The view that it belongs to, whether it counts for it or not; 0 if none is known. */
  view: number
}

/** The deadline of a view: sealed once the watermark is past it. */
export function deadlineMs(s: JoinState, view: number): number {
  const timeMs = B.f64(s.arena, view, L.V_TIME)
  const { before } = s
  return timeMs + (before !== undefined && timeMs < before.viewMs ? before.viewWaitMs : s.rules.viewWaitMs)
}

/** When an engagement of this time is decided: once the watermark is past it. */
export function decisionMs({ before, rules }: JoinState, timeMs: number): number {
  return (
    timeMs + (before !== undefined && timeMs < before.engagementMs ? before.engagementWaitMs : rules.engagementWaitMs)
  )
}

/** When a block's next timer is due; NaN when it has none. */
export function dueMs(s: JoinState, address: number): number {
  switch (B.u32(s.arena, address, L.KIND) & (0xff | L.F_SEALED | L.F_BOUND)) {
    case L.VIEW_BLOCK:
      return deadlineMs(s, address)
    case L.VIEW_BLOCK | L.F_SEALED:
      return B.f64(s.arena, address, L.V_SEALED_AT) + s.rules.rememberSealedMs
    case L.ENGAGEMENT_BLOCK:
      return decisionMs(s, B.f64(s.arena, address, L.E_TIME))
    default:
      return Number.NaN
  }
}

/** Whether a view is still known at this watermark: pending, or sealed no longer than R ago. */
export function isKnown(s: JoinState, view: number, watermarkMs: number): boolean {
  if (!B.hasFlag(s.arena, view, L.F_SEALED)) return true
  return watermarkMs - B.f64(s.arena, view, L.V_SEALED_AT) <= s.rules.rememberSealedMs
}

/** The user's block; 0 if it has none. */
export function findUser(s: JoinState, hash: number, bytes: Uint8Array, at: number, length: number): number {
  const chunks = s.arena.chunks
  for (let user = s.users.head(hash); user !== 0; user = s.users.next(user)) {
    const chunk = chunks[user >>> 16]
    const word = (user & 0xffff) << 2
    if (
      chunk.u32[word + L.U_HASH] === hash &&
      sameBytes(chunk.bytes, B.userTextAt(user), chunk.u32[word + L.U_LENGTH], bytes, at, length)
    ) {
      return user
    }
  }
  return 0
}

/** The user's view with this identity, whether known or not; 0 if there is none. */
export function findView(s: JoinState, user: number, bytes: Uint8Array, at: number, length: number): number {
  return findHashedView(s, user, viewHash(user, bytes, at, length), bytes, at, length)
}

/** The hash of a view's identity within its user. */
export function viewHash(user: number, bytes: Uint8Array, at: number, length: number): number {
  return mix(user, murmur2(bytes, at, length))
}

/** `findView` where the hash is at hand. */
export function findHashedView(
  s: JoinState,
  user: number,
  hash: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): number {
  for (let view = s.ids.head(hash); view !== 0; view = s.ids.next(view)) {
    if (
      B.u32(s.arena, view, L.V_ID_HASH) === hash &&
      B.u32(s.arena, view, L.V_USER) === user &&
      sameBytes(B.bytesOf(s.arena, view), B.viewIdAt(view), B.viewIdLength(s.arena, view), bytes, at, length)
    ) {
      return view
    }
  }
  return 0
}

/** The state must have its item index (items.ts). The user's latest known view of the item with view time at most `latestMs`; among equal times the greater identity. */
export function findLatestView(
  s: JoinState,
  user: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  latestMs: number,
  watermarkMs: number,
): number {
  const hash = mix(user, murmur2(bytes, at, length))
  for (let view = s.items.head(hash); view !== 0; view = s.items.next(view)) {
    if (
      B.u32(s.arena, view, L.V_ITEM_HASH) === hash &&
      B.u32(s.arena, view, L.V_USER) === user &&
      B.f64(s.arena, view, L.V_TIME) <= latestMs &&
      sameBytes(
        B.bytesOf(s.arena, view),
        B.viewItemAt(s.arena, view),
        B.viewItemLength(s.arena, view),
        bytes,
        at,
        length,
      ) &&
      isKnown(s, view, watermarkMs)
    ) {
      return view // the table has the views of an item latest first
    }
  }
  return 0
}

/** The view that an engagement belongs to at this watermark; 0 if none is known. */
export function ownerOf(s: JoinState, e: number, watermarkMs: number): number {
  const user = B.u32(s.arena, e, L.E_USER)
  const lengths = B.u32(s.arena, e, L.E_LENGTHS)
  const bytes = B.bytesOf(s.arena, e)
  const at = B.engagementTextAt(e)
  const viewIdLength = lengths & 0xffff
  const latestMs = B.f64(s.arena, e, L.E_TIME) + s.rules.clockSkewToleranceMs
  if (B.hasFlag(s.arena, e, L.F_HAS_VIEW_ID)) {
    const view = findView(s, user, bytes, at, viewIdLength)
    // A view later than the engagement is no owner, even one that is named.
    if (view === 0 || B.f64(s.arena, view, L.V_TIME) > latestMs) return 0
    return isKnown(s, view, watermarkMs) ? view : 0
  }
  return findLatestView(s, user, bytes, at + viewIdLength, lengths >>> 16, latestMs, watermarkMs)
}

/** Decides an engagement (SEMANTICS.md section 3). */
export function judge(s: JoinState, e: number, watermarkMs: number, verdict: Verdict): void {
  verdict.owner = 0
  verdict.view = 0
  const type = B.u32(s.arena, e, L.E_TYPE)
  if (type === 0) {
    verdict.reason = GAVE_UP_UNUSED
    return
  }
  const owner = ownerOf(s, e, watermarkMs)
  verdict.view = owner
  if (owner === 0) {
    verdict.reason = GAVE_UP_ORPHAN
    return
  }
  const timeMs = B.f64(s.arena, e, L.E_TIME)
  const delayMs = timeMs - B.f64(s.arena, owner, L.V_TIME)
  if (!countsForAny(s.rules, type, delayMs, B.f64(s.arena, e, L.E_VALUE))) verdict.reason = GAVE_UP_OUTSIDE
  else if (B.hasFlag(s.arena, owner, L.F_SEALED)) verdict.reason = GAVE_UP_LATE
  else verdict.owner = owner
}

/** The number of an engagement's type: its place among the labels' types plus 1, 0 if no label has it. */
export function typeOf(s: JoinState, batch: EventBatch, i: number): number {
  const at = batch.typeAt[i]
  const length = batch.typeLength[i]
  const types = s.rules.types
  for (let k = 0; k < types.length; k++) {
    if (sameBytes(types[k], 0, types[k].length, batch.text, at, length)) return k + 1
  }
  return 0
}

/** Hash of an engagement's identity within its user (SEMANTICS.md section 1). */
export function engagementHash(user: number, batch: EventBatch, i: number): number {
  const text = batch.text
  const timeMs = batch.timeMs[i]
  let h = mix(user, timeMs % 0xffffffff)
  if (batch.engagementIdLength[i] >= 0)
    return mix(h, murmur2(text, batch.engagementIdAt[i], batch.engagementIdLength[i]))
  if (batch.viewIdLength[i] >= 0) h = mix(h, murmur2(text, batch.viewIdAt[i], batch.viewIdLength[i]))
  h = mix(h, murmur2(text, batch.itemAt[i], batch.itemLength[i]))
  h = mix(h, murmur2(text, batch.typeAt[i], batch.typeLength[i]))
  return Number.isNaN(batch.value[i]) ? h : mixNumber(h, batch.value[i] + 0) // -0 and 0 are one identity
}

const number = new Float64Array(1)
const numberWords = new Uint32Array(number.buffer)

function mixNumber(h: number, value: number): number {
  number[0] = value
  return mix(mix(h, numberWords[0]), numberWords[1])
}

/** The engagement that record i repeats: one that is undecided or bound to a pending view; 0 if there is none. */
export function findRepeated(s: JoinState, user: number, batch: EventBatch, i: number, hash: number): number {
  for (let e = s.engagements.head(hash); e !== 0; e = s.engagements.next(e)) {
    if (B.u32(s.arena, e, L.E_HASH) !== hash || B.u32(s.arena, e, L.E_USER) !== user) continue
    const isSettled =
      B.hasFlag(s.arena, e, L.F_BOUND) && B.hasFlag(s.arena, B.u32(s.arena, e, L.E_PREVIOUS), L.F_SEALED)
    if (!isSettled && sameEngagement(s, e, batch, i)) return e
  }
  return 0
}

function sameEngagement(s: JoinState, e: number, batch: EventBatch, i: number): boolean {
  if (B.f64(s.arena, e, L.E_TIME) !== batch.timeMs[i]) return false
  const bytes = B.bytesOf(s.arena, e)
  const text = batch.text
  const [viewId, item, id, type] = B.engagementLengths(s.arena, e)
  const hasId = B.hasFlag(s.arena, e, L.F_HAS_ENGAGEMENT_ID)
  const idLength = batch.engagementIdLength[i]
  if (hasId !== idLength >= 0) return false
  let at = B.engagementTextAt(e)
  if (hasId) return sameBytes(bytes, at + viewId + item, id, text, batch.engagementIdAt[i], idLength)
  const viewIdLength = batch.viewIdLength[i]
  if (B.hasFlag(s.arena, e, L.F_HAS_VIEW_ID) !== viewIdLength >= 0) return false
  if (viewIdLength >= 0 && !sameBytes(bytes, at, viewId, text, batch.viewIdAt[i], viewIdLength)) return false
  at += viewId
  if (!sameBytes(bytes, at, item, text, batch.itemAt[i], batch.itemLength[i])) return false
  if (!sameBytes(bytes, at + item + id, type, text, batch.typeAt[i], batch.typeLength[i])) return false
  const value = B.f64(s.arena, e, L.E_VALUE)
  return value === batch.value[i] || (Number.isNaN(value) && Number.isNaN(batch.value[i]))
}

/** Order of engagements in a fold: event time, then identity part by part as text, null first, ids before the others. */
export function compareEngagements(s: JoinState, a: number, b: number): number {
  const byTime = B.f64(s.arena, a, L.E_TIME) - B.f64(s.arena, b, L.E_TIME)
  if (byTime !== 0) return byTime
  const aHasId = B.hasFlag(s.arena, a, L.F_HAS_ENGAGEMENT_ID)
  if (aHasId !== B.hasFlag(s.arena, b, L.F_HAS_ENGAGEMENT_ID)) return aHasId ? -1 : 1
  if (aHasId) return comparePart(s, a, b, 2)
  const aHasView = B.hasFlag(s.arena, a, L.F_HAS_VIEW_ID)
  if (aHasView !== B.hasFlag(s.arena, b, L.F_HAS_VIEW_ID)) return aHasView ? 1 : -1
  return comparePart(s, a, b, 0) || comparePart(s, a, b, 1) || comparePart(s, a, b, 3) || compareValues(s, a, b)
}

function comparePart(s: JoinState, a: number, b: number, part: 0 | 1 | 2 | 3): number {
  const aLengths = B.engagementLengths(s.arena, a)
  const bLengths = B.engagementLengths(s.arena, b)
  let aAt = B.engagementTextAt(a)
  let bAt = B.engagementTextAt(b)
  for (let k = 0; k < part; k++) {
    aAt += aLengths[k]
    bAt += bLengths[k]
  }
  return compareBytes(B.bytesOf(s.arena, a), aAt, aLengths[part], B.bytesOf(s.arena, b), bAt, bLengths[part])
}

function compareValues(s: JoinState, a: number, b: number): number {
  const av = B.f64(s.arena, a, L.E_VALUE)
  const bv = B.f64(s.arena, b, L.E_VALUE)
  if (Number.isNaN(av) || Number.isNaN(bv)) return Number(Number.isNaN(bv)) - Number(Number.isNaN(av))
  const at = String(av)
  const bt = String(bv)
  return at < bt ? -1 : at > bt ? 1 : 0
}
