/**
 * One user's state, as JSON: what `GET /users/<id>`, `postview inspect user --json` and the page share. One consistent
 * moment: read by the user's actor between two of its turns.
 *
 * Invariants: what is not known is null; times are event times in ms unless a name says otherwise; lists are bounded, and
 * the counts beside them are of all. A user that was stored is told as it was when it was live, in the same order.
 */
import type { Place } from '../codec/port.ts'

export interface UserAnswer {
  readonly user: string
  readonly partition: number
  readonly node: string
  /**
   * `live`: has an actor; `passivated`: in memory without one; `stored`: in the journal alone; `unknown`: nothing is
   * pending, waiting or remembered of this user. A user who is not live is read without an actor, and stays so.
   */
  readonly state: 'live' | 'passivated' | 'stored' | 'unknown'
  /** False while the partition is replaying: then this is not all. */
  readonly partitionLive: boolean
  readonly watermarkMs: number | null
  /** The machine's clock when it was read. */
  readonly readAtMs: number
  readonly bytes: number
  readonly pendingCount: number
  readonly pendingViews: readonly PendingView[]
  /** Sealed views that are remembered, so that copies and late engagements are told. */
  readonly rememberedCount: number
  readonly waitingCount: number
  /** Engagements that are not decided yet. */
  readonly waiting: readonly WaitingEngagement[]
  readonly timersCount: number
  /** Soonest first. */
  readonly timers: readonly UserTimer[]
  readonly lastRestart: Restart | null
}

export interface PendingView extends Place {
  readonly sampleId: string
  readonly itemId: string
  readonly timeMs: number
  readonly lateView: boolean
  readonly deadlineMs: number
  /** Until then, in event time; negative where it is due. Null while there is no watermark. */
  readonly inMs: number | null
  /** Labels and delays as they would be if it were sealed now. */
  readonly labels: Readonly<Record<string, number | null>>
  readonly delaysMs: Readonly<Record<string, number | null>>
  readonly boundCount: number
  readonly bound: readonly HeldEngagement[]
}

export interface HeldEngagement extends Place {
  readonly type: string
  readonly timeMs: number
  readonly value: number | null
  readonly itemId: string
  readonly viewId: string | null
  readonly engagementId: string | null
}

export interface WaitingEngagement extends HeldEngagement {
  /** Decided once the watermark is beyond it. */
  readonly decidedAfterMs: number
  readonly inMs: number | null
  /** The pending view that it would be bound to if it were decided now, by its sample id. */
  readonly wouldJoin: string | null
}

export interface UserTimer {
  readonly dueMs: number
  readonly inMs: number | null
  readonly does: 'seal' | 'decide' | 'forget'
  /** The view's sample id, or the engagement's place as `topic/offset`. */
  readonly what: string
}

/** A restart of a user's actor. */
export interface Restart {
  readonly user: string
  readonly atMs: number
  readonly error: string
  /** The event that it was over; null where that could not be told. */
  readonly culprit: Place | null
  /** It crashed its actor a second time and went to the dead letters. */
  readonly quarantined: boolean
}
