/**
 * The index of views by user and item, for engagements that name no view.
 *
 * Invariants: it is kept from the first such engagement on, and not before; then every view in the id table is in it.
 * Views of one user and item stand latest first, by time, then identity. A hint is a view that was inserted behind a
 * later one and is still there: a history that is read newest first goes on from it, instead of from the latest view.
 */
import * as B from './blocks.ts'
import { viewHash } from './decide.ts'
import { compareBytes } from './hash.ts'
import * as L from './layout.ts'
import type { JoinState } from './state.ts'

/** From the first engagement on that names no view, views are found by item too; before, nobody pays for that. */
export function indexByItem(s: JoinState): void {
  if (s.isIndexedByItem) return
  s.isIndexedByItem = true
  s.items.reserve(s.ids.size)
  // A user's views stand as they came, so that each finds its place near the one before it.
  s.users.forEach((user) => {
    for (let view = B.u32(s.arena, user, L.U_VIEWS); view !== 0; view = B.u32(s.arena, view, L.NEXT)) {
      if (!B.hasFlag(s.arena, view, L.F_HIDDEN)) insertByItem(s, view)
    }
  })
}

/** Views of one user and item stand latest first, by time, then identity. */
export function insertByItem(s: JoinState, view: number): void {
  const hash = viewHash(
    B.u32(s.arena, view, L.V_USER),
    B.bytesOf(s.arena, view),
    B.viewItemAt(s.arena, view),
    B.viewItemLength(s.arena, view),
  )
  B.setU32(s.arena, view, L.V_ITEM_HASH, hash)
  const later = laterThan(s, view, hash)
  if (later === 0) {
    s.items.insert(view)
    return
  }
  s.items.insertAfter(view, later)
  s.itemHints[hintOf(s, hash)] = view
}

export function removeByItem(s: JoinState, view: number): void {
  s.items.remove(view)
  const hint = hintOf(s, B.u32(s.arena, view, L.V_ITEM_HASH))
  if (s.itemHints[hint] === view) s.itemHints[hint] = 0
}

/** The earliest view of this hash that is later than `view`; 0 if none is. Looked for from the hint on, where that is one. */
function laterThan(s: JoinState, view: number, hash: number): number {
  const hint = s.itemHints[hintOf(s, hash)]
  let later = hint !== 0 && B.u32(s.arena, hint, L.V_ITEM_HASH) === hash && !isEarlier(s, hint, view) ? hint : 0
  for (let at = later === 0 ? s.items.head(hash) : s.items.next(later); at !== 0; at = s.items.next(at)) {
    if (B.u32(s.arena, at, L.V_ITEM_HASH) !== hash) continue
    if (isEarlier(s, at, view)) break
    later = at
  }
  return later
}

function hintOf(s: JoinState, hash: number): number {
  return hash & (s.itemHints.length - 1)
}

function isEarlier(s: JoinState, a: number, b: number): boolean {
  const byTime = B.f64(s.arena, a, L.V_TIME) - B.f64(s.arena, b, L.V_TIME)
  if (byTime !== 0) return byTime < 0
  return (
    compareBytes(
      B.bytesOf(s.arena, a),
      B.viewIdAt(a),
      B.viewIdLength(s.arena, a),
      B.bytesOf(s.arena, b),
      B.viewIdAt(b),
      B.viewIdLength(s.arena, b),
    ) < 0
  )
}
