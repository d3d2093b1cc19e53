/** Synthetic events, and what is known of them: the values, before any producer's format. */
import type { Label } from '../config/model.ts'

export const VIEWS = 0
export const ENGAGEMENTS = 1

export interface GeneratedEvent {
  readonly source: typeof VIEWS | typeof ENGAGEMENTS
  /** Counts distinct events; a copy has the number of its original. */
  readonly number: number
  readonly user: string
  /** The key of its record. */
  readonly key: string
  readonly timeMs: number
  /** Events come in this order. */
  readonly arrivalMs: number
  readonly fields: EventFields
  /** On the first copy of each view: the sample that it must give. */
  readonly answer?: Answer
}

export interface EventFields {
  readonly viewId: string | null
  readonly itemId: string
  /** Of engagements. */
  readonly type: string
  readonly value: number | null
}

/** The sample that a view must give. */
export interface Answer {
  readonly sampleId: string
  readonly userId: string
  readonly itemId: string
  readonly timeMs: number
  readonly labels: ReadonlyMap<string, number | null>
  readonly delaysMs: ReadonlyMap<string, number | null>
  /** A closing view: it seals the others and is sealed only by what comes after it. */
  readonly isClosing: boolean
}

export interface GeneratedType {
  readonly name: string
  /** The share of views that get engagements of this type. */
  readonly rate: number
  /** The share of them that names its view. */
  readonly namedShare: number
  /** The share of them that has a value. */
  readonly valuedShare: number
}

export interface GenerateOptions {
  readonly views: number
  readonly users: number
  readonly seed: number
  /** Event time of the first view; views are spread over the span, engagements come after them. */
  readonly startMs: number
  readonly spanMs: number
  readonly labels: readonly Label[]
  readonly types: readonly GeneratedType[]
  readonly clockSkewToleranceMs: number
  /** How far an event may arrive after its time. Within the pipeline's out-of-orderness nothing is late. */
  readonly disorderMs: number
  /** The share of events that arrive twice. */
  readonly duplicates: number
  /** The share of views that the same user has of the same item again. */
  readonly repeats: number
  /** Whether views have ids; else they are known by user, item and time. */
  readonly viewIds: boolean
  /** Whether ids are decimal numbers, for fields that are int or long. */
  readonly numericIds: boolean
  /** Times are whole multiples of this: 1000 where a source has its time in seconds. */
  readonly resolutionMs: number
}

/** One line of answer.jsonl, with the sample's names. */
export function answerJson(answer: Answer): string {
  return JSON.stringify({
    sample_id: answer.sampleId,
    user_id: answer.userId,
    item_id: answer.itemId,
    view_time: answer.timeMs,
    labels: Object.fromEntries(answer.labels),
    delays_ms: Object.fromEntries(answer.delaysMs),
    ...(answer.isClosing ? { closing: true } : {}),
  })
}
