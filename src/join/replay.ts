/**
 * Rebuilding state: records below the committed offsets, taken in again in any order, and the committed watermark
 * (SEMANTICS.md section 6). Nothing is emitted and nothing is counted.
 *
 * `replay` holds everything as pending or undecided; `finishReplay` then applies what the committed watermark says:
 * views that it sealed are remembered, engagements that it decided are bound again where their owner is pending, else
 * dropped. Both are functions of sets, so a record may come twice (journal and log) and in any order.
 */

import { hasTooLongId, isEmptyUser } from './batch.ts'
import * as B from './blocks.ts'
import { dueMs, engagementHash, findRepeated, findUser, findView, judge, typeOf, type Verdict } from './decide.ts'
import { type EventBatch, REFUSED, VIEW } from './event.ts'
import * as E from './evolve.ts'
import { murmur2, partitionOf } from './hash.ts'
import { Identity } from './identity.ts'
import * as L from './layout.ts'
import type { JoinState } from './state.ts'

const identity = new Identity()

export interface ReplayOptions {
  readonly source: number
  /** Records at or above this offset are not replayed but read again live. */
  readonly below: number
  /** Which partition of how many this is: a record that belongs in another was refused, and is again. */
  readonly keying: { readonly partition: number; readonly partitions: number }
  readonly isQuarantined?: (source: number, offset: number) => boolean
  /** Whether record i was a late view when it came, where that is known. */
  readonly isLate?: (i: number) => boolean
  /** The watermark that `finishReplay` will be given: what it decides is never shown, and needs no bytes of its own. */
  readonly decidedMs?: number
  /** Replay for one user alone (an actor's restart). */
  readonly only?: { readonly hash: number; readonly bytes: Uint8Array; readonly at: number; readonly length: number }
}

export function replay(s: JoinState, batch: EventBatch, options: ReplayOptions): number {
  let taken = 0
  s.source = options.source
  for (let i = 0; i < batch.count; i++) {
    if (batch.kind[i] >= REFUSED || batch.offset[i] >= options.below) continue
    if (isBeyondClock(s, batch, i, options.source) || options.isQuarantined?.(options.source, batch.offset[i])) continue
    const hash = murmur2(batch.text, batch.userAt[i], batch.userLength[i])
    if (wasRefused(batch, i, hash, options.keying)) continue
    if (options.only !== undefined && !isOnly(options.only, hash, batch, i)) continue
    let user = findUser(s, hash, batch.text, batch.userAt[i], batch.userLength[i])
    if (user === 0) user = E.addUser(s, hash, batch.text, batch.userAt[i], batch.userLength[i])
    if (batch.kind[i] === VIEW) replayView(s, user, batch, i, options.isLate?.(i) === true)
    else replayEngagement(s, user, batch, i, options.decidedMs)
    taken++
  }
  return taken
}

/**
 * What lies below the commit and is later than the source's committed highest time moved no clock then: it was
 * quarantined, whether or not the dead letters still tell.
 */
export function isBeyondClock(s: JoinState, batch: EventBatch, i: number, source: number): boolean {
  const clockMs = s.rules.basis === 'arrival' ? batch.stampMs[i] : batch.timeMs[i]
  return clockMs > s.clocks.highestMs[source]
}

/** What `admit` refused when it was live. */
function wasRefused(batch: EventBatch, i: number, hash: number, keying: ReplayOptions['keying']): boolean {
  if (hasTooLongId(batch, i)) return true
  return keying !== undefined && partitionOf(hash, keying.partitions) !== keying.partition
}

function isOnly(only: NonNullable<ReplayOptions['only']>, hash: number, batch: EventBatch, i: number): boolean {
  return (
    hash === only.hash &&
    Buffer.compare(
      only.bytes.subarray(only.at, only.at + only.length),
      batch.text.subarray(batch.userAt[i], batch.userAt[i] + batch.userLength[i]),
    ) === 0
  )
}

function replayView(s: JoinState, user: number, batch: EventBatch, i: number, late: boolean): void {
  identity.identify(batch, i)
  const { bytes, at, length } = identity
  if (findView(s, user, bytes, at, length) !== 0) return
  const input = {
    timeMs: batch.timeMs[i],
    offset: batch.offset[i],
    flags: late ? L.F_LATE : 0,
    writer: batch.writer[i],
    segment: s.segment,
  }
  const view = E.addView(s, user, input, bytes, at, length, batch.text, batch.itemAt[i], batch.itemLength[i])
  E.setPayload(s, view, L.V_PAYLOAD, batch.payload, batch.payloadAt[i], batch.payloadLength[i])
  B.setU32(s.arena, user, L.U_PENDING, B.u32(s.arena, user, L.U_PENDING) + 1)
  s.timers.set(dueMs(s, view), view)
}

function replayEngagement(
  s: JoinState,
  user: number,
  batch: EventBatch,
  i: number,
  decidedMs = Number.NEGATIVE_INFINITY,
): void {
  const hash = engagementHash(user, batch, i)
  if (findRepeated(s, user, batch, i, hash) !== 0) return
  const input = { source: s.source, type: typeOf(s, batch, i), writer: batch.writer[i], segment: s.segment, hash }
  const e = E.addEngagement(s, user, batch, i, input)
  const due = dueMs(s, e)
  if (due >= decidedMs) E.setPayload(s, e, L.E_PAYLOAD, batch.payload, batch.payloadAt[i], batch.payloadLength[i])
  s.timers.set(due, e)
}

/**
 * Applies the committed watermark to what was replayed, of the users in memory: it may be done for some after the
 * others. Users of whom nothing is left are handed to `emptied`.
 */
export function finishReplay(s: JoinState, watermarkMs: number, emptied: (user: number) => void = () => {}): void {
  const users = new Set<number>()
  const decided: number[] = []
  const sealed: number[] = []
  const forgotten: number[] = []
  s.timers.take(
    watermarkMs,
    (address) => dueMs(s, address),
    (address) => {
      if (B.hasFlag(s.arena, address, L.F_QUEUED)) return
      B.setFlag(s.arena, address, L.F_QUEUED)
      users.add(B.u32(s.arena, address, L.V_USER))
      if (B.kindOf(s.arena, address) !== L.VIEW_BLOCK) decided.push(address)
      else if (B.hasFlag(s.arena, address, L.F_SEALED)) forgotten.push(address)
      else sealed.push(address)
    },
  )
  for (const view of sealed) sealAgain(s, view, watermarkMs)
  for (const e of decided) decideAgain(s, e, watermarkMs)
  for (const view of forgotten) E.freeView(s, view)
  for (const view of sealed) {
    B.clearFlag(s.arena, view, L.F_QUEUED)
    s.timers.set(dueMs(s, view), view)
  }
  for (const user of users) if (isEmptyUser(s, user)) emptied(user)
}

/** Sealed by the committed watermark: not pending again but remembered, counted anew from there. */
function sealAgain(s: JoinState, view: number, watermarkMs: number): void {
  const isSpilled = B.hasFlag(s.arena, view, L.F_SPILLED)
  const spilledHash = B.u32(s.arena, view, L.V_SPILLED_HASH)
  E.settleSealed(s, view)
  if (isSpilled) {
    // No sample needs its bytes any more: what is remembered of them is at hand.
    B.setU32(s.arena, view, L.V_BOUND, spilledHash)
    B.clearFlag(s.arena, view, L.F_SPILLED)
  }
  B.setF64(s.arena, view, L.V_SEALED_AT, watermarkMs)
  B.setFlag(s.arena, view, L.F_SEALED)
  const user = B.u32(s.arena, view, L.V_USER)
  B.setU32(s.arena, user, L.U_PENDING, B.u32(s.arena, user, L.U_PENDING) - 1)
}

const verdict: Verdict = { owner: 0, reason: 0, view: 0 }

function decideAgain(s: JoinState, e: number, watermarkMs: number): void {
  judge(s, e, watermarkMs, verdict)
  if (verdict.owner !== 0) E.rebind(s, e, verdict.owner)
  else E.dropUndecided(s, e)
}
