/**
 * How many bytes of posted events may be on their way at a time: bodies being read, decoded and appended, and what the
 * partitions have fetched of them and not yet joined.
 *
 * Invariant: one request is always let in when nothing else is on its way, however large it is (bodies have their own
 * limit); beyond that the sum stays within the limit.
 */
export class IntakeBudget {
  /** Bytes of requests on their way. */
  takenBytes = 0
  private readonly limitBytes: number
  private readonly bufferedBytes: () => number

  constructor(limitBytes: number, bufferedBytes: () => number) {
    this.limitBytes = limitBytes
    this.bufferedBytes = bufferedBytes
  }

  /** Takes room for a request; what gives it back (once), or undefined while too much is on its way. */
  take(sizeBytes: number): (() => void) | undefined {
    const busyBytes = this.takenBytes + this.bufferedBytes()
    if (busyBytes > 0 && busyBytes + sizeBytes > this.limitBytes) return undefined
    this.takenBytes += sizeBytes
    let isGiven = false
    return () => {
      if (isGiven) return
      isGiven = true
      this.takenBytes -= sizeBytes
    }
  }
}
