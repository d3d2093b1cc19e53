/**
 * Observes one partition's delays: for each view and group (engagement type) the delay of the first engagement, within
 * the windows and past them, up to a horizon. That is what decides whether a window would have made the view a positive.
 *
 * Looks at what each batch has brought about, as it goes out; changes nothing of the join. Within a batch and
 * over batches engagements are decided in the order of their times, so the first that is seen is the first there was,
 * save for those that came beyond the bound.
 *
 * Bounded: views are remembered in a ring (remembered.ts). Where it is too small for the horizon, views leave it early,
 * and `reachMs` says how far back it goes.
 */
import * as B from '../join/blocks.ts'
import { ownerOf } from '../join/decide.ts'
import { murmur2 } from '../join/hash.ts'
import * as L from '../join/layout.ts'
import type { Rules } from '../join/rules.ts'
import { GAVE_UP_UNUSED, type JoinState } from '../join/state.ts'
import { type DelayGroup, groupsOf } from './groups.ts'
import type { DelayHistograms } from './histograms.ts'
import { RememberedViews } from './remembered.ts'

export class DelayObserver {
  private readonly groups: readonly DelayGroup[]
  /** Per type number, the groups on it. */
  private readonly groupsOfType: readonly (readonly number[])[]
  private readonly toleranceMs: number
  private readonly horizonMs: number
  private readonly histograms: DelayHistograms
  private readonly views: RememberedViews
  private readonly firstMs: Float64Array
  private watermarkMs = Number.NEGATIVE_INFINITY

  constructor(rules: Rules, histograms: DelayHistograms, horizonMs: number, memoryBytes: number) {
    this.groups = groupsOf(rules)
    const typesOf = (on: string): readonly number[] => this.groups.flatMap((group, g) => (group.on === on ? [g] : []))
    this.groupsOfType = [[], ...rules.types.map((type) => typesOf(type.toString()))]
    this.toleranceMs = rules.clockSkewToleranceMs
    this.horizonMs = horizonMs
    this.histograms = histograms
    this.views = new RememberedViews(memoryBytes)
    this.firstMs = new Float64Array(this.groups.length)
  }

  /** How far back views are remembered, from the watermark; less than the horizon where memory ends first. */
  get reachMs(): number {
    if (this.views.size < this.views.capacity) return this.horizonMs
    return Math.min(this.horizonMs, Math.max(0, this.watermarkMs - this.views.oldestMs))
  }

  /** All sealed views of a batch come before what was given up: what is bound lies within the windows. */
  sealed(s: JoinState, k: number): void {
    const view = s.sealed.items[k]
    this.seeBound(s, view, this.remember(s, view))
  }

  gaveUp(s: JoinState, k: number): void {
    if (s.gaveUpReason.items[k] !== GAVE_UP_UNUSED) this.seeGivenUp(s, s.gaveUp.items[k])
  }

  /** After all of a batch, before it is settled: the watermark may have jumped past a horizon, and these came before. */
  done(s: JoinState): void {
    this.watermarkMs = s.lastWatermarkMs
    this.histograms.sealedViews += s.sealed.length
    while (this.views.oldestMs + this.horizonMs < this.watermarkMs) this.views.dropOldest()
  }

  /** One that was given up: outside every window, late, or of a view that the join has forgotten. */
  private seeGivenUp(s: JoinState, e: number): void {
    const owner = ownerOf(s, e, s.watermarkBeforeMs)
    const view = owner === 0 ? this.forgottenOwner(s, e) : this.remember(s, owner)
    if (view === 0) return
    if (owner !== 0 && !B.hasFlag(s.arena, owner, L.F_SEALED)) this.seeBound(s, owner, view)
    const delayMs = Math.max(0, B.f64(s.arena, e, L.E_TIME) - this.views.timeOf(view))
    if (delayMs > this.horizonMs) return
    for (const group of this.groupsOfType[B.u32(s.arena, e, L.E_TYPE)]) {
      if (this.takes(s, e, group) && this.views.mark(view, group)) this.histograms.record(group, delayMs)
    }
  }

  private forgottenOwner(s: JoinState, e: number): number {
    const userHash = B.u32(s.arena, B.u32(s.arena, e, L.E_USER), L.U_HASH)
    const lengths = B.u32(s.arena, e, L.E_LENGTHS)
    const bytes = B.bytesOf(s.arena, e)
    const at = B.engagementTextAt(e)
    const viewIdLength = lengths & 0xffff
    const latestMs = B.f64(s.arena, e, L.E_TIME) + this.toleranceMs
    if (!B.hasFlag(s.arena, e, L.F_HAS_VIEW_ID)) {
      return this.views.findLatest(userHash, murmur2(bytes, at + viewIdLength, lengths >>> 16), latestMs)
    }
    const view = this.views.find(userHash, murmur2(bytes, at, viewIdLength))
    return view !== 0 && this.views.timeOf(view) <= latestMs ? view : 0
  }

  private remember(s: JoinState, view: number): number {
    const { arena } = s
    const bytes = B.bytesOf(arena, view)
    const userHash = B.u32(arena, B.u32(arena, view, L.V_USER), L.U_HASH)
    const idHash = murmur2(bytes, B.viewIdAt(view), B.viewIdLength(arena, view))
    const known = this.views.find(userHash, idHash)
    if (known !== 0) return known
    const itemHash = murmur2(bytes, B.viewItemAt(arena, view), B.viewItemLength(arena, view))
    return this.views.add(userHash, idHash, itemHash, B.f64(arena, view, L.V_TIME))
  }

  /** The delays of what is bound by now to a view that was not settled yet. */
  private seeBound(s: JoinState, view: number, remembered: number): void {
    if (B.u32(s.arena, view, L.V_BOUND) === 0) return
    const { firstMs, groups } = this
    const viewMs = B.f64(s.arena, view, L.V_TIME)
    firstMs.fill(Number.POSITIVE_INFINITY)
    for (let e = B.u32(s.arena, view, L.V_BOUND); e !== 0; e = B.u32(s.arena, e, L.NEXT)) {
      const delayMs = Math.max(0, B.f64(s.arena, e, L.E_TIME) - viewMs)
      for (const group of this.groupsOfType[B.u32(s.arena, e, L.E_TYPE)]) {
        if (delayMs < firstMs[group] && this.takes(s, e, group)) firstMs[group] = delayMs
      }
    }
    for (let group = 0; group < groups.length; group++) {
      if (firstMs[group] !== Number.POSITIVE_INFINITY && this.views.mark(remembered, group)) {
        this.histograms.record(group, firstMs[group])
      }
    }
  }

  private takes(s: JoinState, e: number, group: number): boolean {
    return !this.groups[group].needsValue || !Number.isNaN(B.f64(s.arena, e, L.E_VALUE))
  }
}
