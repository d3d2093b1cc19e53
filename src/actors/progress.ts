/**
 * How far a partition's rebuilding has come: what it reads, how many records are left, and for how long that goes on.
 *
 * Records are counted as offsets between where reading began and the commit: gaps (control records, compaction) count.
 * Time is handed in: readings of one monotonic clock.
 */
export type ReplaySource = 'journal' | 'snapshot' | 'log'

export interface ReplayView {
  /** What is being read. */
  readonly reading: ReplaySource
  readonly recordsRead: number
  readonly recordsLeft: number
  /** Null while it cannot be told. */
  readonly ratePerS: number | null
  readonly secondsLeft: number | null
}

/** Before that the rate is that of a cold start. */
const TELLING_MS = 500

export class ReplayProgress {
  private reading: ReplaySource = 'journal'
  private recordsTotal = 0
  private recordsLeft = 0
  private phaseMs = 0
  private readonly nowMs: () => number

  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  /** Another thing is read from here on, with so many records in it. */
  begin(reading: ReplaySource, records: number): void {
    this.reading = reading
    this.recordsTotal = records
    this.recordsLeft = records
    this.phaseMs = this.nowMs()
  }

  left(records: number): void {
    this.recordsLeft = records
  }

  get view(): ReplayView {
    const { reading, recordsLeft } = this
    const recordsRead = this.recordsTotal - recordsLeft
    const elapsedMs = this.nowMs() - this.phaseMs
    const rate = elapsedMs < TELLING_MS || recordsRead === 0 ? null : (recordsRead / elapsedMs) * 1000
    return {
      reading,
      recordsRead,
      recordsLeft,
      ratePerS: rate === null ? null : Math.round(rate),
      secondsLeft: rate === null ? null : Math.round((recordsLeft / rate) * 10) / 10,
    }
  }
}

/** Records between two positions, over all sources. */
export function recordsBetween(from: ArrayLike<number>, to: ArrayLike<number>): number {
  let records = 0
  for (let source = 0; source < from.length; source++) records += Math.max(0, to[source] - from[source])
  return records
}
