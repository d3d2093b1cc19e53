/**
 * Views that may still be engaged with, kept longer than the join keeps them: hashes, times and what was seen of each,
 * in a ring of fixed size. No ids and no payloads: a view takes at most 40 bytes.
 *
 * Invariants:
 * 1. At most `capacity` views; one more takes the place of the oldest.
 * 2. Chains lead from newer to older views, by number. A number that has left the ring ends its chain, so that nothing
 *    is ever unlinked.
 * 3. Views are found by item from the first time on that one is asked for so: where all engagements name their views,
 *    nobody pays for that.
 *
 * Two views of 64 equal hash bits count as one: one in 10^19 pairs.
 */
import { mix } from '../join/hash.ts'

const BYTES_A_VIEW = 40
/** How far a chain is followed: a bound on the time that one user's many views of one item can take. */
const MOST_STEPS = 64

export class RememberedViews {
  readonly capacity: number
  private readonly timeMs: Float64Array
  private readonly userHash: Uint32Array
  private readonly idHash: Uint32Array
  private readonly itemHash: Uint32Array
  private readonly seen: Uint32Array
  private readonly idNext: Uint32Array
  private readonly itemNext: Uint32Array
  private readonly idHead: Uint32Array
  private readonly itemHead: Uint32Array
  private isIndexedByItem = false
  private readonly mask: number
  /** Numbers go up by one a view, from 1, and wrap at 2^32; 0 is no view. */
  private newest = 0
  private count = 0

  constructor(bytes: number) {
    this.capacity = Math.max(1, Math.floor(bytes / BYTES_A_VIEW))
    const buckets = 2 ** Math.floor(Math.log2(this.capacity))
    const column = (): Uint32Array => new Uint32Array(this.capacity)
    this.timeMs = new Float64Array(this.capacity)
    this.userHash = column()
    this.idHash = column()
    this.itemHash = column()
    this.seen = column()
    this.idNext = column()
    this.itemNext = column()
    this.idHead = new Uint32Array(buckets)
    this.itemHead = new Uint32Array(buckets)
    this.mask = buckets - 1
  }

  get size(): number {
    return this.count
  }

  /** The time of the view that goes next; Infinity where there is none. */
  get oldestMs(): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : this.timeMs[this.slot(this.oldest())]
  }

  add(userHash: number, idHash: number, itemHash: number, timeMs: number): number {
    if (this.count === this.capacity) this.count--
    this.newest = this.newest === 0xffffffff ? 1 : this.newest + 1
    this.count++
    const view = this.newest
    const at = this.slot(view)
    this.timeMs[at] = timeMs
    this.userHash[at] = userHash
    this.idHash[at] = idHash
    this.itemHash[at] = itemHash
    this.seen[at] = 0
    const idBucket = mix(userHash, idHash) & this.mask
    this.idNext[at] = this.idHead[idBucket]
    this.idHead[idBucket] = view
    if (this.isIndexedByItem) this.addByItem(view)
    return view
  }

  dropOldest(): void {
    this.count--
  }

  /** The user's view of this identity; 0 if it is not here. */
  find(userHash: number, idHash: number): number {
    let view = this.idHead[mix(userHash, idHash) & this.mask]
    for (let step = 0; step < MOST_STEPS && this.has(view); step++) {
      const at = this.slot(view)
      if (this.userHash[at] === userHash && this.idHash[at] === idHash) return view
      view = this.idNext[at]
    }
    return 0
  }

  /** The user's latest view of this item that is no later than `latestMs`; 0 if none is here. */
  findLatest(userHash: number, itemHash: number, latestMs: number): number {
    if (!this.isIndexedByItem) this.indexByItem()
    let found = 0
    let foundMs = Number.NEGATIVE_INFINITY
    let view = this.itemHead[mix(userHash, itemHash) & this.mask]
    for (let step = 0; step < MOST_STEPS && this.has(view); step++) {
      const at = this.slot(view)
      const timeMs = this.timeMs[at]
      if (this.userHash[at] === userHash && this.itemHash[at] === itemHash && timeMs <= latestMs && timeMs > foundMs) {
        found = view
        foundMs = timeMs
      }
      view = this.itemNext[at]
    }
    return found
  }

  private indexByItem(): void {
    this.isIndexedByItem = true
    for (let k = 0; k < this.count; k++) this.addByItem((this.oldest() + k) >>> 0)
  }

  private addByItem(view: number): void {
    const at = this.slot(view)
    const bucket = mix(this.userHash[at], this.itemHash[at]) & this.mask
    this.itemNext[at] = this.itemHead[bucket]
    this.itemHead[bucket] = view
  }

  timeOf(view: number): number {
    return this.timeMs[this.slot(view)]
  }

  /** Marks that a group was seen for the view; false where it had been already. */
  mark(view: number, group: number): boolean {
    const at = this.slot(view)
    const bit = 1 << group
    if ((this.seen[at] & bit) !== 0) return false
    this.seen[at] |= bit
    return true
  }

  private has(view: number): boolean {
    return view !== 0 && (this.newest - view) >>> 0 < this.count
  }

  private oldest(): number {
    return (this.newest - this.count + 1) >>> 0
  }

  private slot(view: number): number {
    return view % this.capacity
  }
}
