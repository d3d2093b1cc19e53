/**
 * The clocks of a consolidated topic: told by records in it, one for each partition of the sources that it is made of.
 *
 * What lies in a consolidated partition says nothing of what is still to come: that depends on how far whoever writes it
 * has read the sources. So the writer tells each source partition's clock, behind the events that it stands for, and the
 * watermark is the least of them. Being caught up on the consolidated topic is evidence of nothing: a writer that stands
 * still stalls time, and mints no negatives.
 *
 * Invariants: the watermark never goes back, and does not move before every source partition has told its clock, nor while
 * one tells -Infinity: it has records, and none of them was read yet.
 */
import { Clocks } from './clocks.ts'
import type { ToldClock } from './event.ts'
import type { Rules } from './rules.ts'

/** A source partition is left out: it is silent under `idle: ignore`, or never had an event. */
export const LEFT_OUT = Number.POSITIVE_INFINITY

export class ToldClocks extends Clocks {
  private readonly told: Map<string, number>
  private readonly leavesSilentOut: boolean

  /** `names`: of all source partitions. */
  constructor(rules: Rules, names: readonly string[]) {
    super(rules, 1)
    this.told = new Map(names.map((name) => [name, Number.NEGATIVE_INFINITY]))
    this.leavesSilentOut = rules.idle === 'ignore'
  }

  /** Nothing counts that was told before. */
  override restore(watermarkMs: number, highestMs: readonly number[]): void {
    super.restore(watermarkMs, highestMs)
    for (const name of this.told.keys()) this.told.set(name, Number.NEGATIVE_INFINITY)
  }

  /**
   * Of one record together: who is back, and behind, holds those that went on meanwhile. Who is new holds them from then
   * on: a partition that a source's topic was given meanwhile.
   */
  override tell(told: readonly ToldClock[]): void {
    for (const { name, clockMs } of told) this.told.set(name, clockMs)
    let least = LEFT_OUT
    for (const ms of this.told.values()) if (ms < least) least = ms
    if (least !== LEFT_OUT && least > this.watermarkMs) this.watermarkMs = least
  }

  /** An event moves no clock; the highest time is kept for what a commit tells. */
  override record(source: number, timeMs: number): void {
    if (timeMs > this.highestMs[source]) this.highestMs[source] = timeMs
  }

  override heard(): void {}

  override atEnd(): void {}

  override behind(): void {}

  override isAtEnd(): boolean {
    return false
  }

  override clockMs(): number {
    return this.watermarkMs
  }

  /**
   * The clock of the source partition that is furthest ahead: none has an event later than outOfOrderness beyond it.
   * Infinity where that cannot be said: one was not told yet, or is left out although it may have had events.
   */
  greatestMs(): number {
    let greatest = Number.NEGATIVE_INFINITY
    for (const ms of this.told.values()) {
      if (ms === Number.NEGATIVE_INFINITY || (ms === LEFT_OUT && this.leavesSilentOut)) return Number.POSITIVE_INFINITY
      if (ms !== LEFT_OUT && ms > greatest) greatest = ms
    }
    return greatest
  }

  /** Those that hold the watermark back, with how far they are. */
  slowest(): readonly (readonly [name: string, clockMs: number])[] {
    const least = Math.min(...this.told.values())
    return [...this.told].filter(([, clockMs]) => clockMs === least)
  }
}
