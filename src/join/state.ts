/**
 * One partition's join state, flat.
 *
 * Owns: the arena and what finds things in it (tables, timers), the clocks, the ledger, the needed offsets, and what the
 * batch in hand has brought about (sealed views, given-up engagements). decide.ts reads it, evolve.ts changes it,
 * turn.ts is a user's turn over it.
 *
 * Invariants:
 * 1. Every pending view, undecided engagement and bound engagement has its bit in `needed`; a remembered view too.
 * 2. Once the state is indexed by item, every view that is in the id table is in the item table too, and views of one
 *    user and item stand there latest first (time, then identity).
 * 3. Pure: no I/O, no clock, no randomness. The same records in the same order give the same state and the same output.
 */
import { Arena } from './arena.ts'
import { Clocks } from './clocks.ts'
import type { EventBatch } from './event.ts'
import { E_CHAIN, E_HASH, NEXT, U_HASH, V_ID_HASH, V_ID_NEXT, V_ITEM_HASH, V_ITEM_NEXT } from './layout.ts'
import { type Ledger, newLedger } from './ledger.ts'
import { NumberList } from './list.ts'
import { NeededOffsets } from './needed.ts'
import type { JoinObserver } from './observer.ts'
import type { Rules } from './rules.ts'
import { ChainTable } from './table.ts'
import { Timers } from './timers.ts'

/** Why an engagement was given up. */
export const GAVE_UP_UNUSED = 0
export const GAVE_UP_OUTSIDE = 1
export const GAVE_UP_LATE = 2
export const GAVE_UP_ORPHAN = 3

/** Views and engagements older than these were sealed and decided after other waits: those of an earlier pipeline. */
export interface Before {
  readonly viewMs: number
  readonly viewWaitMs: number
  readonly engagementMs: number
  readonly engagementWaitMs: number
}

/** A power of 2. */
const ITEM_HINTS = 256

export class JoinState {
  readonly rules: Rules
  readonly sources: number
  readonly arena = new Arena()
  readonly users: ChainTable
  readonly ids: ChainTable
  readonly items: ChainTable
  /** Whether `items` is kept: from the first engagement on that names no view (items.ts). */
  isIndexedByItem = false
  /** By hash, where a view was last inserted behind a later one; 0: nowhere, or it is gone (items.ts). */
  readonly itemHints = new Uint32Array(ITEM_HINTS)
  readonly engagements: ChainTable
  readonly timers = new Timers()
  readonly clocks: Clocks
  readonly ledger: Ledger
  /** Ledger and watermark after the last whole batch: in the middle of one the counts need not balance. */
  readonly settled: Ledger
  settledWatermarkMs = Number.NEGATIVE_INFINITY
  /** Per source. */
  readonly needed: readonly NeededOffsets[]
  /** Per label: views older than this have no value, for its engagements were not kept. */
  readonly labelSince: Float64Array
  before: Before | undefined
  /** Numbers batches; users remember the one that last changed them. */
  batchNumber = 0
  /** The journal segment that the batch in hand goes to. */
  segment = 0
  /** Told of each decision; nearly always there is none. */
  observer: JoinObserver | undefined
  /** What the turn in hand is at: the record (index) or the due block; -1 and 0 between. Tells what a crash was over. */
  turnRecord = -1
  turnBlock = 0

  /** The batch in hand. */
  batch: EventBatch | undefined
  source = 0
  /** The watermark before the batch in hand. */
  watermarkBeforeMs = Number.NEGATIVE_INFINITY
  /** Watermark after each record (or one entry for a tick); ascending. */
  watermarkAt = new Float64Array([Number.NEGATIVE_INFINITY])
  watermarkCount = 1
  readonly userHash = new NumberList(Uint32Array)
  readonly nextOfUser = new NumberList(Int32Array)
  readonly touched = new NumberList(Uint32Array)
  readonly dueAddress = new NumberList(Uint32Array)
  readonly dueNext = new NumberList(Int32Array)

  /** What the batch brought about, in no order; effects.ts orders it. */
  readonly sealed = new NumberList(Uint32Array)
  readonly sealedFire = new NumberList(Int32Array)
  labels = new Float64Array(256)
  delays = new Float64Array(256)
  readonly gaveUp = new NumberList(Uint32Array)
  readonly gaveUpFire = new NumberList(Int32Array)
  readonly gaveUpReason = new NumberList(Uint32Array)
  readonly forgotten = new NumberList(Uint32Array)
  /** Records of the batch that were late views: the journal keeps what arrival decided. */
  readonly lateRecords = new NumberList(Uint32Array)
  /** Segments of events that stopped being needed since this was last emptied (one entry an event). */
  readonly released = new NumberList(Uint32Array)
  /** Segments of events that began to be needed. */
  readonly retained = new NumberList(Uint32Array)

  constructor(rules: Rules, sources: number, clocks = new Clocks(rules, sources)) {
    this.rules = rules
    this.sources = sources
    this.users = new ChainTable(this.arena, NEXT, U_HASH)
    this.ids = new ChainTable(this.arena, V_ID_NEXT, V_ID_HASH)
    this.items = new ChainTable(this.arena, V_ITEM_NEXT, V_ITEM_HASH)
    this.engagements = new ChainTable(this.arena, E_CHAIN, E_HASH)
    this.clocks = clocks
    this.ledger = newLedger()
    this.labelSince = new Float64Array(rules.labels.length).fill(Number.NEGATIVE_INFINITY)
    this.settled = newLedger()
    this.needed = Array.from({ length: sources }, () => new NeededOffsets())
  }

  /** So many may come at once (a rebuild): the tables have room for them from the start. */
  reserve(views: number, engagements: number): void {
    this.ids.reserve(views)
    this.engagements.reserve(engagements)
  }

  /** The counts of a commit, to go on from. */
  restoreLedger(counts: ArrayLike<number>): void {
    this.ledger.set(counts)
    this.settle()
  }

  /** No batch is in hand: what is counted is whole. */
  settle(): void {
    this.settled.set(this.ledger)
    this.settledWatermarkMs = this.lastWatermarkMs
  }

  /** The watermark at the end of the batch in hand. */
  get lastWatermarkMs(): number {
    return this.watermarkAt[this.watermarkCount - 1]
  }

  /** The first advance of the batch in hand that passes `dueMs`. */
  fireOf(dueMs: number): number {
    const w = this.watermarkAt
    let low = 0
    let high = this.watermarkCount - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (w[middle] > dueMs) high = middle
      else low = middle + 1
    }
    return low
  }
}
