/**
 * The explanation of a sample, as JSON: what `GET /explain/<sampleId>`, `postview explain --json` and the page share.
 *
 * Invariants: what is not known is null, never left out; times are event times in ms since 1970 unless a name says
 * otherwise; offsets are the log's own. `engagements` stand in the order in which they lie in time, then in the log.
 */
import type { Place } from '../codec/port.ts'

export interface Explanation {
  readonly sampleId: string
  readonly status: ExplainedStatus
  /** The answer in a sentence or two. */
  readonly summary: string
  /** Null where no view of this id was found; then nothing else is known but `search`. */
  readonly view: ExplainedView | null
  readonly labels: readonly ExplainedLabel[]
  readonly engagements: readonly ExplainedEngagement[]
  /** Engagements left out of `engagements` since there were too many. */
  readonly engagementsLeftOut: number
  readonly seal: ExplainedSeal | null
  readonly emission: ExplainedEmission | null
  readonly search: ExplainedSearch
  /** What a reader must know to trust this: each a sentence. */
  readonly notes: readonly string[]
}

/** `pending`: not sealed by the watermark that is known; `notFound`: no view of this id where it was looked for. */
export type ExplainedStatus = 'sealed' | 'pending' | 'quarantined' | 'notFound'

export interface ExplainedView extends Place {
  /** Where it was produced, if it was rewritten into a consolidated topic; else null. */
  readonly source: Place | null
  readonly userId: string
  readonly itemId: string
  readonly timeMs: number
  /** The log record's own timestamp. */
  readonly stampMs: number
  readonly lateView: boolean
  /** Sealed once the watermark is beyond it. */
  readonly deadlineMs: number
  /** Copies of the view that came later, and were passed over. */
  readonly copies: readonly (Place & { readonly conflict: boolean })[]
  /** The producer's own record, as far as it can be shown as JSON. */
  readonly record: unknown
}

export interface ExplainedLabel {
  readonly name: string
  readonly on: string
  readonly fold: string
  readonly withinMs: number
  /** The window as times: engagements count from `fromMs` to `toMs`, both included. */
  readonly fromMs: number
  readonly toMs: number
  readonly value: number | null
  readonly delayMs: number | null
  /** Indices into `engagements` of those that counted. */
  readonly counted: readonly number[]
}

/** What became of an engagement, seen from this view. */
export type EngagementOutcome =
  | 'counted' // bound to this view, and counts for at least one label
  | 'waiting' // not decided yet
  | 'duplicate' // of one that came before
  | 'otherView' // it belongs to another view, by its view id or as the item's latest
  | 'outside' // belongs to this view and counts for no label: too late, too early, no value
  | 'unused' // no label has its type
  | 'late' // would have counted, and came when the view was sealed
  | 'orphan' // no view was known that it could belong to
  | 'elsewhere' // not this view's; whose it is lies before what was read
  | 'quarantined' // an event that was taken out (ahead of the clock, or crashed its actor twice)

export interface ExplainedEngagement extends Place {
  /** As of the view. */
  readonly source: Place | null
  readonly timeMs: number
  readonly stampMs: number
  readonly type: string
  readonly value: number | null
  readonly viewId: string | null
  readonly itemId: string
  readonly engagementId: string | null
  /** Its time less the view's: negative where it was before the view. */
  readonly delayMs: number
  readonly outcome: EngagementOutcome
  /** The ledger's bucket; null while it is undecided. */
  readonly bucket: LedgerBucket | null
  /** In a sentence, with times. */
  readonly reason: string
  /** One entry for each label that is on its type. Empty where it was never weighed against a view. */
  readonly labels: readonly EngagementLabel[]
  readonly duplicateOf: Place | null
  /** The view that it belongs to; null for none. */
  readonly owner: (Place & { readonly sampleId: string; readonly timeMs: number }) | null
  /** The watermark at which it was decided; null while it is not, and where that is not known. */
  readonly decidedAtMs: number | null
}

export type LedgerBucket = 'bound' | 'unused' | 'outside' | 'late' | 'orphan' | 'duplicate' | 'quarantined'

export interface EngagementLabel {
  readonly name: string
  readonly verdict: 'counts' | 'tooEarly' | 'tooLate' | 'noValue'
  /** By how much it was too early or too late; else null. */
  readonly byMs: number | null
}

/** What sealed the view. */
export interface ExplainedSeal {
  /** The watermark that passed the deadline. */
  readonly watermarkMs: number
  /**
   * `record`: a record moved the clock; `clock`: a record of a consolidated topic told it; `commit`: a silent source's
   * clock, known from the committed watermark.
   */
  readonly by: 'record' | 'clock' | 'commit'
  /** The record, whose source was the last that held the watermark back; of one that told a clock, `timeMs` is that. */
  readonly record: (Place & { readonly timeMs: number; readonly stampMs: number }) | null
}

/** The sample as it was emitted. */
export interface ExplainedEmission extends Place {
  /** When it was produced, by the producing machine's clock. */
  readonly producedAtMs: number
  /** The node that produced it; null where that is not written down. */
  readonly node: string | null
  readonly labels: Readonly<Record<string, number | null>>
  readonly delaysMs: Readonly<Record<string, number | null>>
  readonly lateView: boolean
  /** Whether it says what the explanation says. */
  readonly agrees: boolean
  /** The sample's record, as JSON. */
  readonly sample: unknown
}

export interface ExplainedSearch {
  /** `actor`: the pending view's actor told it; `log`: read again from the log. */
  readonly from: 'actor' | 'log'
  /** How the view was found. */
  readonly by: 'id' | 'userAndTime' | 'actor' | 'scan'
  readonly partition: number | null
  /** Records that were read for it, all topics together. */
  readonly recordsRead: number
  readonly tookMs: number
  /** The search ended at its bound: older views were not looked through. */
  readonly isCut?: true
}
