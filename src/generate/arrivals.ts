/** Events that are yet to arrive, soonest first; among equal arrivals in the order in which they were added. */
import type { GeneratedEvent } from './event.ts'

interface Entry {
  readonly event: GeneratedEvent
  readonly sequence: number
}

export class Arrivals {
  private readonly heap: Entry[] = []
  private sequence = 0

  add(event: GeneratedEvent): void {
    const { heap } = this
    const entry = { event, sequence: this.sequence++ }
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent], entry)) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = entry
  }

  /** Takes the soonest, if it arrives before the time. */
  takeBefore(timeMs: number): GeneratedEvent | undefined {
    const { heap } = this
    if (heap.length === 0 || heap[0].event.arrivalMs >= timeMs) return undefined
    const first = heap[0].event
    const last = heap.pop()!
    if (heap.length > 0) this.sink(last)
    return first
  }

  private sink(entry: Entry): void {
    const { heap } = this
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++
      if (isBefore(entry, heap[child])) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = entry
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.event.arrivalMs < b.event.arrivalMs || (a.event.arrivalMs === b.event.arrivalMs && a.sequence < b.sequence)
}
