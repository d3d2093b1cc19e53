/**
 * The newest of many things: no more than twice as many as are asked for are held, and what is too old to be among them
 * is known before it is made.
 */
export class Newest<T> {
  offered = 0
  private readonly limit: number
  private readonly order: (a: T, b: T) => number
  private readonly timeOf: (one: T) => number
  private kept: T[] = []
  private leastMs = Number.NEGATIVE_INFINITY

  /** `order`: the newest last, by `timeOf` first. */
  constructor(limit: number, order: (a: T, b: T) => number, timeOf: (one: T) => number) {
    this.limit = limit
    this.order = order
    this.timeOf = timeOf
  }

  /** Whether one of that time may be among the newest: then it is to be kept. */
  offer(timeMs: number): boolean {
    this.offered++
    return timeMs >= this.leastMs
  }

  keep(one: T): void {
    this.kept.push(one)
    if (this.kept.length < this.limit * 2) return
    this.kept = this.inOrder()
    this.leastMs = this.timeOf(this.kept[0])
  }

  /** The newest last. */
  inOrder(): T[] {
    return this.kept.sort(this.order).slice(-this.limit)
  }
}
