/**
 * When a node that crashed is started again: waits that double, a limit of crashes in a row. Pure.
 *
 * Invariant: a node that has run for STEADY_MS has shown that it can; its next crash counts as the first.
 */
export const FIRST_WAIT_MS = 1_000
export const LONGEST_WAIT_MS = 30_000
export const STEADY_MS = 60_000
export const CRASHES_IN_A_ROW = 10

/** The variable by which a node learns how often it was started again. */
export const RESTARTS_VARIABLE = 'POSTVIEW_RESTARTS'

export class Restarts {
  /** Of all times. */
  count = 0
  private inARow = 0

  /** After a crash of what ran for `ranMs`: how long to wait, or null where it is given up. */
  crashed(ranMs: number): number | null {
    this.inARow = ranMs >= STEADY_MS ? 1 : this.inARow + 1
    if (this.inARow > CRASHES_IN_A_ROW) return null
    this.count++
    return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.inARow - 1))
  }
}
