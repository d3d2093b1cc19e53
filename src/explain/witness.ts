/**
 * What became of one user's records in a join that was run again: each view and engagement that came, with every decision
 * that the join made of it. It only writes down what it is told (join/observer.ts).
 *
 * Invariants: everything is copied out of the join's memory at once; `order` numbers what happened, so that "came before
 * it was decided" can be told. Bounded: beyond MOST_EVENTS nothing new is kept, and `leftOut` counts.
 */

import type { Origins, Place } from '../codec/port.ts'
import type { EngagementLabel, LedgerBucket } from '../inspect/explanation.ts'
import * as B from '../join/blocks.ts'
import type { Verdict } from '../join/decide.ts'
import type { EventBatch } from '../join/event.ts'
import { foldLabels } from '../join/fold.ts'
import * as L from '../join/layout.ts'
import type { JoinObserver } from '../join/observer.ts'
import { COUNTS, NO_VALUE, TOO_EARLY, TOO_LATE, weigh } from '../join/rules.ts'
import { GAVE_UP_LATE, GAVE_UP_ORPHAN, GAVE_UP_OUTSIDE, GAVE_UP_UNUSED, type JoinState } from '../join/state.ts'

/** Of one user, in the range that is looked at. */
const MOST_EVENTS = 50_000

export interface SeenRecord {
  readonly source: number
  readonly offset: number
  readonly timeMs: number
  readonly stampMs: number
}

export interface SeenView extends SeenRecord {
  readonly order: number
  readonly sampleId: string
  readonly itemId: string
  readonly late: boolean
  /** Its block while it is pending. */
  readonly block: number
  readonly payload: Buffer
  readonly writer: number
  readonly copies: { readonly offset: number; readonly conflict: boolean }[]
  seal?: SeenSeal
}

export interface SeenSeal {
  readonly watermarkMs: number
  /** The record that moved the watermark past the deadline; undefined where no record did. */
  readonly by: SeenRecord | undefined
  /** It told clocks, and was no event: its time is the watermark. */
  readonly isTold: boolean
  readonly values: FoldedLabels
}

/** Per label, in the rules' order; null as in a sample. */
export interface FoldedLabels {
  readonly labels: readonly (number | null)[]
  readonly delaysMs: readonly (number | null)[]
}

export interface SeenEngagement extends SeenRecord {
  /** Where it was produced, if it was rewritten into a consolidated topic. */
  readonly from: Place | null
  readonly type: string
  readonly value: number | null
  readonly viewId: string | null
  readonly itemId: string
  readonly engagementId: string | null
  bucket: LedgerBucket | null
  duplicateOf: SeenRecord | null
  owner: SeenView | null
  labels: readonly EngagementLabel[]
  decidedAtMs: number | null
  /** When it was decided; Infinity while it is not. */
  decidedOrder: number
}

const BUCKETS: Readonly<Record<number, LedgerBucket>> = {
  [GAVE_UP_UNUSED]: 'unused',
  [GAVE_UP_OUTSIDE]: 'outside',
  [GAVE_UP_LATE]: 'late',
  [GAVE_UP_ORPHAN]: 'orphan',
}

const VERDICTS = {
  [COUNTS]: 'counts',
  [TOO_EARLY]: 'tooEarly',
  [TOO_LATE]: 'tooLate',
  [NO_VALUE]: 'noValue',
} as const

export class Witness implements JoinObserver {
  readonly views: SeenView[] = []
  readonly engagements: SeenEngagement[] = []
  /** Views that were taken out of the join. */
  readonly quarantinedViews: SeenRecord[] = []
  leftOut = 0
  private readonly state: JoinState
  private readonly origins: Origins | undefined
  private readonly viewOf = new Map<number, SeenView>()
  private readonly engagementOf = new Map<string, SeenEngagement>()
  private order = 0

  constructor(state: JoinState, origins?: Origins) {
    this.state = state
    this.origins = origins
  }

  viewTaken(batch: EventBatch, i: number, block: number): void {
    if (this.isFull()) return
    const { arena } = this.state
    const bytes = B.bytesOf(arena, block)
    const idAt = B.viewIdAt(block)
    const payloadAt = batch.payloadAt[i]
    const view: SeenView = {
      ...recordOf(0, batch, i),
      order: this.order++,
      sampleId: bytes.toString('utf8', idAt, idAt + B.viewIdLength(arena, block)),
      itemId: textOf(batch, batch.itemAt, batch.itemLength, i) ?? '',
      late: B.hasFlag(arena, block, L.F_LATE),
      block,
      payload: Buffer.from(batch.payload.subarray(payloadAt, payloadAt + batch.payloadLength[i])),
      writer: batch.writer[i],
      copies: [],
    }
    this.views.push(view)
    this.viewOf.set(view.offset, view)
  }

  viewRepeated(batch: EventBatch, i: number, known: number, conflict: boolean): void {
    this.viewAt(known)?.copies.push({ offset: batch.offset[i], conflict })
  }

  engagementTaken(batch: EventBatch, i: number): void {
    this.addEngagement(batch, i)
  }

  engagementRepeated(batch: EventBatch, i: number, known: number): void {
    const repeated = this.addEngagement(batch, i)
    const first = this.engagementAt(known)
    if (repeated === undefined) return
    repeated.bucket = 'duplicate'
    repeated.decidedOrder = this.order++
    repeated.duplicateOf = first ?? null
  }

  decided(e: number, verdict: Verdict, fire: number): void {
    const seen = this.engagementAt(e)
    if (seen === undefined) return
    seen.bucket = verdict.owner !== 0 ? 'bound' : BUCKETS[verdict.reason]
    seen.decidedAtMs = this.state.watermarkAt[fire]
    seen.decidedOrder = this.order++
    const owner = verdict.view === 0 ? undefined : this.viewAt(verdict.view)
    if (owner === undefined) return
    seen.owner = owner
    seen.labels = this.weighed(seen, owner.timeMs, B.u32(this.state.arena, e, L.E_TYPE))
  }

  sealed(block: number, fire: number, row: number): void {
    const view = this.viewAt(block)
    if (view === undefined) return
    const { batch, source } = this.state
    const watermarkMs = this.state.watermarkAt[fire]
    const isTold = batch?.told.has(fire) === true
    const record = batch === undefined ? undefined : recordOf(source, batch, fire)
    const by = isTold ? { ...record!, timeMs: watermarkMs } : record
    view.seal = { watermarkMs, by, isTold, values: this.valuesIn(row) }
    this.order++
  }

  /** A record of the user that a written-down decision takes out of the join. */
  quarantined(source: number, batch: EventBatch, i: number): void {
    if (source === 0) {
      this.quarantinedViews.push(recordOf(source, batch, i))
      return
    }
    const seen = this.addEngagement(batch, i, source)
    if (seen === undefined) return
    seen.bucket = 'quarantined'
    seen.decidedOrder = this.order++
  }

  /** A pending view's labels, folded by the join over what is bound to it by now. */
  labelsNow(view: SeenView): FoldedLabels {
    const row = this.state.sealed.length
    foldLabels(this.state, view.block, row)
    return this.valuesIn(row)
  }

  private weighed(e: SeenEngagement, viewMs: number, type: number): EngagementLabel[] {
    const { labels, labelsOfType, clockSkewToleranceMs } = this.state.rules
    const delayMs = e.timeMs - viewMs
    return labelsOfType[type].map((k) => {
      const verdict = weigh(labels[k], delayMs, clockSkewToleranceMs, e.value ?? Number.NaN)
      const byMs =
        verdict === TOO_LATE
          ? delayMs - labels[k].withinMs
          : verdict === TOO_EARLY
            ? -clockSkewToleranceMs - delayMs
            : null
      return { name: labels[k].name, verdict: VERDICTS[verdict as keyof typeof VERDICTS], byMs }
    })
  }

  private valuesIn(row: number): FoldedLabels {
    const n = this.state.rules.labels.length
    const read = (values: Float64Array): (number | null)[] =>
      [...values.subarray(row * n, (row + 1) * n)].map((value) => (Number.isNaN(value) ? null : value))
    return { labels: read(this.state.labels), delaysMs: read(this.state.delays) }
  }

  private addEngagement(batch: EventBatch, i: number, source = this.state.source): SeenEngagement | undefined {
    if (this.isFull()) return undefined
    const seen: SeenEngagement = {
      ...recordOf(source, batch, i),
      from: this.origins === undefined ? null : placeIn(batch, i, this.origins),
      type: textOf(batch, batch.typeAt, batch.typeLength, i) ?? '',
      value: Number.isNaN(batch.value[i]) ? null : batch.value[i],
      viewId: textOf(batch, batch.viewIdAt, batch.viewIdLength, i),
      itemId: textOf(batch, batch.itemAt, batch.itemLength, i) ?? '',
      engagementId: textOf(batch, batch.engagementIdAt, batch.engagementIdLength, i),
      bucket: null,
      duplicateOf: null,
      owner: null,
      labels: [],
      decidedAtMs: null,
      decidedOrder: Number.POSITIVE_INFINITY,
    }
    this.order++
    this.engagements.push(seen)
    this.engagementOf.set(`${source}:${seen.offset}`, seen)
    return seen
  }

  private viewAt(block: number): SeenView | undefined {
    return this.viewOf.get(B.f64(this.state.arena, block, L.V_OFFSET))
  }

  private engagementAt(e: number): SeenEngagement | undefined {
    const { arena } = this.state
    return this.engagementOf.get(`${B.u32(arena, e, L.E_SOURCE)}:${B.f64(arena, e, L.E_OFFSET)}`)
  }

  private isFull(): boolean {
    if (this.views.length + this.engagements.length < MOST_EVENTS) return false
    this.leftOut++
    return true
  }
}

function recordOf(source: number, batch: EventBatch, i: number): SeenRecord {
  return { source, offset: batch.offset[i], timeMs: batch.timeMs[i], stampMs: batch.stampMs[i] }
}

function textOf(batch: EventBatch, at: Int32Array, length: Int32Array, i: number): string | null {
  return length[i] < 0 ? null : batch.text.toString('utf8', at[i], at[i] + length[i])
}

function placeIn({ payload, payloadAt, payloadLength }: EventBatch, i: number, origins: Origins): Place | null {
  return origins.ofPayload(payload.subarray(payloadAt[i], payloadAt[i] + payloadLength[i])).place ?? null
}
