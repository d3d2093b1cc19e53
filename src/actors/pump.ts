/** Takes one after the other while there is something to take; in between, everybody else gets a turn of the event loop. */
import { nextTurn } from './loopTurn.ts'

export class Pump<T> {
  private isRunning = false
  private current: Promise<void> = Promise.resolve()
  private readonly next: () => T | undefined
  private readonly take: (one: T) => Promise<void>

  /** `take` tells its failures itself; one ends the run. */
  constructor(next: () => T | undefined, take: (one: T) => Promise<void>) {
    this.next = next
    this.take = take
  }

  /** Resolves when there is nothing to take: also for who comes while it runs. */
  run(): Promise<void> {
    if (!this.isRunning) this.current = this.takeAll()
    return this.current
  }

  private async takeAll(): Promise<void> {
    this.isRunning = true
    try {
      for (let one = this.next(); one !== undefined; one = this.next()) {
        await this.take(one)
        await nextTurn()
      }
    } catch {
      // Told where it happened.
    } finally {
      this.isRunning = false
    }
  }
}
