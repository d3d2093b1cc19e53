/**
 * How fast partitions go: the counts of joined records, looked at in even steps, over the last few of them.
 *
 * Owns: a handful of looks. The time is handed in.
 */
const LOOKS = 6

interface Look {
  readonly atMs: number
  readonly counts: ReadonlyMap<number, number>
}

export class RateMeter {
  private readonly looks: Look[] = []

  /** A look at how many records each partition has joined so far. */
  look(atMs: number, counts: ReadonlyMap<number, number>): void {
    this.looks.push({ atMs, counts })
    if (this.looks.length > LOOKS) this.looks.shift()
  }

  /** Records a second since the oldest look that knew the partition; 0 until there are two. */
  perSecond(partition: number): number {
    const last = this.looks.at(-1)
    const first = this.looks.find((look) => look.counts.has(partition))
    const now = last?.counts.get(partition)
    if (last === undefined || first === undefined || now === undefined || last.atMs <= first.atMs) return 0
    // A partition that went and came again counts from 0 once more.
    return Math.max(0, ((now - first.counts.get(partition)!) * 1000) / (last.atMs - first.atMs))
  }
}
