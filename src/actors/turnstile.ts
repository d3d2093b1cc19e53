/** One thing at a time: what is asked for runs in the order of asking, each to its end. */
export class Turnstile {
  private tail: Promise<void> = Promise.resolve()
  private readonly onFailed: (error: Error) => void

  constructor(onFailed: (error: Error) => void) {
    this.onFailed = onFailed
  }

  /** Runs when all before it are done; its failure is told to its caller and to `onFailed`. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.tail.then(work)
    this.tail = done.then(
      () => {},
      (error: unknown) => this.onFailed(error as Error),
    )
    return done
  }

  /** Resolves when all that was asked for so far is done. */
  get idle(): Promise<void> {
    return this.tail
  }
}
