/** A growable list of numbers in a typed array, reused from batch to batch. */
type Numbers = Uint32Array | Int32Array | Float64Array

export class NumberList<T extends Numbers> {
  items: T
  length = 0
  private readonly kind: new (
    length: number,
  ) => T

  constructor(kind: new (length: number) => T) {
    this.kind = kind
    this.items = new kind(64)
  }

  push(value: number): void {
    if (this.length === this.items.length) this.reserve(this.length * 2)
    this.items[this.length++] = value
  }

  /** Takes the last one; there must be one. */
  pop(): number {
    return this.items[--this.length]
  }

  /** Makes room for `length` entries without changing how many there are. */
  reserve(length: number): void {
    if (length <= this.items.length) return
    const grown = new this.kind(Math.max(length, this.items.length * 2))
    grown.set(this.items)
    this.items = grown
  }

  clear(): void {
    this.length = 0
  }
}
