/**
 * Counts of durations in fixed bins, as Prometheus has them: cheap enough for each sample, never reset.
 *
 * Invariant: bin i counts durations of at most BOUNDS_S[i] (and above the bin before); the last one counts the rest.
 */
export const BOUNDS_S = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200]

const BOUNDS_MS = Float64Array.from(BOUNDS_S, (bound) => bound * 1000)

export class Durations {
  readonly counts = new Float64Array(BOUNDS_S.length + 1)
  sumMs = 0

  /** What is negative (clocks differ) counts as none. */
  add(ms: number): void {
    let bin = 0
    while (bin < BOUNDS_MS.length && ms > BOUNDS_MS[bin]) bin++
    this.counts[bin]++
    if (ms > 0) this.sumMs += ms
  }
}
