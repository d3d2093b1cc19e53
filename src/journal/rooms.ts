/**
 * Buffers for segments on their way to RocksDB, used again and again: a fresh one for each would be a megabyte of garbage
 * a batch, which the collector answers with full collections.
 *
 * Invariants: a room belongs to one write until it is given back; what is kept is bounded.
 */
const ROOMS = 4
const MOST_BYTES = 4 << 20
const STEP_BYTES = 64 << 10

export class Rooms {
  private readonly spare: Buffer[] = []

  /** A buffer of at least that size. */
  take(sizeBytes: number): Buffer {
    for (let k = this.spare.length - 1; k >= 0; k--) {
      if (this.spare[k].length >= sizeBytes) return this.spare.splice(k, 1)[0]
    }
    // Too small for what comes now: its place is better given to a larger one.
    this.spare.pop()
    return Buffer.allocUnsafeSlow(Math.ceil(sizeBytes / STEP_BYTES) * STEP_BYTES)
  }

  giveBack(room: Buffer): void {
    if (room.length <= MOST_BYTES && this.spare.length < ROOMS) this.spare.push(room)
  }
}
