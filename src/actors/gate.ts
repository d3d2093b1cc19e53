/** Why a partition takes no further chunk for now, though some may wait: each reason comes and goes by itself. */
export class Gate {
  /** The node is told to stop; chunks are taken still. */
  isLeaving = false
  /** The node is stopping. */
  isQuiet = false
  /** A rebalance is under way: what is joined now might be another's to join. */
  isHeld = false
  /** Memory is full of what no commit stands behind yet. */
  isStarved = false

  get isShut(): boolean {
    return this.isQuiet || this.isHeld || this.isStarved
  }

  /** It goes, or may go, to another node. */
  get isDraining(): boolean {
    return this.isLeaving || this.isQuiet || this.isHeld
  }

  /** Until a commit lets state be moved out of memory. */
  starve(commitSoon: () => void): void {
    this.isStarved = true
    commitSoon()
  }
}
