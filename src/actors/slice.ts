/**
 * Slices of time: long work of one partition (all views due at once) lets everybody else have turns of the event loop in
 * between: questions, heartbeats, answers of brokers. Who works keeps its turnstile, so nothing else of the partition
 * runs.
 */
import { goOnNextTurn } from './loopTurn.ts'

const SLICE_MS = 15
/** Steps between two looks at the clock. */
const STEPS = 32

export class Slice {
  private endMs = 0
  private steps = 0

  begin(): void {
    this.steps = 0
    this.endMs = performance.now() + SLICE_MS
  }

  /** After each step: whether it is somebody else's turn. */
  isOver(): boolean {
    return ++this.steps % STEPS === 0 && performance.now() >= this.endMs
  }

  /** Resolves when the others have had theirs. */
  async next(): Promise<void> {
    await goOnNextTurn()
    this.begin()
  }
}
