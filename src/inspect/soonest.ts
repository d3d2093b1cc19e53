/**
 * The soonest of many blocks: no more than asked for are kept, in a heap with the last of them on top, so that going over
 * a user's million views costs a look at each.
 *
 * Order: by time, then by place in the log (source, offset).
 */
interface Timed {
  block: number
  timeMs: number
  source: number
  offset: number
}

export class Soonest {
  offered = 0
  private readonly limit: number
  private readonly heap: Timed[] = []

  constructor(limit: number) {
    this.limit = limit
  }

  offer(block: number, timeMs: number, source: number, offset: number): void {
    this.offered++
    const { heap, limit } = this
    if (heap.length < limit) {
      heap.push({ block, timeMs, source, offset })
      if (heap.length === limit) heap.sort((a, b) => -compare(a, b.timeMs, b.source, b.offset))
      return
    }
    const [last] = heap
    if (compare(last, timeMs, source, offset) <= 0) return
    last.block = block
    last.timeMs = timeMs
    last.source = source
    last.offset = offset
    this.sink(last)
  }

  /** The soonest first. */
  inOrder(): number[] {
    return [...this.heap].sort((a, b) => compare(a, b.timeMs, b.source, b.offset)).map(({ block }) => block)
  }

  /** From the top to where what is above it is later. */
  private sink(sunk: Timed): void {
    const { heap } = this
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const other = heap[child + 1]
      if (other !== undefined && compare(heap[child], other.timeMs, other.source, other.offset) < 0) child++
      if (compare(heap[child], sunk.timeMs, sunk.source, sunk.offset) <= 0) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = sunk
  }
}

function compare(one: Timed, timeMs: number, source: number, offset: number): number {
  return one.timeMs - timeMs || one.source - source || one.offset - offset
}
