/**
 * A user's state as JSON (userAnswer.ts): reads blocks and changes nothing. Owners, due times, labels are what the join's
 * own functions say of them.
 */
import * as B from '../join/blocks.ts'
import { deadlineMs, dueMs, judge, type Verdict } from '../join/decide.ts'
import { foldLabels } from '../join/fold.ts'
import * as L from '../join/layout.ts'
import { NumberList } from '../join/list.ts'
import type { JoinState } from '../join/state.ts'
import { Soonest } from './soonest.ts'
import type { HeldEngagement, PendingView, UserAnswer, UserTimer, WaitingEngagement } from './userAnswer.ts'

/** Of each list: of a user of millions of views no more than these become objects and texts. */
const MOST_SHOWN = 200
/** The source of views. */
const VIEWS = 0

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
  const pending = new Soonest(MOST_SHOWN)
  const timers = new Soonest(MOST_SHOWN)
  let remembered = 0
  const views = chainOf(s, B.u32(s.arena, user, L.U_VIEWS))
  // A chain begins with what came last: from its end on, most of it is later than what is kept already.
  for (let k = views.length - 1; k >= 0; k--) {
    const view = views.items[k]
    if (B.hasFlag(s.arena, view, L.F_HIDDEN)) continue
    const offset = B.f64(s.arena, view, L.V_OFFSET)
    timers.offer(view, dueMs(s, view), VIEWS, offset)
    if (B.hasFlag(s.arena, view, L.F_SEALED)) remembered++
    else pending.offer(view, B.f64(s.arena, view, L.V_TIME), VIEWS, offset)
  }
  const waiting = firstInTime(s, B.u32(s.arena, user, L.U_UNDECIDED), timers)
  return {
    bytes: B.u32(s.arena, user, L.U_BYTES),
    pendingCount: pending.offered,
    pendingViews: pending.inOrder().map((view) => describeView(s, view, around)),
    rememberedCount: remembered,
    waitingCount: waiting.offered,
    waiting: waiting.inOrder().map((e) => describeWaiting(s, e, around)),
    timersCount: timers.offered,
    timers: timers.inOrder().map((block) => timerOf(s, block, around)),
  }
}

/** Blocks chained through their first word. */
function chainOf(s: JoinState, first: number): NumberList<Uint32Array> {
  const blocks = new NumberList(Uint32Array)
  for (let block = first; block !== 0; block = B.u32(s.arena, block, L.NEXT)) blocks.push(block)
  return blocks
}

/** Of engagements; a chain's own order is another once the user was stored. `timers`: of those that have one. */
function firstInTime(s: JoinState, first: number, timers?: Soonest): Soonest {
  const soonest = new Soonest(MOST_SHOWN)
  const engagements = chainOf(s, first)
  for (let k = engagements.length - 1; k >= 0; k--) {
    const e = engagements.items[k]
    const source = B.u32(s.arena, e, L.E_SOURCE)
    const offset = B.f64(s.arena, e, L.E_OFFSET)
    soonest.offer(e, B.f64(s.arena, e, L.E_TIME), source, offset)
    timers?.offer(e, dueMs(s, e), source, offset)
  }
  return soonest
}

function describeView(s: JoinState, view: number, around: Around): PendingView {
  // The row behind those of the batch in hand is nobody's.
  const row = s.sealed.length
  foldLabels(s, view, row)
  const bound = firstInTime(s, B.u32(s.arena, view, L.V_BOUND))
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
    boundCount: bound.offered,
    bound: bound.inOrder().map((e) => describeEngagement(s, e, around)),
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
