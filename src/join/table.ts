/**
 * A hash table whose entries are blocks of the arena, chained through one of their words: no object and no allocation
 * an entry.
 *
 * Invariants: a block's hash word does not change while it is in the table; buckets are at most as full as they are many.
 */
import type { Arena } from './arena.ts'

const FIRST_BUCKETS = 256

export class ChainTable {
  size = 0
  private buckets = new Uint32Array(FIRST_BUCKETS)
  private mask = FIRST_BUCKETS - 1
  private readonly arena: Arena
  private readonly nextWord: number
  private readonly hashWord: number

  constructor(arena: Arena, nextWord: number, hashWord: number) {
    this.arena = arena
    this.nextWord = nextWord
    this.hashWord = hashWord
  }

  /** The first block of the chain in which blocks of this hash are, among others; 0 if none. */
  head(hash: number): number {
    return this.buckets[spread(hash) & this.mask]
  }

  next(address: number): number {
    return this.arena.chunks[address >>> 16].u32[((address & 0xffff) << 2) + this.nextWord]
  }

  insert(address: number): void {
    if (this.size > this.mask) this.grow()
    const u32 = this.arena.chunks[address >>> 16].u32
    const word = (address & 0xffff) << 2
    const bucket = spread(u32[word + this.hashWord]) & this.mask
    u32[word + this.nextWord] = this.buckets[bucket]
    this.buckets[bucket] = address
    this.size++
  }

  /** Inserts directly before another block of the table. */
  insertBefore(address: number, before: number): void {
    this.insertBetween(address, before)
    this.size++
  }

  /** Inserts directly behind another block of the table, of the same hash. */
  insertAfter(address: number, after: number): void {
    const u32 = this.arena.chunks[after >>> 16].u32
    const word = ((after & 0xffff) << 2) + this.nextWord
    this.arena.chunks[address >>> 16].u32[((address & 0xffff) << 2) + this.nextWord] = u32[word]
    u32[word] = address
    this.size++
  }

  remove(address: number): void {
    const chunks = this.arena.chunks
    const word = ((address & 0xffff) << 2) + this.nextWord
    const u32 = chunks[address >>> 16].u32
    const bucket = spread(u32[((address & 0xffff) << 2) + this.hashWord]) & this.mask
    let at = this.buckets[bucket]
    this.size--
    if (at === address) {
      this.buckets[bucket] = u32[word]
      return
    }
    for (;;) {
      const here = chunks[at >>> 16].u32
      const link = ((at & 0xffff) << 2) + this.nextWord
      const next = here[link]
      if (next === address) {
        here[link] = u32[word]
        return
      }
      at = next
    }
  }

  /** Calls with each block; the table must not change meanwhile. */
  forEach(visit: (address: number) => void): void {
    for (let bucket = 0; bucket <= this.mask; bucket++) {
      for (let at = this.buckets[bucket]; at !== 0; at = this.next(at)) visit(at)
    }
  }

  /** Visits buckets from `bucket` on, round and round, until `visit` says enough or all were seen; returns where it is. */
  scan(bucket: number, visit: (address: number) => boolean): number {
    for (let seen = 0; seen <= this.mask; seen++) {
      const here = (bucket + seen) & this.mask
      let enough = false
      for (let at = this.buckets[here]; at !== 0; at = this.next(at)) if (!visit(at)) enough = true
      if (enough) return (here + 1) & this.mask
    }
    return bucket
  }

  /** How many buckets there are: when it changes, what `walk` has visited begins anew. */
  get bucketCount(): number {
    return this.mask + 1
  }

  /** Visits whole buckets from `bucket` on until `visit` says enough; returns the next one, -1 past the last. */
  walk(bucket: number, visit: (address: number) => boolean): number {
    for (let here = bucket; here <= this.mask; here++) {
      let enough = false
      for (let at = this.buckets[here]; at !== 0; at = this.next(at)) if (!visit(at)) enough = true
      if (enough) return here < this.mask ? here + 1 : -1
    }
    return -1
  }

  private insertBetween(address: number, before: number): void {
    const chunks = this.arena.chunks
    const hash = chunks[before >>> 16].u32[((before & 0xffff) << 2) + this.hashWord]
    const bucket = spread(hash) & this.mask
    chunks[address >>> 16].u32[((address & 0xffff) << 2) + this.nextWord] = before
    let at = this.buckets[bucket]
    if (at === before) {
      this.buckets[bucket] = address
      return
    }
    while (this.next(at) !== before) at = this.next(at)
    chunks[at >>> 16].u32[((at & 0xffff) << 2) + this.nextWord] = address
  }

  /** Doubles the buckets; chains keep their order, which the item table's order of views hangs on. */
  private grow(): void {
    const old = this.buckets
    this.buckets = new Uint32Array(old.length * 2)
    const tails = new Uint32Array(old.length * 2)
    this.mask = this.buckets.length - 1
    const chunks = this.arena.chunks
    for (let bucket = 0; bucket < old.length; bucket++) {
      for (let at = old[bucket]; at !== 0; ) {
        const u32 = chunks[at >>> 16].u32
        const word = (at & 0xffff) << 2
        const next = u32[word + this.nextWord]
        const target = spread(u32[word + this.hashWord]) & this.mask
        u32[word + this.nextWord] = 0
        const tail = tails[target]
        if (tail === 0) this.buckets[target] = at
        else chunks[tail >>> 16].u32[((tail & 0xffff) << 2) + this.nextWord] = at
        tails[target] = at
        at = next
      }
    }
  }
}

/** Users of one partition share the low bits of Kafka's hash: spread them. */
function spread(hash: number): number {
  const h = Math.imul(hash, 0x9e3779b1)
  return (h ^ (h >>> 15)) >>> 0
}
