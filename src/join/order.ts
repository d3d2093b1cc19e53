/**
 * The order in which a batch's results go out: sealed views by (advance, deadline, identity), given-up engagements by
 * (advance, time, source, offset). By the same order whatever the batches were.
 */
import * as B from './blocks.ts'
import { deadlineMs } from './decide.ts'
import * as L from './layout.ts'
import type { JoinState } from './state.ts'

/** Indices into s.sealed, in the order of sealing. */
export function orderSealed(s: JoinState): Int32Array {
  const n = s.sealed.length
  const order = new Int32Array(n)
  if (n === 0) return order
  if (!orderFast(s, order)) {
    for (let k = 0; k < n; k++) order[k] = k
    order.sort((a, b) => compareSealed(s, a, b))
  }
  return order
}

/**
 * Where all were sealed at their deadlines, the deadline alone gives the order of the advances, and the view time that
 * of the deadlines: a view of before a change of waits (`before`) is past its deadline when it comes, so it is sealed at
 * its record. View time and index are packed into one number, sorted natively, and only ties look at identities.
 */
function orderFast(s: JoinState, order: Int32Array): boolean {
  const n = order.length
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (let k = 0; k < n; k++) {
    if ((s.sealedFire.items[k] & 1) === 1 || B.hasFlag(s.arena, s.sealed.items[k], L.F_LATE)) return false
    const timeMs = B.f64(s.arena, s.sealed.items[k], L.V_TIME)
    if (timeMs < least) least = timeMs
    if (timeMs > most) most = timeMs
  }
  if ((most - least + 1) * n > Number.MAX_SAFE_INTEGER) return false
  const keys = new Float64Array(n)
  for (let k = 0; k < n; k++) keys[k] = (B.f64(s.arena, s.sealed.items[k], L.V_TIME) - least) * n + k
  keys.sort()
  for (let k = 0; k < n; k++) order[k] = keys[k] % n
  sortTies(s, order)
  return true
}

function sortTies(s: JoinState, order: Int32Array): void {
  for (let start = 0; start < order.length; ) {
    const timeMs = B.f64(s.arena, s.sealed.items[order[start]], L.V_TIME)
    let end = start + 1
    while (end < order.length && B.f64(s.arena, s.sealed.items[order[end]], L.V_TIME) === timeMs) end++
    if (end - start > 1) order.subarray(start, end).sort((a, b) => compareSealed(s, a, b))
    start = end
  }
}

function compareSealed(s: JoinState, a: number, b: number): number {
  const av = s.sealed.items[a]
  const bv = s.sealed.items[b]
  return (
    s.sealedFire.items[a] - s.sealedFire.items[b] ||
    deadlineMs(s, av) - deadlineMs(s, bv) ||
    B.compareViewIds(s.arena, av, bv) ||
    B.f64(s.arena, av, L.V_OFFSET) - B.f64(s.arena, bv, L.V_OFFSET)
  )
}

/** Indices into s.gaveUp, in the order of giving up. */
export function orderGaveUp(s: JoinState): Int32Array {
  const order = new Int32Array(s.gaveUp.length)
  for (let k = 0; k < order.length; k++) order[k] = k
  return order.sort((a, b) => {
    const ae = s.gaveUp.items[a]
    const be = s.gaveUp.items[b]
    return (
      s.gaveUpFire.items[a] - s.gaveUpFire.items[b] ||
      B.f64(s.arena, ae, L.E_TIME) - B.f64(s.arena, be, L.E_TIME) ||
      B.u32(s.arena, ae, L.E_SOURCE) - B.u32(s.arena, be, L.E_SOURCE) ||
      B.f64(s.arena, ae, L.E_OFFSET) - B.f64(s.arena, be, L.E_OFFSET)
    )
  })
}
