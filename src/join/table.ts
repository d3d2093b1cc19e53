/**
 * A hash table whose entries are blocks of the arena, chained through one of their words: no object and no allocation
 * an entry. It grows by linear hashing (Litwin 1980): a bucket at a time, so that no insertion ever stalls for all.
 *
 * Invariants:
 * 1. A block's hash word does not change while it is in the table; buckets soon are at least as many as blocks.
 * 2. Growing moves blocks to the last bucket only, and keeps the order of chains: who walks the buckets upwards misses
 *    nobody that was there, and the item table's order of views hangs on it.
 */
import type { Arena } from './arena.ts'

const FIRST_BUCKETS = 256
/** Of one insertion: those beside another block of the table do not split, and are made up for. */
const MOST_SPLITS = 2

export class ChainTable {
  size = 0
  private buckets = new Uint32Array(FIRST_BUCKETS)
  /** Buckets in use; `mask` is the least that covers them. */
  private count = FIRST_BUCKETS
  private mask = FIRST_BUCKETS - 1
  private readonly arena: Arena
  private readonly nextWord: number
  private readonly hashWord: number

  constructor(arena: Arena, nextWord: number, hashWord: number) {
    this.arena = arena
    this.nextWord = nextWord
    this.hashWord = hashWord
  }

  /** Buckets for so many blocks, in a table that has none yet: nothing is split on the way there. */
  reserve(blocks: number): void {
    if (this.size > 0 || blocks <= this.count) return
    this.buckets = new Uint32Array(blocks)
    this.count = blocks
    this.mask = 2 ** Math.ceil(Math.log2(blocks)) - 1
  }

  /** The first block of the chain in which blocks of this hash are, among others; 0 if none. */
  head(hash: number): number {
    return this.buckets[this.bucketOf(hash)]
  }

  next(address: number): number {
    return this.arena.chunks[address >>> 16].u32[((address & 0xffff) << 2) + this.nextWord]
  }

  insert(address: number): void {
    for (let k = 0; k < MOST_SPLITS && this.size >= this.count; k++) this.split()
    const u32 = this.arena.chunks[address >>> 16].u32
    const word = (address & 0xffff) << 2
    const bucket = this.bucketOf(u32[word + this.hashWord])
    u32[word + this.nextWord] = this.buckets[bucket]
    this.buckets[bucket] = address
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
    const bucket = this.bucketOf(u32[((address & 0xffff) << 2) + this.hashWord])
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
    for (let bucket = 0; bucket < this.count; bucket++) {
      for (let at = this.buckets[bucket]; at !== 0; at = this.next(at)) visit(at)
    }
  }

  /** Visits buckets from `bucket` on, round and round, until `visit` says enough or all were seen; returns where it is. */
  scan(bucket: number, visit: (address: number) => boolean): number {
    for (let seen = 0; seen < this.count; seen++) {
      const here = (bucket + seen) % this.count
      let enough = false
      for (let at = this.buckets[here]; at !== 0; at = this.next(at)) if (!visit(at)) enough = true
      if (enough) return (here + 1) % this.count
    }
    return bucket
  }

  /**
   * Visits whole buckets from `bucket` on until `visit` says enough; returns the next one, -1 past the last. Blocks may come
   * and go between two calls; one that stays is visited once, or again where the table has grown.
   */
  walk(bucket: number, visit: (address: number) => boolean): number {
    for (let here = bucket; here < this.count; here++) {
      let enough = false
      for (let at = this.buckets[here]; at !== 0; at = this.next(at)) if (!visit(at)) enough = true
      if (enough) return here + 1 < this.count ? here + 1 : -1
    }
    return -1
  }

  private bucketOf(hash: number): number {
    const bucket = spread(hash) & this.mask
    return bucket < this.count ? bucket : bucket & (this.mask >>> 1)
  }

  /** One bucket more: its blocks come from the one that stood for both. */
  private split(): void {
    if (this.count > this.mask) this.mask = 2 * this.mask + 1
    if (this.count === this.buckets.length) {
      const grown = new Uint32Array(this.buckets.length * 2)
      grown.set(this.buckets)
      this.buckets = grown
    }
    const to = this.count++
    const from = to & (this.mask >>> 1)
    const chunks = this.arena.chunks
    let stayed = 0
    let moved = 0
    for (let at = this.buckets[from]; at !== 0; ) {
      const u32 = chunks[at >>> 16].u32
      const word = (at & 0xffff) << 2
      const next = u32[word + this.nextWord]
      u32[word + this.nextWord] = 0
      if ((spread(u32[word + this.hashWord]) & this.mask) === to) {
        this.link(moved, at, to)
        moved = at
      } else {
        this.link(stayed, at, from)
        stayed = at
      }
      at = next
    }
    if (stayed === 0) this.buckets[from] = 0
  }

  /** Puts a block behind the last one of its chain, or at the head. */
  private link(last: number, address: number, bucket: number): void {
    if (last === 0) this.buckets[bucket] = address
    else this.arena.chunks[last >>> 16].u32[((last & 0xffff) << 2) + this.nextWord] = address
  }
}

/** Users of one partition share the low bits of Kafka's hash: spread them. */
function spread(hash: number): number {
  const h = Math.imul(hash, 0x9e3779b1)
  return (h ^ (h >>> 15)) >>> 0
}
