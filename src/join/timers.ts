/**
 * A partition's timer queue: addresses of blocks, ordered by due time (event time, ms).
 *
 * A calendar queue (Brown 1988): buckets of 256 ms in a map, their keys in a heap, so that setting a timer is a push
 * and a watermark that jumps a week visits only the buckets that exist.
 *
 * Invariants: a timer is never cancelled. Who takes it out checks that the block still is what the timer was set for
 * (arena.ts, invariant 1), by its kind and its due time.
 */
const BUCKET_MS = 256
const RECENT = 4096
const FIRST_ITEMS = 16
/** Fewer timers than this are not worth looking through. */
const TIDY_FROM = 1 << 16

interface Bucket {
  items: Uint32Array
  count: number
}

export class Timers {
  size = 0
  private tidyAt = TIDY_FROM
  private readonly buckets = new Map<number, Bucket>()
  private readonly keys: number[] = []
  /**
   * Buckets asked for lately, by the low bits of their keys: a batch's due times lie within a few seconds, those of a
   * snapshot, which has one user after the other, within a quarter of an hour or more.
   */
  private readonly recentKeys = new Float64Array(RECENT).fill(Number.NaN)
  private readonly recent: (Bucket | undefined)[] = new Array(RECENT).fill(undefined)

  set(dueMs: number, address: number): void {
    const key = Math.floor(dueMs / BUCKET_MS)
    const slot = key & (RECENT - 1)
    const bucket = this.recentKeys[slot] === key ? this.recent[slot]! : this.bucket(key, slot)
    if (bucket.count === bucket.items.length) {
      const grown = new Uint32Array(bucket.items.length * 2)
      grown.set(bucket.items)
      bucket.items = grown
    }
    bucket.items[bucket.count++] = address
    this.size++
  }

  /** At or before when the soonest timer is due; Infinity if there is none. */
  get soonestMs(): number {
    return this.keys.length === 0 ? Number.POSITIVE_INFINITY : this.keys[0] * BUCKET_MS
  }

  /**
   * Takes out the timers due before `beforeMs`. `dueOf` tells a block's present due time: below `beforeMs` the block is
   * handed to `take`; NaN means that the timer means nothing any more; else it stays.
   */
  take(beforeMs: number, dueOf: (address: number) => number, take: (address: number, dueMs: number) => void): void {
    while (this.keys.length > 0 && this.keys[0] * BUCKET_MS < beforeMs) {
      const key = this.keys[0]
      const bucket = this.buckets.get(key)!
      let kept = 0
      for (let i = 0; i < bucket.count; i++) {
        const address = bucket.items[i]
        const dueMs = dueOf(address)
        if (dueMs < beforeMs) take(address, dueMs)
        else if (Math.floor(dueMs / BUCKET_MS) === key) bucket.items[kept++] = address
      }
      this.size -= bucket.count - kept
      bucket.count = kept
      if (kept > 0) return
      this.buckets.delete(key)
      this.popKey()
      this.forgetRecent(key)
    }
  }

  /**
   * For who frees many blocks long before their time, over and over (users moved out of memory and back): drops timers
   * that mean nothing any more, and doubles, once there are twice as many as after the last time.
   */
  tidy(dueOf: (address: number) => number): void {
    if (this.size < this.tidyAt) return
    for (const [key, bucket] of this.buckets) {
      const before = bucket.count
      tidyBucket(bucket, (address) => Math.floor(dueOf(address) / BUCKET_MS) === key)
      this.size -= before - bucket.count
    }
    this.tidyAt = Math.max(TIDY_FROM, 2 * this.size)
  }

  /** Visits timers, the soonest first (to a bucket), until `visit` says enough. They may mean nothing any more. */
  soonest(visit: (address: number) => boolean): void {
    for (const key of [...this.keys].sort((a, b) => a - b)) {
      const { items, count } = this.buckets.get(key)!
      for (let i = 0; i < count; i++) if (!visit(items[i])) return
    }
  }

  private bucket(key: number, slot: number): Bucket {
    let bucket = this.buckets.get(key)
    if (bucket === undefined) {
      bucket = { items: new Uint32Array(FIRST_ITEMS), count: 0 }
      this.buckets.set(key, bucket)
      this.pushKey(key)
    }
    this.recentKeys[slot] = key
    this.recent[slot] = bucket
    return bucket
  }

  private forgetRecent(key: number): void {
    const slot = key & (RECENT - 1)
    if (this.recentKeys[slot] !== key) return
    this.recentKeys[slot] = Number.NaN
    this.recent[slot] = undefined
  }

  private pushKey(key: number): void {
    const heap = this.keys
    let i = heap.push(key) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (heap[parent] <= key) break
      heap[i] = heap[parent]
      i = parent
    }
    heap[i] = key
  }

  private popKey(): void {
    const heap = this.keys
    const last = heap.pop()!
    const n = heap.length
    if (n === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= n) break
      if (child + 1 < n && heap[child + 1] < heap[child]) child++
      if (heap[child] >= last) break
      heap[i] = heap[child]
      i = child
    }
    heap[i] = last
  }
}

function tidyBucket(bucket: Bucket, isMeant: (address: number) => boolean): void {
  const items = bucket.items.subarray(0, bucket.count).sort()
  let kept = 0
  for (let i = 0; i < items.length; i++) {
    if ((i === 0 || items[i] !== items[i - 1]) && isMeant(items[i])) items[kept++] = items[i]
  }
  bucket.count = kept
  // Most are small again for good: nothing more becomes due in the past.
  bucket.items = bucket.items.slice(0, Math.max(FIRST_ITEMS, kept))
}
