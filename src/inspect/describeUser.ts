/**
 * A user's state as JSON (userAnswer.ts): reads blocks and changes nothing. Owners, due times, labels are what the join's
 * own functions say of them.
 */
import * as B from '../join/blocks.ts'
import { deadlineMs, dueMs, judge, type Verdict } from '../join/decide.ts'
import { foldLabels } from '../join/fold.ts'
import * as L from '../join/layout.ts'
import type { JoinState } from '../join/state.ts'
import type { HeldEngagement, PendingView, UserAnswer, UserTimer, WaitingEngagement } from './userAnswer.ts'

/** Of each list. */
const MOST_SHOWN = 200

export interface Around {
  readonly topics: readonly string[]
  readonly partition: number
  readonly watermarkMs: number
}

export type UserDescription = Pick<
  UserAnswer,
  'bytes' | 'pendingCount' | 'pendingViews' | 'rememberedCount' | 'waitingCount' | 'waiting' | 'timersCount' | 'timers'
>

export function describeUser(s: JoinState, user: number, around: Around): UserDescription {
  const offsetOf = (view: number): number => B.f64(s.arena, view, L.V_OFFSET)
  const views = chainOf(s, B.u32(s.arena, user, L.U_VIEWS)).filter((view) => !B.hasFlag(s.arena, view, L.F_HIDDEN))
  const pending = views.filter((view) => !B.hasFlag(s.arena, view, L.F_SEALED))
  const undecided = inTime(s, chainOf(s, B.u32(s.arena, user, L.U_UNDECIDED)))
  const timers = [...views, ...undecided].map((block) => timerOf(s, block, around))
  timers.sort((a, b) => a.dueMs - b.dueMs || (a.what < b.what ? -1 : 1))
  pending.sort((a, b) => B.f64(s.arena, a, L.V_TIME) - B.f64(s.arena, b, L.V_TIME) || offsetOf(a) - offsetOf(b))
  return {
    bytes: B.u32(s.arena, user, L.U_BYTES),
    pendingCount: pending.length,
    pendingViews: pending.slice(0, MOST_SHOWN).map((view) => describeView(s, view, around)),
    rememberedCount: views.length - pending.length,
    waitingCount: undecided.length,
    waiting: undecided.slice(0, MOST_SHOWN).map((e) => describeWaiting(s, e, around)),
    timersCount: timers.length,
    timers: timers.slice(0, MOST_SHOWN),
  }
}

/** Blocks chained through their first word. */
function chainOf(s: JoinState, first: number): number[] {
  const blocks: number[] = []
  for (let block = first; block !== 0; block = B.u32(s.arena, block, L.NEXT)) blocks.push(block)
  return blocks
}

/** Engagements; a chain's own order is another once the user was stored. */
function inTime(s: JoinState, engagements: number[]): number[] {
  const timeOf = (e: number): number => B.f64(s.arena, e, L.E_TIME)
  const sourceOf = (e: number): number => B.u32(s.arena, e, L.E_SOURCE)
  const offsetOf = (e: number): number => B.f64(s.arena, e, L.E_OFFSET)
  return engagements.sort((a, b) => timeOf(a) - timeOf(b) || sourceOf(a) - sourceOf(b) || offsetOf(a) - offsetOf(b))
}

function describeView(s: JoinState, view: number, around: Around): PendingView {
  // The row behind those of the batch in hand is nobody's.
  const row = s.sealed.length
  foldLabels(s, view, row)
  const bound = inTime(s, chainOf(s, B.u32(s.arena, view, L.V_BOUND)))
  const deadline = deadlineMs(s, view)
  const itemAt = B.viewItemAt(s.arena, view)
  return {
    topic: around.topics[0],
    partition: around.partition,
    offset: B.f64(s.arena, view, L.V_OFFSET),
    sampleId: sampleIdOf(s, view),
    itemId: B.bytesOf(s.arena, view).toString('utf8', itemAt, itemAt + B.viewItemLength(s.arena, view)),
    timeMs: B.f64(s.arena, view, L.V_TIME),
    lateView: B.hasFlag(s.arena, view, L.F_LATE),
    deadlineMs: deadline,
    inMs: until(deadline, around),
    labels: rowOf(s, s.labels, row),
    delaysMs: rowOf(s, s.delays, row),
    boundCount: bound.length,
    bound: bound.slice(0, MOST_SHOWN).map((e) => describeEngagement(s, e, around)),
  }
}

function rowOf(s: JoinState, values: Float64Array, row: number): Record<string, number | null> {
  const n = s.rules.labels.length
  return Object.fromEntries(
    s.rules.labels.map(({ name }, k) => {
      const value = values[row * n + k]
      return [name, Number.isNaN(value) ? null : value]
    }),
  )
}

export function sampleIdOf(s: JoinState, view: number): string {
  const at = B.viewIdAt(view)
  return B.bytesOf(s.arena, view).toString('utf8', at, at + B.viewIdLength(s.arena, view))
}

function describeEngagement(s: JoinState, e: number, { topics, partition }: Around): HeldEngagement {
  const value = B.f64(s.arena, e, L.E_VALUE)
  return {
    topic: topics[B.u32(s.arena, e, L.E_SOURCE)],
    partition,
    offset: B.f64(s.arena, e, L.E_OFFSET),
    type: B.engagementText(s.arena, e, 3),
    timeMs: B.f64(s.arena, e, L.E_TIME),
    value: Number.isNaN(value) ? null : value,
    itemId: B.engagementText(s.arena, e, 1),
    viewId: B.hasFlag(s.arena, e, L.F_HAS_VIEW_ID) ? B.engagementText(s.arena, e, 0) : null,
    engagementId: B.hasFlag(s.arena, e, L.F_HAS_ENGAGEMENT_ID) ? B.engagementText(s.arena, e, 2) : null,
  }
}

const verdict: Verdict = { owner: 0, reason: 0, view: 0 }

function describeWaiting(s: JoinState, e: number, around: Around): WaitingEngagement {
  judge(s, e, around.watermarkMs, verdict)
  const decidedAfterMs = dueMs(s, e)
  return {
    ...describeEngagement(s, e, around),
    decidedAfterMs,
    inMs: until(decidedAfterMs, around),
    wouldJoin: verdict.owner === 0 ? null : sampleIdOf(s, verdict.owner),
  }
}

function timerOf(s: JoinState, block: number, around: Around): UserTimer {
  const due = dueMs(s, block)
  if (B.kindOf(s.arena, block) !== L.VIEW_BLOCK) {
    const topic = around.topics[B.u32(s.arena, block, L.E_SOURCE)]
    const what = `${topic}/${B.f64(s.arena, block, L.E_OFFSET)}`
    return { dueMs: due, inMs: until(due, around), does: 'decide', what }
  }
  const does = B.hasFlag(s.arena, block, L.F_SEALED) ? 'forget' : 'seal'
  return { dueMs: due, inMs: until(due, around), does, what: sampleIdOf(s, block) }
}

function until(ms: number, { watermarkMs }: Around): number | null {
  return Number.isFinite(watermarkMs) ? Math.round(ms - watermarkMs) : null
}
