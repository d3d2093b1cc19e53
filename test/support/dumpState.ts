/**
 * A partition's join state as plain values in a canonical order: what a live run and a replay must agree on. Says
 * nothing of addresses, timers or the order of arrival.
 */
import * as B from '../../src/join/blocks.ts'
import * as L from '../../src/join/layout.ts'
import type { JoinState } from '../../src/join/state.ts'

export interface Dump {
  readonly watermarkMs: number
  readonly highestMs: readonly number[]
  /** One line a view, with its bound engagements; an undecided engagement; the identity of a remembered view. */
  readonly pending: readonly string[]
  readonly undecided: readonly string[]
  readonly remembered: readonly string[]
}

export function dumpState(s: JoinState): Dump {
  const pending: string[] = []
  const undecided: string[] = []
  const remembered: string[] = []
  s.users.forEach((user) => {
    const name = B.userText(s.arena, user)
    for (let view = B.u32(s.arena, user, L.U_VIEWS); view !== 0; view = B.u32(s.arena, view, L.NEXT)) {
      if (B.hasFlag(s.arena, view, L.F_SEALED)) remembered.push(JSON.stringify([name, viewTexts(s, view)[0]]))
      else pending.push(JSON.stringify([name, ...viewLine(s, view)]))
    }
    for (let e = B.u32(s.arena, user, L.U_UNDECIDED); e !== 0; e = B.u32(s.arena, e, L.NEXT)) {
      undecided.push(JSON.stringify([name, engagementLine(s, e), payloadOf(s, e, L.E_PAYLOAD)]))
    }
  })
  return {
    watermarkMs: s.clocks.watermarkMs,
    highestMs: [...s.clocks.highestMs],
    pending: pending.sort(),
    undecided: undecided.sort(),
    remembered: remembered.sort(),
  }
}

function viewLine(s: JoinState, view: number): unknown[] {
  const bound: string[] = []
  for (let e = B.u32(s.arena, view, L.V_BOUND); e !== 0; e = B.u32(s.arena, e, L.NEXT)) bound.push(engagementLine(s, e))
  return [
    ...viewTexts(s, view),
    B.f64(s.arena, view, L.V_TIME),
    B.f64(s.arena, view, L.V_OFFSET),
    B.hasFlag(s.arena, view, L.F_LATE),
    B.u32(s.arena, view, L.V_WRITER),
    payloadOf(s, view, L.V_PAYLOAD),
    bound.sort(),
  ]
}

function viewTexts(s: JoinState, view: number): [string, string] {
  const at = B.viewIdAt(view)
  const itemAt = B.viewItemAt(s.arena, view)
  const bytes = B.bytesOf(s.arena, view)
  return [
    bytes.toString('utf8', at, at + B.viewIdLength(s.arena, view)),
    bytes.toString('utf8', itemAt, itemAt + B.viewItemLength(s.arena, view)),
  ]
}

function engagementLine(s: JoinState, e: number): string {
  return JSON.stringify([
    B.hasFlag(s.arena, e, L.F_HAS_VIEW_ID) ? B.engagementText(s.arena, e, 0) : null,
    B.engagementText(s.arena, e, 1),
    B.hasFlag(s.arena, e, L.F_HAS_ENGAGEMENT_ID) ? B.engagementText(s.arena, e, 2) : null,
    B.engagementText(s.arena, e, 3),
    B.u32(s.arena, e, L.E_TYPE),
    B.f64(s.arena, e, L.E_TIME),
    String(B.f64(s.arena, e, L.E_VALUE)),
    B.u32(s.arena, e, L.E_SOURCE),
    B.f64(s.arena, e, L.E_OFFSET),
  ])
}

function payloadOf(s: JoinState, owner: number, addressWord: number): string {
  const payload = B.u32(s.arena, owner, addressWord)
  const at = B.byteAt(payload)
  return payload === 0
    ? ''
    : B.bytesOf(s.arena, payload).toString('latin1', at, at + B.u32(s.arena, owner, addressWord + 1))
}
