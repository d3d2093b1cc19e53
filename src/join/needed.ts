/**
 * The lowest offset of a source that is still needed (SEMANTICS.md section 5), exactly: one bit an offset over the range
 * from the lowest needed to the highest seen.
 *
 * Invariants: an offset is added once before it is removed; the range's length in bits is what memory it takes.
 */
export class NeededOffsets {
  private bits = new Uint32Array(64)
  /** The offset of bit 0; a multiple of 32. */
  private base = 0
  /** No bit is set before this word. */
  private cursor = 0
  private words = 0
  private count = 0

  add(offset: number): void {
    if (this.count === 0) this.restart(offset)
    if (offset < this.base) this.extendDown(offset)
    if (wordOf(offset - this.base) >= this.bits.length) this.makeRoom(wordOf(offset - this.base))
    const bit = offset - this.base
    const at = wordOf(bit)
    const mask = 1 << (bit & 31)
    if ((this.bits[at] & mask) !== 0) return
    this.bits[at] |= mask
    this.count++
    if (at >= this.words) this.words = at + 1
    if (at < this.cursor) this.cursor = at
  }

  remove(offset: number): void {
    const bit = offset - this.base
    if (bit < 0 || bit >= this.words * 32) return
    const word = wordOf(bit)
    const mask = 1 << (bit & 31)
    if ((this.bits[word] & mask) === 0) return
    this.bits[word] &= ~mask
    this.count--
  }

  has(offset: number): boolean {
    const bit = offset - this.base
    return bit >= 0 && bit < this.words * 32 && (this.bits[wordOf(bit)] & (1 << (bit & 31))) !== 0
  }

  clear(): void {
    this.bits.fill(0, 0, this.words)
    this.cursor = 0
    this.words = 0
    this.count = 0
  }

  get size(): number {
    return this.count
  }

  /** The lowest needed offset, or `none` where nothing is needed. */
  lowest(none: number): number {
    if (this.count === 0) return none
    while (this.bits[this.cursor] === 0) this.cursor++
    const word = this.bits[this.cursor]
    return this.base + this.cursor * 32 + (31 - Math.clz32(word & -word))
  }

  private restart(offset: number): void {
    this.bits.fill(0, 0, this.words)
    this.base = Math.floor(offset / 32) * 32
    this.cursor = 0
    this.words = 0
  }

  /** Drops the words before the cursor, and grows if that is not enough. */
  private makeRoom(word: number): void {
    while (this.cursor < this.words && this.bits[this.cursor] === 0) this.cursor++
    const live = this.words - this.cursor
    const shifted = word - this.cursor
    const target =
      shifted + 1 > this.bits.length / 2 ? new Uint32Array(Math.max(shifted + 1, this.bits.length) * 2) : this.bits
    target.set(this.bits.subarray(this.cursor, this.words))
    if (target === this.bits) target.fill(0, live, Math.max(live, this.words))
    this.bits = target
    this.base += this.cursor * 32
    this.words = live
    this.cursor = 0
  }

  private extendDown(offset: number): void {
    const base = Math.floor(offset / 32) * 32
    const shift = (this.base - base) / 32
    const grown = new Uint32Array(Math.max(this.bits.length, (this.words + shift) * 2))
    grown.set(this.bits.subarray(0, this.words), shift)
    this.bits = grown
    this.base = base
    this.words += shift
    this.cursor = 0
  }
}

/** The word of a bit: a range of 2^31 offsets would be a quarter of a gigabyte of bits, so it fits. */
function wordOf(bit: number): number {
  return bit < 0x8000_0000 ? bit >>> 5 : Math.floor(bit / 32)
}
