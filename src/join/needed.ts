/**
 * The lowest offset of a source that is still needed (SEMANTICS.md section 5), exactly: one bit an offset, in pages that
 * are there only where an offset is needed. One event far ahead or far behind the others costs a page, and not the range.
 *
 * Invariants:
 * 1. An offset is added once before it is removed.
 * 2. A page that is there has a bit set; none lies before `cursor`. The list of pages ends with one that is there.
 */
const PAGE_SHIFT = 15
const PAGE_OFFSETS = 1 << PAGE_SHIFT
const PAGE_WORDS = PAGE_OFFSETS / 32
/** Entries of pages that are gone, before the list of pages is cut at its front. */
const MOST_GONE = 64

interface Page {
  readonly bits: Uint32Array
  count: number
  /** No bit is set before this word. */
  first: number
}

export class NeededOffsets {
  /** Page k holds the offsets from (base + k) * PAGE_OFFSETS on. */
  private pages: (Page | undefined)[] = []
  private base = 0
  private cursor = 0
  private count = 0
  /** The last page that was given up: nearly always the next one that is needed. */
  private spare: Page | undefined

  add(offset: number): void {
    const number = Math.floor(offset / PAGE_OFFSETS)
    if (this.count === 0) this.restart(number)
    else if (number < this.base) this.extendDown(number)
    const at = number - this.base
    const page = this.pages[at] ?? this.newPage(at)
    const bit = offset - number * PAGE_OFFSETS
    const word = bit >>> 5
    const mask = 1 << (bit & 31)
    if ((page.bits[word] & mask) !== 0) return
    page.bits[word] |= mask
    page.count++
    this.count++
    if (word < page.first) page.first = word
    if (at < this.cursor) this.cursor = at
  }

  remove(offset: number): void {
    const number = Math.floor(offset / PAGE_OFFSETS)
    const page = this.pages[number - this.base]
    if (page === undefined) return
    const bit = offset - number * PAGE_OFFSETS
    const mask = 1 << (bit & 31)
    if ((page.bits[bit >>> 5] & mask) === 0) return
    page.bits[bit >>> 5] &= ~mask
    this.count--
    if (--page.count > 0) return
    this.pages[number - this.base] = undefined
    this.spare = page
    while (this.pages.length > 0 && this.pages.at(-1) === undefined) this.pages.pop()
  }

  has(offset: number): boolean {
    const number = Math.floor(offset / PAGE_OFFSETS)
    const bit = offset - number * PAGE_OFFSETS
    const page = this.pages[number - this.base]
    return page !== undefined && (page.bits[bit >>> 5] & (1 << (bit & 31))) !== 0
  }

  clear(): void {
    this.pages = []
    this.cursor = 0
    this.count = 0
  }

  get size(): number {
    return this.count
  }

  /** The lowest needed offset, or `none` where nothing is needed. */
  lowest(none: number): number {
    if (this.count === 0) return none
    while (this.pages[this.cursor] === undefined) this.cursor++
    const page = this.pages[this.cursor]!
    while (page.bits[page.first] === 0) page.first++
    const word = page.bits[page.first]
    const lowest = (this.base + this.cursor) * PAGE_OFFSETS + page.first * 32 + (31 - Math.clz32(word & -word))
    if (this.cursor > MOST_GONE) this.cutFront()
    return lowest
  }

  private restart(number: number): void {
    this.pages.length = 0
    this.base = number
    this.cursor = 0
  }

  private newPage(at: number): Page {
    // A list with holes would become a dictionary.
    while (this.pages.length < at) this.pages.push(undefined)
    const page = this.spare ?? { bits: new Uint32Array(PAGE_WORDS), count: 0, first: 0 }
    page.first = PAGE_WORDS - 1
    this.spare = undefined
    this.pages[at] = page
    return page
  }

  private cutFront(): void {
    this.pages.splice(0, this.cursor)
    this.base += this.cursor
    this.cursor = 0
  }

  private extendDown(number: number): void {
    const gone: undefined[] = new Array(this.base - number).fill(undefined)
    this.pages = [...gone, ...this.pages]
    this.base = number
    this.cursor = 0
  }
}
