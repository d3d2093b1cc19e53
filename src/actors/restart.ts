/**
 * A crashed actor's restart: the failed turn is undone, the user's state rebuilt from its snapshot and the live segments
 * (without a journal: from the log), and what the turn was over is remembered. What crashes twice is quarantined: it goes
 * to the dead letters, and the rest of the user's events live on.
 *
 * Invariant: after a restart the partition is as it was before the failed turn.
 */
import * as B from '../join/blocks.ts'
import { findUser } from '../join/decide.ts'
import { type EventBatch, REFUSED, SKIPPED, VIEW } from '../join/event.ts'
import * as E from '../join/evolve.ts'
import * as L from '../join/layout.ts'
import * as Count from '../join/ledger.ts'
import { lowestOffsets } from '../join/snapshot.ts'
import type { JoinState } from '../join/state.ts'

/** What a turn may have added, to be taken back. */
export interface TurnMarks {
  readonly ledger: Float64Array
  sealed: number
  gaveUp: number
  late: number
}

export function newMarks(): TurnMarks {
  return { ledger: new Float64Array(Count.LEDGER_FIELDS.length), sealed: 0, gaveUp: 0, late: 0 }
}

export function markTurn(s: JoinState, marks: TurnMarks): void {
  const { ledger } = marks
  for (let k = 0; k < ledger.length; k++) ledger[k] = s.ledger[k] // a turn each: cheaper than a native call
  marks.sealed = s.sealed.length
  marks.gaveUp = s.gaveUp.length
  marks.late = s.lateRecords.length
  s.turnRecord = -1
  s.turnBlock = 0
}

/** What a failed turn was over: an event, by where it lies. */
export interface Culprit {
  readonly source: number
  readonly offset: number
  readonly isView: boolean
  /** Its record of the batch in hand, or -1: an older event, that fell due. */
  readonly record: number
}

export function culpritOf(s: JoinState): Culprit | undefined {
  const block = s.turnBlock
  if (block !== 0) {
    const isView = B.kindOf(s.arena, block) === L.VIEW_BLOCK
    const offset = B.f64(s.arena, block, isView ? L.V_OFFSET : L.E_OFFSET)
    const source = isView ? 0 : B.u32(s.arena, block, L.E_SOURCE)
    return { source, offset, isView, record: source === s.source ? recordAt(s.batch, offset) : -1 }
  }
  const i = s.turnRecord
  if (i < 0 || s.batch === undefined) return undefined
  return { source: s.source, offset: s.batch.offset[i], isView: s.batch.kind[i] === VIEW, record: i }
}

/** The record of the batch in hand that lies at the offset: a block may fall due in the batch that brought it. */
function recordAt(batch: EventBatch | undefined, offset: number): number {
  for (let i = 0; i < (batch?.count ?? 0); i++) {
    if (batch!.offset[i] === offset && batch!.kind[i] < REFUSED) return i
  }
  return -1
}

/** The own record of the block that a failed turn was over, for the dead letters. */
export function payloadOf(s: JoinState): Buffer | null {
  const block = s.turnBlock
  if (block === 0) return null
  const isView = B.kindOf(s.arena, block) === L.VIEW_BLOCK
  const payload = B.u32(s.arena, block, isView ? L.V_PAYLOAD : L.E_PAYLOAD)
  if (payload === 0) return null
  const length = B.u32(s.arena, block, isView ? L.V_PAYLOAD_LENGTH : L.E_PAYLOAD_LENGTH)
  return Buffer.from(B.bytesOf(s.arena, payload).subarray(B.byteAt(payload), B.byteAt(payload) + length))
}

/** What of a user must outlive its rebuilding. */
export interface Remains {
  readonly key: Buffer
  readonly hash: number
  readonly batch: number
  readonly first: number
  readonly last: number
  readonly stored: number
  /** Per source: the lowest offset that the user needed. */
  readonly lowest: Float64Array
  /** Where its views lie that came late: the log alone does not say it. */
  readonly late: ReadonlySet<number>
}

/** Undoes the failed turn and frees everything of the user. */
export function undoTurn(s: JoinState, user: number, marks: TurnMarks): Remains {
  const at = B.userTextAt(user)
  const remains = {
    key: Buffer.from(B.bytesOf(s.arena, user).subarray(at, at + B.u32(s.arena, user, L.U_LENGTH))),
    hash: B.u32(s.arena, user, L.U_HASH),
    batch: B.u32(s.arena, user, L.U_BATCH),
    first: B.u32(s.arena, user, L.U_FIRST),
    last: B.u32(s.arena, user, L.U_LAST),
    stored: B.u32(s.arena, user, L.U_STORED),
    lowest: lowestBefore(s, user, marks),
    late: lateViews(s, user),
  }
  s.ledger.set(marks.ledger)
  for (let k = marks.gaveUp; k < s.gaveUp.length; k++) E.freeEngagement(s, s.gaveUp.items[k])
  s.gaveUp.length = s.gaveUpFire.length = s.gaveUpReason.length = marks.gaveUp
  for (let k = marks.sealed; k < s.sealed.length; k++) E.releaseBound(s, s.sealed.items[k])
  s.sealed.length = s.sealedFire.length = marks.sealed
  s.lateRecords.length = marks.late
  dropForgotten(s, user)
  replaceTouched(s, user, 0)
  E.freeUser(s, user)
  return remains
}

function lateViews(s: JoinState, user: number): ReadonlySet<number> {
  const late = new Set<number>()
  for (let view = B.u32(s.arena, user, L.U_VIEWS); view !== 0; view = B.u32(s.arena, view, L.NEXT)) {
    if (B.hasFlag(s.arena, view, L.F_LATE)) late.add(B.f64(s.arena, view, L.V_OFFSET))
  }
  return late
}

/** Per source, the lowest offset that the user needed before the failed turn, which may have sealed and given up. */
function lowestBefore(s: JoinState, user: number, marks: TurnMarks): Float64Array {
  const lowest = lowestOffsets(s, user)
  const see = (e: number): void => {
    const source = B.u32(s.arena, e, L.E_SOURCE)
    lowest[source] = Math.min(lowest[source], B.f64(s.arena, e, L.E_OFFSET))
  }
  for (let k = marks.gaveUp; k < s.gaveUp.length; k++) see(s.gaveUp.items[k])
  for (let k = marks.sealed; k < s.sealed.length; k++) {
    for (let e = B.u32(s.arena, s.sealed.items[k], L.V_BOUND); e !== 0; e = B.u32(s.arena, e, L.NEXT)) see(e)
  }
  return lowest
}

/** The user's block after rebuilding, with its records of the batch in hand and its due times. */
export function reviveUser(s: JoinState, remains: Remains): number {
  const { key, hash } = remains
  let user = findUser(s, hash, key, 0, key.length)
  if (user === 0) user = E.addUser(s, hash, key, 0, key.length)
  B.setU32(s.arena, user, L.U_BATCH, remains.batch)
  B.setU32(s.arena, user, L.U_FIRST, remains.first)
  B.setU32(s.arena, user, L.U_LAST, remains.last)
  B.setU32(s.arena, user, L.U_STORED, remains.stored)
  replaceTouched(s, 0, user)
  return user
}

/** Takes an event that crashed its actor twice out of the join, in the ledger too. */
export function quarantineCulprit(s: JoinState, culprit: Culprit): void {
  const { ledger } = s
  if (culprit.record >= 0) {
    ledger[culprit.isView ? Count.VIEWS : Count.ENGAGEMENTS]++
    s.batch!.kind[culprit.record] = SKIPPED
  } else ledger[culprit.isView ? Count.PENDING : Count.UNDECIDED]--
  ledger[culprit.isView ? Count.VIEWS_QUARANTINED : Count.ENGAGEMENTS_QUARANTINED]++
}

function dropForgotten(s: JoinState, user: number): void {
  const { items, length } = s.forgotten
  let kept = 0
  for (let k = 0; k < length; k++) if (B.u32(s.arena, items[k], L.V_USER) !== user) items[kept++] = items[k]
  s.forgotten.length = kept
}

function replaceTouched(s: JoinState, from: number, to: number): void {
  const { items, length } = s.touched
  for (let k = 0; k < length; k++) {
    if (items[k] !== from) continue
    items[k] = to
    return
  }
}
