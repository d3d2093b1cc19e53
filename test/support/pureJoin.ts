/**
 * Drives the pure join with events in the oracle's form (test/oracle/oracle.py), with no actors, codecs or logs: what
 * src/join alone gives. Batches are cut where the caller says.
 *
 * Fails: where the ledger does not balance after a batch.
 */
import { admit, admitTick, gather, isEmptyUser, settleBatch } from '../../src/join/batch.ts'
import * as B from '../../src/join/blocks.ts'
import { ENGAGEMENT, EventBatch, VIEW } from '../../src/join/event.ts'
import { dropUser } from '../../src/join/evolve.ts'
import * as L from '../../src/join/layout.ts'
import { balances, ledgerToJson } from '../../src/join/ledger.ts'
import { orderGaveUp, orderSealed } from '../../src/join/order.ts'
import { finishReplay, replay } from '../../src/join/replay.ts'
import { compileRules, type LabelRule, type Rules } from '../../src/join/rules.ts'
import { GAVE_UP_LATE, GAVE_UP_ORPHAN, GAVE_UP_OUTSIDE, JoinState } from '../../src/join/state.ts'
import { takeTurn } from '../../src/join/turn.ts'

export interface OracleEvent {
  source?: number
  partition?: number
  offset?: number
  stamp?: number
  user?: string
  item?: string
  viewId?: string | null
  time?: number
  type?: string
  value?: number | null
  engagementId?: string | null
  bytes?: string
  now?: number
  refused?: boolean
  watermark?: number
  end?: boolean
}

export interface OracleConfig {
  partitions: number
  sources: string[]
  basis: 'event' | 'arrival'
  outOfOrdernessMs: number
  allowedLatenessMs: number
  clockSkewToleranceMs: number
  rememberSealedMs: number
  maxClockSkewMs: number | null
  unseen?: 'hold' | 'skip'
  labels: LabelRule[]
}

export interface PureSample {
  sample_id: string
  user_id: string
  item_id: string
  view_time: number
  labels: Record<string, number | null>
  delays_ms: Record<string, number | null>
  late_view: boolean
  offset: number
  /** The view's own record. */
  view: string
}

export interface PureSide {
  reason: string
  source: number
  offset: number
}

export function rulesOf(config: OracleConfig): Rules {
  return compileRules({
    labels: config.labels,
    outOfOrdernessMs: config.outOfOrdernessMs,
    allowedLatenessMs: config.allowedLatenessMs,
    clockSkewToleranceMs: config.clockSkewToleranceMs,
    rememberSealedMs: config.rememberSealedMs,
    maxClockSkewMs: config.maxClockSkewMs ?? Number.POSITIVE_INFINITY,
    basis: config.basis,
    idle: 'follow',
    idleAfterMs: 5000,
    onMiskeyed: 'deadLetter',
  })
}

/** Fills a batch with events of one source. */
export function fillBatch(batch: EventBatch, events: readonly OracleEvent[]): void {
  const payloads = events.map((e) => Buffer.from(e.bytes ?? JSON.stringify({ ...e, offset: 0, stamp: 0, now: 0 })))
  batch.reset(events.length, Buffer.concat(payloads))
  let at = 0
  events.forEach((e, i) => {
    batch.offset[i] = e.offset ?? 0
    batch.stampMs[i] = e.stamp ?? e.time ?? 0
    batch.payloadAt[i] = at
    batch.payloadLength[i] = payloads[i].length
    at += payloads[i].length
    if (e.refused) {
      batch.refuse(i, 'refused')
      return
    }
    batch.kind[i] = e.source === 0 ? VIEW : ENGAGEMENT
    batch.timeMs[i] = e.time ?? 0
    batch.value[i] = e.value ?? Number.NaN
    put(batch, e.user ?? '', batch.userAt, batch.userLength, i)
    put(batch, e.item ?? '', batch.itemAt, batch.itemLength, i)
    put(batch, e.viewId ?? null, batch.viewIdAt, batch.viewIdLength, i)
    put(batch, e.engagementId ?? null, batch.engagementIdAt, batch.engagementIdLength, i)
    put(batch, e.type ?? '', batch.typeAt, batch.typeLength, i)
  })
}

function put(batch: EventBatch, text: string | null, at: Int32Array, length: Int32Array, i: number): void {
  if (text === null) {
    length[i] = -1
    return
  }
  const bytes = Buffer.from(text)
  at[i] = batch.reserveText(bytes.length)
  bytes.copy(batch.text, batch.textEnd)
  batch.textEnd += bytes.length
  length[i] = bytes.length
}

export class PureJoin {
  readonly state: JoinState
  readonly samples: PureSample[] = []
  readonly side: PureSide[] = []
  /** Looks at each batch before it is settled. */
  observe: ((state: JoinState) => void) | undefined
  /** Runs where a partition lets its shared snapshot look, before users change. */
  beforeTurns: () => void = () => {}
  private readonly batch = new EventBatch()
  private readonly keying: { readonly partition: number; readonly partitions: number }

  constructor(config: OracleConfig, keying = { partition: 0, partitions: 1 }) {
    this.state = new JoinState(rulesOf(config), config.sources.length)
    this.keying = keying
    if (config.unseen === 'skip') for (let s = 0; s < config.sources.length; s++) this.state.clocks.atEnd(s, 0)
  }

  /** Takes events of one source as one batch. */
  take(events: readonly OracleEvent[]): void {
    fillBatch(this.batch, events)
    const wallMs = events[0].now ?? 0
    this.state.segment++
    admit(this.state, this.batch, { source: events[0].source ?? 0, ...this.keying, wallMs })
    this.finishBatch()
  }

  /** Takes events of one source below the committed offset `below`, and of the committed watermark, as a start does. */
  replay(events: readonly OracleEvent[], below: number, decidedMs?: number): void {
    fillBatch(this.batch, events)
    // Which records the committed clocks rule out is shown elsewhere: here none.
    this.state.clocks.highestMs.fill(Number.POSITIVE_INFINITY)
    replay(this.state, this.batch, { source: events[0].source ?? 0, below, decidedMs, keying: this.keying })
  }

  /** Ends a replay up to a commit of this watermark, these highest times and these counts. */
  finishReplay(watermarkMs: number, highestMs: readonly number[], ledger: ArrayLike<number>): void {
    const s = this.state
    s.clocks.restore(watermarkMs, highestMs)
    s.ledger.set(ledger)
    finishReplay(s, watermarkMs)
    const empty: number[] = []
    s.users.forEach((user) => {
      if (isEmptyUser(s, user)) empty.push(user)
    })
    for (const user of empty) dropUser(s, user)
    admitTick(s)
  }

  watermark(ms: number): void {
    this.state.clocks.watermarkMs = Math.max(this.state.clocks.watermarkMs, ms)
    admitTick(this.state)
    this.finishBatch()
  }

  end(): void {
    this.watermark(Number.POSITIVE_INFINITY)
  }

  get ledger(): Record<string, number> {
    return ledgerToJson(this.state.ledger)
  }

  private finishBatch(): void {
    const s = this.state
    gather(s)
    this.beforeTurns()
    for (let k = 0; k < s.touched.length; k++) takeTurn(s, s.touched.items[k])
    for (const k of orderSealed(s)) this.samples.push(this.sample(k))
    for (const k of orderGaveUp(s)) this.addSide(k)
    this.observe?.(s)
    settleBatch(s, (user) => dropUser(s, user))
    if (!balances(s.ledger)) throw new Error(`the ledger does not balance: ${JSON.stringify(this.ledger)}`)
  }

  private addSide(k: number): void {
    const s = this.state
    const reasons = { [GAVE_UP_OUTSIDE]: 'outside', [GAVE_UP_LATE]: 'late', [GAVE_UP_ORPHAN]: 'orphan' }
    const reason = reasons[s.gaveUpReason.items[k] as keyof typeof reasons]
    if (reason === undefined) return
    const e = s.gaveUp.items[k]
    this.side.push({ reason, source: B.u32(s.arena, e, L.E_SOURCE), offset: B.f64(s.arena, e, L.E_OFFSET) })
  }

  private payload(view: number): string {
    const s = this.state
    const payload = B.u32(s.arena, view, L.V_PAYLOAD)
    const at = B.byteAt(payload)
    return B.bytesOf(s.arena, payload).toString('utf8', at, at + B.u32(s.arena, view, L.V_PAYLOAD_LENGTH))
  }

  private sample(k: number): PureSample {
    const s = this.state
    const view = s.sealed.items[k]
    const bytes = B.bytesOf(s.arena, view)
    const idAt = B.viewIdAt(view)
    const itemAt = B.viewItemAt(s.arena, view)
    const n = s.rules.labels.length
    const row = (values: Float64Array) =>
      Object.fromEntries(s.rules.labels.map((l, j) => [l.name, orNull(values[k * n + j])]))
    return {
      sample_id: bytes.toString('utf8', idAt, idAt + B.viewIdLength(s.arena, view)),
      user_id: B.userText(s.arena, B.u32(s.arena, view, L.V_USER)),
      item_id: bytes.toString('utf8', itemAt, itemAt + B.viewItemLength(s.arena, view)),
      view_time: B.f64(s.arena, view, L.V_TIME),
      labels: row(s.labels),
      delays_ms: row(s.delays),
      late_view: B.hasFlag(s.arena, view, L.F_LATE),
      offset: B.f64(s.arena, view, L.V_OFFSET),
      view: this.payload(view),
    }
  }
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value
}
