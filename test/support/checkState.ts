/**
 * Walks everything of a partition's join state and says where it breaks the invariants of src/join/state.ts: what is
 * needed, what is in which table, what has a timer, what memory is used by whom. For use between batches.
 *
 * Fails: an Error that names the invariant and the event. Blocks of this file's sizes must be below 1 KiB, since only
 * there are the arena's size classes as simple as `blockBytes`.
 */
import * as B from '../../src/join/blocks.ts'
import { compareBytes } from '../../src/join/hash.ts'
import * as L from '../../src/join/layout.ts'
import { balances, imbalance, PENDING, UNDECIDED } from '../../src/join/ledger.ts'
import type { JoinState } from '../../src/join/state.ts'
import type { ChainTable } from '../../src/join/table.ts'

/** What the walk has found. */
interface Found {
  usedBytes: number
  pending: number
  readonly views: number[]
  readonly undecided: number[]
  readonly bound: number[]
}

export function checkState(s: JoinState): void {
  const found: Found = { usedBytes: 0, pending: 0, views: [], undecided: [], bound: [] }
  for (const user of tableOf(s.users)) checkUser(s, user, found)
  same('users in the table', tableOf(s.users).length, s.users.size)
  sameBlocks('the id table', tableOf(s.ids), s.ids.size, found.views)
  sameBlocks('the item table', tableOf(s.items), s.items.size, s.isIndexedByItem ? found.views : [])
  sameBlocks('the engagement table', tableOf(s.engagements), s.engagements.size, [...found.undecided, ...found.bound])
  checkItemOrder(s)
  checkNeeded(s, found)
  checkTimers(s, found)
  checkSegments(s, found)
  same('bytes used in the arena', s.arena.usedBytes, found.usedBytes)
  same('pending in the ledger', s.ledger[PENDING], found.pending)
  same('undecided in the ledger', s.ledger[UNDECIDED], found.undecided.length)
  if (!balances(s.ledger)) throw new Error(`the ledger is off by ${imbalance(s.ledger)}`)
  for (const list of [s.sealed, s.sealedFire, s.gaveUp, s.gaveUpFire, s.gaveUpReason, s.forgotten, s.lateRecords]) {
    same('what a batch leaves behind', list.length, 0)
  }
}

function checkUser(s: JoinState, user: number, found: Found): void {
  same('kind of a user', B.kindOf(s.arena, user), L.USER)
  let sizeBytes = L.U_HEADER_BYTES + B.u32(s.arena, user, L.U_LENGTH)
  found.usedBytes += blockBytes(sizeBytes)
  const ids = new Set<string>()
  let pending = 0
  for (const view of listOf(s, B.u32(s.arena, user, L.U_VIEWS), L.V_PREVIOUS)) {
    sizeBytes += checkView(s, user, view, found)
    if (!B.hasFlag(s.arena, view, L.F_SEALED)) pending++
    ids.add(viewId(s, view))
    found.views.push(view)
  }
  const undecided = listOf(s, B.u32(s.arena, user, L.U_UNDECIDED), L.E_PREVIOUS)
  for (const e of undecided) {
    sizeBytes += checkEngagement(s, user, e, found)
    if (B.hasFlag(s.arena, e, L.F_BOUND)) throw new Error('an undecided engagement is bound')
    if (dueOfEngagement(s, e) < s.lastWatermarkMs) throw new Error('an engagement is overdue')
  }
  found.undecided.push(...undecided)
  found.pending += pending
  const views = listOf(s, B.u32(s.arena, user, L.U_VIEWS), L.V_PREVIOUS).length
  same('distinct view identities of a user', ids.size, views)
  same('U_BYTES', B.u32(s.arena, user, L.U_BYTES), sizeBytes)
  same('U_PENDING', B.u32(s.arena, user, L.U_PENDING), pending)
  if (views + undecided.length === 0) throw new Error('a user of whom nothing is left')
}

/** Returns the bytes that the view stands for. */
function checkView(s: JoinState, user: number, view: number, found: Found): number {
  same('kind of a view', B.kindOf(s.arena, view), L.VIEW_BLOCK)
  same('user of a view', B.u32(s.arena, view, L.V_USER), user)
  if (B.hasFlag(s.arena, view, L.F_HIDDEN)) throw new Error('a hidden view was not freed')
  if (B.hasFlag(s.arena, view, L.F_QUEUED)) throw new Error('a view is marked as queued between batches')
  const ownBytes = B.viewBlockBytes(s.arena, view)
  found.usedBytes += blockBytes(ownBytes)
  if (B.hasFlag(s.arena, view, L.F_SEALED)) {
    same('payload of a remembered view', B.u32(s.arena, view, L.V_PAYLOAD), 0)
    const forgetMs = B.f64(s.arena, view, L.V_SEALED_AT) + s.rules.rememberSealedMs
    if (forgetMs < s.lastWatermarkMs) throw new Error('a view is remembered for too long')
    return ownBytes
  }
  const deadline = B.f64(s.arena, view, L.V_TIME) + s.rules.viewWaitMs
  if (deadline < s.lastWatermarkMs) throw new Error('a view is overdue')
  const payload = B.u32(s.arena, view, L.V_PAYLOAD)
  const payloadBytes = payload === 0 ? 0 : B.u32(s.arena, view, L.V_PAYLOAD_LENGTH)
  found.usedBytes += blockBytes(payloadBytes)
  let boundBytes = 0
  for (let e = B.u32(s.arena, view, L.V_BOUND); e !== 0; e = B.u32(s.arena, e, L.NEXT)) {
    boundBytes += checkEngagement(s, user, e, found)
    if (!B.hasFlag(s.arena, e, L.F_BOUND)) throw new Error('an engagement hangs on a view and is not bound')
    same('owner of a bound engagement', B.u32(s.arena, e, L.E_PREVIOUS), view)
    same('payload of a bound engagement', B.u32(s.arena, e, L.E_PAYLOAD), 0)
    if (!(dueOfEngagement(s, e) < s.lastWatermarkMs)) throw new Error('an engagement was bound before its time')
    found.bound.push(e)
  }
  return ownBytes + payloadBytes + boundBytes
}

function checkEngagement(s: JoinState, user: number, e: number, found: Found): number {
  same('kind of an engagement', B.kindOf(s.arena, e), L.ENGAGEMENT_BLOCK)
  same('user of an engagement', B.u32(s.arena, e, L.E_USER), user)
  if (B.hasFlag(s.arena, e, L.F_GIVEN_UP)) throw new Error('a given-up engagement was not freed')
  const ownBytes = B.engagementBlockBytes(s.arena, e)
  const payloadBytes = B.u32(s.arena, e, L.E_PAYLOAD) === 0 ? 0 : B.u32(s.arena, e, L.E_PAYLOAD_LENGTH)
  found.usedBytes += blockBytes(ownBytes) + blockBytes(payloadBytes)
  return ownBytes + payloadBytes
}

/** Invariant 2: latest first, by time, then identity, among views of one hash. */
function checkItemOrder(s: JoinState): void {
  const before = new Map<number, number>()
  for (const view of tableOf(s.items)) {
    const hash = B.u32(s.arena, view, L.V_ITEM_HASH)
    const earlier = before.get(hash)
    if (earlier !== undefined && isLater(s, view, earlier)) throw new Error('the item table is not latest first')
    before.set(hash, view)
  }
}

function isLater(s: JoinState, a: number, b: number): boolean {
  const byTime = B.f64(s.arena, a, L.V_TIME) - B.f64(s.arena, b, L.V_TIME)
  if (byTime !== 0) return byTime > 0
  const [aBytes, bBytes] = [Buffer.from(viewId(s, a)), Buffer.from(viewId(s, b))]
  return compareBytes(aBytes, 0, aBytes.length, bBytes, 0, bBytes.length) > 0
}

/** Invariant 1, both ways. */
function checkNeeded(s: JoinState, found: Found): void {
  const offsets: number[][] = Array.from({ length: s.sources }, () => [])
  for (const view of found.views) offsets[0].push(B.f64(s.arena, view, L.V_OFFSET))
  for (const e of [...found.undecided, ...found.bound]) {
    offsets[B.u32(s.arena, e, L.E_SOURCE)].push(B.f64(s.arena, e, L.E_OFFSET))
  }
  offsets.forEach((list, source) => {
    const needed = s.needed[source]
    for (const offset of list) if (!needed.has(offset)) throw new Error(`offset ${offset} is needed and has no bit`)
    same(`needed offsets of source ${source}`, needed.size, new Set(list).size)
    same(`lowest needed offset of source ${source}`, needed.lowest(-1), list.length === 0 ? -1 : Math.min(...list))
  })
}

/** What has something to do has a timer in its bucket: there may be stale ones beside. */
function checkTimers(s: JoinState, found: Found): void {
  const { buckets } = s.timers as unknown as { buckets: Map<number, { items: Uint32Array; count: number }> }
  const hasTimer = (address: number, dueMs: number): boolean => {
    const bucket = buckets.get(Math.floor(dueMs / 256))
    return bucket?.items.subarray(0, bucket.count).includes(address) === true
  }
  for (const view of found.views) {
    const sealed = B.hasFlag(s.arena, view, L.F_SEALED)
    const dueMs = sealed
      ? B.f64(s.arena, view, L.V_SEALED_AT) + s.rules.rememberSealedMs
      : B.f64(s.arena, view, L.V_TIME) + s.rules.viewWaitMs
    if (!hasTimer(view, dueMs)) throw new Error(`a ${sealed ? 'remembered' : 'pending'} view has no timer`)
  }
  for (const e of found.undecided) {
    if (!hasTimer(e, dueOfEngagement(s, e))) throw new Error('an undecided engagement has no timer')
  }
}

/** What was retained and not released is what there is, segment by segment. */
function checkSegments(s: JoinState, found: Found): void {
  const live = new Map<number, number>()
  const count = (segment: number, by: number): void => void live.set(segment, (live.get(segment) ?? 0) + by)
  for (let k = 0; k < s.retained.length; k++) count(s.retained.items[k], 1)
  for (let k = 0; k < s.released.length; k++) count(s.released.items[k], -1)
  for (const view of found.views) count(B.u32(s.arena, view, L.V_SEGMENT), -1)
  for (const e of [...found.undecided, ...found.bound]) count(B.u32(s.arena, e, L.E_SEGMENT), -1)
  for (const [segment, difference] of live) same(`events of segment ${segment}`, difference, 0)
}

function listOf(s: JoinState, first: number, previousWord: number): number[] {
  const list: number[] = []
  let previous = 0
  for (let at = first; at !== 0; at = B.u32(s.arena, at, L.NEXT)) {
    same('the link back in a list', B.u32(s.arena, at, previousWord), previous)
    list.push(at)
    previous = at
  }
  return list
}

function tableOf(table: ChainTable): number[] {
  const all: number[] = []
  table.forEach((address) => {
    all.push(address)
  })
  return all
}

function sameBlocks(what: string, table: readonly number[], size: number, expected: readonly number[]): void {
  same(`size of ${what}`, size, table.length)
  const sorted = (list: readonly number[]): string => [...list].sort((a, b) => a - b).join(' ')
  same(`blocks in ${what}`, sorted(table), sorted(expected))
}

function dueOfEngagement(s: JoinState, e: number): number {
  return B.f64(s.arena, e, L.E_TIME) + s.rules.engagementWaitMs
}

function viewId(s: JoinState, view: number): string {
  const at = B.viewIdAt(view)
  return B.bytesOf(s.arena, view).toString('utf8', at, at + B.viewIdLength(s.arena, view))
}

function blockBytes(sizeBytes: number): number {
  if (sizeBytes > 1024) throw new Error('larger than what this check knows')
  return Math.ceil(sizeBytes / 16) * 16
}

function same(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: ${found} is not ${expected}`)
}
