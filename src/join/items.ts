/**
 * The index of views by user and item, for engagements that name no view.
 *
 * Invariants: it is kept from the first such engagement on, and not before; then every view in the id table is in it.
 * Views of one user and item stand latest first, by time, then identity.
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
  s.ids.forEach((view) => {
    insertByItem(s, view)
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
  for (let at = s.items.head(hash); at !== 0; at = s.items.next(at)) {
    if (B.u32(s.arena, at, L.V_ITEM_HASH) === hash && isEarlier(s, at, view)) {
      s.items.insertBefore(view, at)
      return
    }
  }
  appendOrInsert(s, view, hash)
}

/** No view of this hash is earlier: the view goes behind the last one of its hash, or first where there is none. */
function appendOrInsert(s: JoinState, view: number, hash: number): void {
  let last = 0
  for (let at = s.items.head(hash); at !== 0; at = s.items.next(at)) {
    if (B.u32(s.arena, at, L.V_ITEM_HASH) === hash) last = at
  }
  if (last === 0) s.items.insert(view)
  else s.items.insertAfter(view, last)
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
