/**
 * One thing after the other, in the order of the calls. RocksDB's calls run in a pool of threads, where two that are
 * both under way may overtake each other; a journal's reader must find its own writes, and no later write without the
 * earlier ones.
 */
export class Turns {
  private tail: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.tail.then(work)
    this.tail = result.catch(() => undefined)
    return result
  }

  /** Resolves when all that was asked for has ended, well or badly. */
  async settled(): Promise<void> {
    await this.tail
  }
}
