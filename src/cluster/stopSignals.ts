/**
 * Which of the signals that a process gets is the wish to stop, and which one a second wish, to end at once.
 *
 * One wish may come several times: systemd tells a parent and each of its children (KillMode=control-group), and the
 * parent passes on what it was told. So what comes within SAME_MS of the first is the first once more.
 */
import type { Clock } from '../time/clock.ts'

export const SAME_MS = 1_000

export class StopSignals {
  private readonly clock: Clock
  private firstMs: number | undefined

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** A signal has come. */
  heard(): 'first' | 'same' | 'second' {
    const nowMs = this.clock.monotonicMs()
    if (this.firstMs === undefined) {
      this.firstMs = nowMs
      return 'first'
    }
    return nowMs - this.firstMs < SAME_MS ? 'same' : 'second'
  }
}
