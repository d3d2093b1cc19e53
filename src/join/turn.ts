/**
 * A user's turn: the user's records of the batch in hand and the user's due times, merged as the watermark moved.
 *
 * The watermark moves record by record over the whole partition, but a user's records need only their own user's state.
 * So the work is done user by user: before each of the user's records, what fell due up to that record's watermark is
 * settled, in the order in which the advances came; within one advance engagements are decided before views are sealed.
 *
 * Touches no user but its own.
 */
import * as B from './blocks.ts'
import {
  deadlineMs,
  decisionMs,
  dueMs,
  engagementHash,
  findHashedView,
  findRepeated,
  isKnown,
  judge,
  typeOf,
  type Verdict,
  viewHash,
} from './decide.ts'
import { type EventBatch, REFUSED, VIEW } from './event.ts'
import * as E from './evolve.ts'
import { Identity } from './identity.ts'
import * as L from './layout.ts'
import * as Count from './ledger.ts'
import { NumberList } from './list.ts'
import { GAVE_UP_LATE, GAVE_UP_ORPHAN, GAVE_UP_OUTSIDE, GAVE_UP_UNUSED, type JoinState } from './state.ts'

const BUCKET_OF_REASON: Record<number, number> = {
  [GAVE_UP_UNUSED]: Count.UNUSED,
  [GAVE_UP_OUTSIDE]: Count.OUTSIDE,
  [GAVE_UP_LATE]: Count.LATE,
  [GAVE_UP_ORPHAN]: Count.ORPHAN,
}

/** What is due in this turn, in the order of (advance, engagements first, due time); settled up to `dueAt`. */
const due = new NumberList(Uint32Array)
const dueFire = new NumberList(Int32Array)
let dueAt = 0
/** Up to so many due times are sorted by insertion. */
const FEW = 16
const verdict: Verdict = { owner: 0, reason: 0, view: 0 }
const identity = new Identity()
/** Filled anew for each event: an object of its own would be garbage an event. */
const viewInput = { timeMs: 0, offset: 0, flags: 0, writer: 0, segment: 0, idHash: 0 }
const engagementInput = { source: 0, type: 0, writer: 0, segment: 0, hash: 0 }

/** Runs before each record of a turn: where tests let a turn fail. */
export type BeforeRecord = (batch: EventBatch, i: number) => void

export function takeTurn(s: JoinState, user: number, beforeRecord?: BeforeRecord): void {
  due.clear()
  dueFire.clear()
  dueAt = 0
  B.setU32(s.arena, user, L.U_TOUCHED, s.batchNumber)
  let entry = B.u32(s.arena, user, L.U_DUE)
  B.setU32(s.arena, user, L.U_DUE, 0)
  for (; entry !== 0; entry = s.dueNext.items[entry - 1]) due.push(s.dueAddress.items[entry - 1])
  sortDue(s)
  const batch = s.batch
  if (batch !== undefined && B.u32(s.arena, user, L.U_BATCH) === s.batchNumber) {
    for (let i = B.u32(s.arena, user, L.U_FIRST); i !== 0; i = s.nextOfUser.items[i - 1]) {
      if (batch.kind[i - 1] < REFUSED) takeRecord(s, user, batch, i - 1, beforeRecord)
    }
  }
  settle(s, s.watermarkCount - 1)
  s.turnRecord = -1
}

function takeRecord(s: JoinState, user: number, batch: EventBatch, i: number, before: BeforeRecord | undefined): void {
  settle(s, i)
  s.turnRecord = i
  before?.(batch, i)
  if (batch.kind[i] === VIEW) takeView(s, user, batch, i)
  else takeEngagement(s, user, batch, i)
}

/** The order of what was due already. Most turns have one; a hot user at the end of its input has them all. */
function sortDue(s: JoinState): void {
  for (let k = 0; k < due.length; k++) dueFire.push(s.fireOf(dueMs(s, due.items[k])))
  if (due.length < 2) return
  if (due.length > FEW) sortMany(s)
  else for (let k = 1; k < due.length; k++) moveDown(s, due.items[k], dueFire.items[k], k, 0)
}

/** Insertion, of a few the cheapest: from place `from` down to `least`, an entry goes before those that come after it. */
function moveDown(s: JoinState, address: number, fire: number, from: number, least: number): void {
  const addresses = due.items
  const fires = dueFire.items
  let at = from
  for (; at > least && isAfter(s, addresses[at - 1], fires[at - 1], address, fire); at--) {
    addresses[at] = addresses[at - 1]
    fires[at] = fires[at - 1]
  }
  addresses[at] = address
  fires[at] = fire
}

function sortMany(s: JoinState): void {
  const addresses = due.items.subarray(0, due.length)
  addresses.sort(
    (a, b) =>
      s.fireOf(dueMs(s, a)) - s.fireOf(dueMs(s, b)) ||
      B.kindOf(s.arena, b) - B.kindOf(s.arena, a) ||
      dueMs(s, a) - dueMs(s, b),
  )
  for (let k = 0; k < addresses.length; k++) dueFire.items[k] = s.fireOf(dueMs(s, addresses[k]))
}

/** Puts a block that falls due within the batch in its place. */
function queue(s: JoinState, address: number, notBefore: number): void {
  const fire = Math.max(s.fireOf(dueMs(s, address)), notBefore)
  due.push(address)
  dueFire.push(fire)
  moveDown(s, address, fire, due.length - 1, dueAt)
}

function isAfter(s: JoinState, a: number, aFire: number, b: number, bFire: number): boolean {
  if (aFire !== bFire) return aFire > bFire
  const aKind = B.kindOf(s.arena, a)
  const bKind = B.kindOf(s.arena, b)
  if (aKind !== bKind) return aKind < bKind // engagements (3) before views (2)
  const byDue = dueMs(s, a) - dueMs(s, b)
  return byDue > 0
}

/** Decides and seals what the advances up to and with `upTo` made due. */
function settle(s: JoinState, upTo: number): void {
  for (; dueAt < due.length && dueFire.items[dueAt] <= upTo; dueAt++) {
    const address = due.items[dueAt]
    const fire = dueFire.items[dueAt]
    s.turnBlock = address
    if (B.kindOf(s.arena, address) === L.ENGAGEMENT_BLOCK) decideNow(s, address, fire, watermarkBefore(s, fire))
    else sealNow(s, address, fire, fire * 2)
  }
  s.turnBlock = 0
}

/** In one advance engagements are decided before anything is forgotten: what was known before it is known. */
function watermarkBefore(s: JoinState, fire: number): number {
  return fire === 0 ? s.watermarkBeforeMs : s.watermarkAt[fire - 1]
}

function decideNow(s: JoinState, e: number, fire: number, knownAtMs: number): void {
  judge(s, e, knownAtMs, verdict)
  s.observer?.decided(e, verdict, fire)
  if (verdict.owner !== 0) {
    E.bind(s, e, verdict.owner)
    return
  }
  s.ledger[BUCKET_OF_REASON[verdict.reason]]++
  E.giveUp(s, e, verdict.reason, fire)
}

function sealNow(s: JoinState, view: number, fire: number, order: number): void {
  E.sealView(s, view, fire, order)
  s.observer?.sealed(view, fire, s.sealed.length - 1)
}

function takeView(s: JoinState, user: number, batch: EventBatch, i: number): void {
  const watermarkMs = s.watermarkAt[i]
  s.ledger[Count.VIEWS]++
  identity.identify(batch, i)
  const { bytes, at, length } = identity
  const idHash = viewHash(user, bytes, at, length)
  const known = findHashedView(s, user, idHash, bytes, at, length)
  if (known !== 0 && !isKnown(s, known, watermarkMs)) E.hideView(s, known)
  else if (known !== 0) {
    s.ledger[Count.VIEW_DUPLICATES]++
    const conflict = !B.samePayload(s.arena, known, batch.payload, batch.payloadAt[i], batch.payloadLength[i])
    if (conflict) s.ledger[Count.CONFLICTS]++
    s.observer?.viewRepeated(batch, i, known, conflict)
    return
  }
  const timeMs = batch.timeMs[i]
  const late = watermarkMs > timeMs + s.rules.allowedLatenessMs
  viewInput.timeMs = timeMs
  viewInput.offset = batch.offset[i]
  viewInput.flags = late ? L.F_LATE : 0
  viewInput.writer = batch.writer[i]
  viewInput.segment = s.segment
  viewInput.idHash = idHash
  const view = E.addView(s, user, viewInput, bytes, at, length, batch.text, batch.itemAt[i], batch.itemLength[i])
  E.setPayload(s, view, L.V_PAYLOAD, batch.payload, batch.payloadAt[i], batch.payloadLength[i])
  B.setU32(s.arena, user, L.U_PENDING, B.u32(s.arena, user, L.U_PENDING) + 1)
  s.ledger[Count.PENDING]++
  if (late) {
    s.ledger[Count.LATE_VIEWS]++
    s.lateRecords.push(i)
  }
  s.observer?.viewTaken(batch, i, view)
  const deadline = deadlineMs(s, view)
  if (deadline < watermarkMs) sealNow(s, view, i, i * 2 + 1)
  else if (deadline < s.lastWatermarkMs) queue(s, view, i)
  else s.timers.set(deadline, view)
}

function takeEngagement(s: JoinState, user: number, batch: EventBatch, i: number): void {
  s.ledger[Count.ENGAGEMENTS]++
  const hash = engagementHash(user, batch, i)
  const known = findRepeated(s, user, batch, i, hash)
  if (known !== 0) {
    s.ledger[Count.ENGAGEMENT_DUPLICATES]++
    s.observer?.engagementRepeated(batch, i, known)
    return
  }
  engagementInput.source = s.source
  engagementInput.type = typeOf(s, batch, i)
  engagementInput.writer = batch.writer[i]
  engagementInput.segment = s.segment
  engagementInput.hash = hash
  const e = E.addEngagement(s, user, batch, i, engagementInput)
  E.setPayload(s, e, L.E_PAYLOAD, batch.payload, batch.payloadAt[i], batch.payloadLength[i])
  s.ledger[Count.UNDECIDED]++
  s.observer?.engagementTaken(batch, i, e)
  const decidedMs = decisionMs(s, batch.timeMs[i])
  if (decidedMs < s.watermarkAt[i]) decideNow(s, e, i, s.watermarkAt[i])
  else if (decidedMs < s.lastWatermarkMs) queue(s, e, i)
  else s.timers.set(decidedMs, e)
}
