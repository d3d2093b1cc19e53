/**
 * Rate limits: a bucket of tokens a key, which fills evenly and holds what it gains in BURST_S. The time is handed in.
 *
 * Invariant: at most KEYS_MAX buckets are kept; the one that was used longest ago goes first, and comes back full. Who
 * has so many addresses is limited by connections and not by this.
 */
const BURST_S = 2
const KEYS_MAX = 1024

interface Bucket {
  left: number
  atMs: number
}

export class Buckets {
  private readonly buckets = new Map<string, Bucket>()
  private readonly perS: number

  constructor(perS: number) {
    this.perS = perS
  }

  /** Takes what a request costs; 0 if it was there, else the milliseconds after which it will be. */
  take(key: string, cost: number, nowMs: number): number {
    const full = this.perS * BURST_S
    const bucket = this.buckets.get(key) ?? { left: full, atMs: nowMs }
    this.buckets.delete(key)
    this.buckets.set(key, bucket)
    if (this.buckets.size > KEYS_MAX) this.buckets.delete(this.buckets.keys().next().value!)
    bucket.left = Math.min(full, bucket.left + (Math.max(0, nowMs - bucket.atMs) * this.perS) / 1000)
    bucket.atMs = nowMs
    // What costs more than a bucket holds is let in by a full one.
    const needed = Math.min(cost, full)
    if (bucket.left < needed) return Math.ceil(((needed - bucket.left) * 1000) / this.perS)
    bucket.left -= needed
    return 0
  }

  get size(): number {
    return this.buckets.size
  }
}
