/**
 * One thing at a time, in the order of asking, while a few wait: for answers that take time of the join's own thread, or
 * memory, so that what they take together is bounded however many ask.
 */
const MOST_HELD = 8

export class OneAtATime {
  private last: Promise<unknown> = Promise.resolve()
  private held = 0

  /** No more may be asked for by now. */
  get isFull(): boolean {
    return this.held >= MOST_HELD
  }

  /** Runs when all before it have ended, as they may. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.held++
    const done = this.last.then(work)
    this.last = done.catch(() => {})
    try {
      return await done
    } finally {
      this.held--
    }
  }
}
