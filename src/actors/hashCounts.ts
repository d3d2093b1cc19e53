/**
 * How many stored users have a hash: a compact table that says of most users "not stored" without asking the journal.
 * A yes may be another user's; a no is sure.
 */
const FIRST_SLOTS = 1024

export class HashCounts {
  size = 0
  private keys = new Uint32Array(FIRST_SLOTS)
  /** One more than the users of the key; 0: the slot has no key. */
  private counts = new Uint32Array(FIRST_SLOTS)
  private used = 0

  add(hash: number): void {
    if (this.used * 2 >= this.keys.length) this.rebuild()
    const at = this.slot(hash)
    if (this.counts[at] === 0) {
      this.keys[at] = hash
      this.counts[at] = 1
      this.used++
    }
    this.counts[at]++
    this.size++
  }

  remove(hash: number): void {
    const at = this.slot(hash)
    if (this.counts[at] <= 1) return
    this.counts[at]--
    this.size--
  }

  has(hash: number): boolean {
    return this.size > 0 && this.counts[this.slot(hash)] > 1
  }

  private slot(hash: number): number {
    const mask = this.keys.length - 1
    let at = (Math.imul(hash, 0x9e3779b1) >>> 7) & mask
    while (this.counts[at] !== 0 && this.keys[at] !== hash) at = (at + 1) & mask
    return at
  }

  /** Leaves behind the hashes that nobody has any more, and doubles where that is not enough. */
  private rebuild(): void {
    const { keys, counts } = this
    const slots = this.size * 4 >= keys.length ? keys.length * 2 : keys.length
    this.keys = new Uint32Array(slots)
    this.counts = new Uint32Array(slots)
    this.used = 0
    for (let i = 0; i < keys.length; i++) {
      if (counts[i] <= 1) continue
      const at = this.slot(keys[i])
      this.keys[at] = keys[i]
      this.counts[at] = counts[i]
      this.used++
    }
  }
}
