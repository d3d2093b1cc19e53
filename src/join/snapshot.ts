/**
 * A user's state as bytes: what is written when a user is moved out of memory, and read when it is needed again.
 *
 * Owns: the format, version 1. Everything that the state was, and the events' own offsets: nothing in it says where in
 * memory it lay. A snapshot of another version is not read.
 */
import * as B from './blocks.ts'
import { dueMs, engagementHash, typeOf } from './decide.ts'
import { EventBatch } from './event.ts'
import * as E from './evolve.ts'
import * as L from './layout.ts'
import type { JoinState } from './state.ts'

const VERSION = 1
const VIEW_BYTES = 52
const ENGAGEMENT_BYTES = 56
const KEPT_FLAGS = L.F_SEALED | L.F_LATE

export class SnapshotError extends Error {
  override name = 'SnapshotError'
}

let out = Buffer.allocUnsafe(64 * 1024)
let end = 0

/** The user's state; the user must have no batch in hand. */
export function encodeUser(s: JoinState, user: number): Buffer {
  end = 0
  reserve(16)
  out.writeUInt32LE(VERSION, 0)
  end = 16
  let views = 0
  let undecided = 0
  for (let view = B.u32(s.arena, user, L.U_VIEWS); view !== 0; view = B.u32(s.arena, view, L.NEXT)) {
    if (B.hasFlag(s.arena, view, L.F_HIDDEN)) continue
    encodeView(s, view)
    views++
  }
  for (let e = B.u32(s.arena, user, L.U_UNDECIDED); e !== 0; e = B.u32(s.arena, e, L.NEXT)) {
    encodeEngagement(s, e)
    undecided++
  }
  out.writeUInt32LE(views, 4)
  out.writeUInt32LE(undecided, 8)
  out.writeUInt32LE(end, 12)
  return Buffer.from(out.subarray(0, end))
}

/** When the user next has something to do. */
export function nextDueMs(s: JoinState, user: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let view = B.u32(s.arena, user, L.U_VIEWS); view !== 0; view = B.u32(s.arena, view, L.NEXT)) {
    least = Math.min(least, dueMs(s, view))
  }
  for (let e = B.u32(s.arena, user, L.U_UNDECIDED); e !== 0; e = B.u32(s.arena, e, L.NEXT)) {
    least = Math.min(least, dueMs(s, e))
  }
  return least
}

/** Per source, the lowest offset that the user needs; Infinity for none. */
export function lowestOffsets(s: JoinState, user: number): Float64Array {
  const lowest = new Float64Array(s.sources).fill(Number.POSITIVE_INFINITY)
  const see = (source: number, offset: number): void => {
    if (offset < lowest[source]) lowest[source] = offset
  }
  const seeEngagements = (first: number): void => {
    for (let e = first; e !== 0; e = B.u32(s.arena, e, L.NEXT)) {
      see(B.u32(s.arena, e, L.E_SOURCE), B.f64(s.arena, e, L.E_OFFSET))
    }
  }
  for (let view = B.u32(s.arena, user, L.U_VIEWS); view !== 0; view = B.u32(s.arena, view, L.NEXT)) {
    see(0, B.f64(s.arena, view, L.V_OFFSET))
    if (!B.hasFlag(s.arena, view, L.F_SEALED)) seeEngagements(B.u32(s.arena, view, L.V_BOUND))
  }
  seeEngagements(B.u32(s.arena, user, L.U_UNDECIDED))
  return lowest
}

function encodeView(s: JoinState, view: number): void {
  const { arena } = s
  const flags = B.u32(arena, view, L.KIND) & KEPT_FLAGS
  const lengths = B.u32(arena, view, L.V_LENGTHS)
  const textLength = (lengths & 0xffff) + (lengths >>> 16)
  const payload = B.u32(arena, view, L.V_PAYLOAD)
  const payloadLength = B.u32(arena, view, L.V_PAYLOAD_LENGTH)
  reserve(VIEW_BYTES + textLength + payloadLength)
  const at = end
  out.writeUInt32LE(flags, at)
  out.writeUInt32LE(lengths, at + 4)
  out.writeUInt32LE(payloadLength, at + 8)
  out.writeUInt32LE(B.u32(arena, view, L.V_WRITER), at + 12)
  out.writeDoubleLE(B.f64(arena, view, L.V_TIME), at + 16)
  out.writeDoubleLE(B.f64(arena, view, L.V_OFFSET), at + 24)
  out.writeDoubleLE(B.f64(arena, view, L.V_SEALED_AT), at + 32)
  out.writeUInt32LE(flags & L.F_SEALED ? B.u32(arena, view, L.V_BOUND) : 0, at + 40)
  out.writeUInt32LE(payload === 0 ? 0 : 1, at + 44)
  out.writeUInt32LE(0, at + 48)
  end += VIEW_BYTES
  append(B.bytesOf(arena, view), B.viewIdAt(view), textLength)
  if (payload !== 0) append(B.bytesOf(arena, payload), B.byteAt(payload), payloadLength)
  if (flags & L.F_SEALED) return
  let bound = 0
  for (let e = B.u32(arena, view, L.V_BOUND); e !== 0; e = B.u32(arena, e, L.NEXT)) {
    encodeEngagement(s, e)
    bound++
  }
  out.writeUInt32LE(bound, at + 48)
}

function encodeEngagement(s: JoinState, e: number): void {
  const { arena } = s
  const kind = B.u32(arena, e, L.KIND)
  const [a, b, c, d] = B.engagementLengths(arena, e)
  const payload = B.u32(arena, e, L.E_PAYLOAD)
  const payloadLength = payload === 0 ? 0 : B.u32(arena, e, L.E_PAYLOAD_LENGTH)
  reserve(ENGAGEMENT_BYTES + a + b + c + d + payloadLength)
  const at = end
  out.writeInt32LE(kind & L.F_HAS_VIEW_ID ? a : -1, at)
  out.writeInt32LE(b, at + 4)
  out.writeInt32LE(kind & L.F_HAS_ENGAGEMENT_ID ? c : -1, at + 8)
  out.writeInt32LE(d, at + 12)
  out.writeUInt32LE(B.u32(arena, e, L.E_SOURCE), at + 16)
  out.writeUInt32LE(B.u32(arena, e, L.E_WRITER), at + 20)
  out.writeDoubleLE(B.f64(arena, e, L.E_TIME), at + 24)
  out.writeDoubleLE(B.f64(arena, e, L.E_OFFSET), at + 32)
  out.writeDoubleLE(B.f64(arena, e, L.E_VALUE), at + 40)
  out.writeUInt32LE(payloadLength, at + 48)
  out.writeUInt32LE(0, at + 52)
  end += ENGAGEMENT_BYTES
  append(B.bytesOf(arena, e), B.engagementTextAt(e), a + b + c + d)
  if (payload !== 0) append(B.bytesOf(arena, payload), B.byteAt(payload), payloadLength)
}

export type IsQuarantined = (source: number, offset: number) => boolean

/**
 * Brings a user's state back, of whom nothing is in memory. What was quarantined since it was written is left out; what
 * was bound to such a view is undecided again.
 */
export function decodeUser(s: JoinState, user: number, bytes: Buffer, isQuarantined?: IsQuarantined): void {
  if (bytes.length < 16 || bytes.readUInt32LE(0) !== VERSION || bytes.readUInt32LE(12) !== bytes.length) {
    throw new SnapshotError('not a snapshot of this version')
  }
  let at = 16
  for (let views = bytes.readUInt32LE(4); views > 0; views--) at = decodeView(s, user, bytes, at, isQuarantined)
  for (let undecided = bytes.readUInt32LE(8); undecided > 0; undecided--) {
    at = decodeEngagement(s, user, bytes, at, 0, isQuarantined)
  }
}

/** How many views are pending and engagements undecided in a user's state as it is stored. */
export function countsOf(bytes: Buffer): { readonly pending: number; readonly undecided: number } {
  let pending = 0
  let at = 16
  for (let views = bytes.readUInt32LE(4); views > 0; views--) {
    if ((bytes.readUInt32LE(at) & L.F_SEALED) === 0) pending++
    at = endOfView(bytes, at)
  }
  return { pending, undecided: bytes.readUInt32LE(8) }
}

function endOfView(bytes: Buffer, start: number): number {
  const lengths = bytes.readUInt32LE(start + 4)
  const payloadLength = bytes.readUInt32LE(start + 44) === 1 ? bytes.readUInt32LE(start + 8) : 0
  let at = start + VIEW_BYTES + (lengths & 0xffff) + (lengths >>> 16) + payloadLength
  for (let bound = bytes.readUInt32LE(start + 48); bound > 0; bound--) {
    const texts = [0, 4, 8, 12].reduce((sum, k) => sum + Math.max(0, bytes.readInt32LE(at + k)), 0)
    at += ENGAGEMENT_BYTES + texts + bytes.readUInt32LE(at + 48)
  }
  return at
}

function decodeView(
  s: JoinState,
  user: number,
  bytes: Buffer,
  start: number,
  isQuarantined: IsQuarantined | undefined,
): number {
  const flags = bytes.readUInt32LE(start)
  const lengths = bytes.readUInt32LE(start + 4)
  const idLength = lengths & 0xffff
  const itemLength = lengths >>> 16
  const payloadLength = bytes.readUInt32LE(start + 8)
  const hasPayload = bytes.readUInt32LE(start + 44) === 1
  let bound = bytes.readUInt32LE(start + 48)
  let at = start + VIEW_BYTES
  if (isQuarantined?.(0, bytes.readDoubleLE(start + 24))) {
    at += idLength + itemLength + (hasPayload ? payloadLength : 0)
    for (; bound > 0; bound--) at = decodeEngagement(s, user, bytes, at, 0, isQuarantined)
    return at
  }
  const input = {
    timeMs: bytes.readDoubleLE(start + 16),
    offset: bytes.readDoubleLE(start + 24),
    flags,
    writer: bytes.readUInt32LE(start + 12),
    segment: 0,
  }
  const view = E.addView(s, user, input, bytes, at, idLength, bytes, at + idLength, itemLength)
  at += idLength + itemLength
  B.setF64(s.arena, view, L.V_SEALED_AT, bytes.readDoubleLE(start + 32))
  if (hasPayload) {
    E.setPayload(s, view, L.V_PAYLOAD, bytes, at, payloadLength)
    at += payloadLength
  } else B.setU32(s.arena, view, L.V_PAYLOAD_LENGTH, payloadLength)
  if (flags & L.F_SEALED) B.setU32(s.arena, view, L.V_BOUND, bytes.readUInt32LE(start + 40))
  else B.setU32(s.arena, user, L.U_PENDING, B.u32(s.arena, user, L.U_PENDING) + 1)
  s.timers.set(dueMs(s, view), view)
  for (; bound > 0; bound--) at = decodeEngagement(s, user, bytes, at, view, isQuarantined)
  return at
}

const row = new EventBatch()

function decodeEngagement(
  s: JoinState,
  user: number,
  bytes: Buffer,
  start: number,
  owner: number,
  isQuarantined: IsQuarantined | undefined,
): number {
  row.reset(1, bytes)
  row.text = bytes
  let at = start + ENGAGEMENT_BYTES
  const text = (column: Int32Array, lengths: Int32Array, length: number): void => {
    column[0] = at
    lengths[0] = length
    at += Math.max(length, 0)
  }
  text(row.viewIdAt, row.viewIdLength, bytes.readInt32LE(start))
  text(row.itemAt, row.itemLength, bytes.readInt32LE(start + 4))
  text(row.engagementIdAt, row.engagementIdLength, bytes.readInt32LE(start + 8))
  text(row.typeAt, row.typeLength, bytes.readInt32LE(start + 12))
  row.timeMs[0] = bytes.readDoubleLE(start + 24)
  row.offset[0] = bytes.readDoubleLE(start + 32)
  row.value[0] = bytes.readDoubleLE(start + 40)
  const payloadLength = bytes.readUInt32LE(start + 48)
  const source = bytes.readUInt32LE(start + 16)
  if (isQuarantined?.(source, row.offset[0])) return at + payloadLength
  const e = E.addEngagement(s, user, row, 0, {
    source,
    type: typeOf(s, row, 0),
    writer: bytes.readUInt32LE(start + 20),
    segment: 0,
    hash: engagementHash(user, row, 0),
  })
  if (owner !== 0) E.rebind(s, e, owner)
  else {
    if (payloadLength > 0) E.setPayload(s, e, L.E_PAYLOAD, bytes, at, payloadLength)
    s.timers.set(dueMs(s, e), e)
  }
  return at + payloadLength
}

function reserve(bytes: number): void {
  if (end + bytes <= out.length) return
  const grown = Buffer.allocUnsafe(Math.max(out.length * 2, end + bytes))
  out.copy(grown, 0, 0, end)
  out = grown
}

function append(from: Buffer, at: number, length: number): void {
  from.copy(out, end, at, at + length)
  end += length
}
