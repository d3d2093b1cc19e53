/**
 * A partition's clocks: how far each source has come, and the watermark (SEMANTICS.md section 4).
 *
 * Owns: highest times, silence, the watermark. Time is handed in: `nowMs` and `askedAtMs` are readings of one monotonic
 * clock, in ms.
 *
 * Invariants:
 * 1. The watermark never goes back.
 * 2. Silence grows only over successive answers that showed the source caught up, less than idleAfter apart. A process
 *    that was stopped, cut off or restarted has learned nothing meanwhile.
 */
import type { ToldClock } from './event.ts'
import type { Rules } from './rules.ts'

export class Clocks {
  watermarkMs = Number.NEGATIVE_INFINITY
  /** Per source: the highest event time; -Infinity while there was none. */
  readonly highestMs: Float64Array
  /** Per source: silence that counts, 0 while it does not. */
  readonly silenceMs: Float64Array
  private readonly silentSinceMs: Float64Array
  private readonly lastAnswerMs: Float64Array
  private readonly caughtUp: Uint8Array
  private readonly rules: Rules

  constructor(rules: Rules, sources: number) {
    this.rules = rules
    this.highestMs = new Float64Array(sources).fill(Number.NEGATIVE_INFINITY)
    this.silenceMs = new Float64Array(sources)
    this.silentSinceMs = new Float64Array(sources).fill(Number.NaN)
    this.lastAnswerMs = new Float64Array(sources).fill(Number.NaN)
    this.caughtUp = new Uint8Array(sources)
  }

  restore(watermarkMs: number, highestMs: readonly number[]): void {
    this.watermarkMs = watermarkMs
    for (let s = 0; s < this.highestMs.length; s++) this.highestMs[s] = highestMs[s] ?? Number.NEGATIVE_INFINITY
  }

  /** A record of the source with this time (event time or arrival time, by the basis). */
  record(source: number, timeMs: number): void {
    if (timeMs <= this.highestMs[source]) return
    this.highestMs[source] = timeMs
    this.refresh()
  }

  /** Records of the source were taken at `nowMs`: silence starts from there. */
  heard(source: number, nowMs: number): void {
    this.silentSinceMs[source] = nowMs
    this.lastAnswerMs[source] = nowMs
    this.silenceMs[source] = 0
    this.caughtUp[source] = 0
  }

  /** An answer of the log showed the source at its end; the request was sent at `askedAtMs`. */
  atEnd(source: number, askedAtMs: number): void {
    const gapMs = askedAtMs - this.lastAnswerMs[source]
    if (!(gapMs < this.rules.idleAfterMs)) this.silentSinceMs[source] = askedAtMs
    this.lastAnswerMs[source] = Math.max(askedAtMs, this.lastAnswerMs[source] || askedAtMs)
    this.caughtUp[source] = 1
    const silenceMs = askedAtMs - this.silentSinceMs[source]
    this.silenceMs[source] = silenceMs >= this.rules.idleAfterMs ? silenceMs : 0
    this.refresh()
  }

  /** An answer showed that the source has records to read. */
  behind(source: number): void {
    this.caughtUp[source] = 0
    this.silenceMs[source] = 0
    this.silentSinceMs[source] = Number.NaN
    this.lastAnswerMs[source] = Number.NaN
  }

  isAtEnd(source: number): boolean {
    return this.caughtUp[source] === 1
  }

  /** A record told others' clocks: only in a consolidated topic (toldClocks.ts). */
  tell(_told: readonly ToldClock[]): void {}

  /** The end of all input: everything is final. */
  finish(): void {
    this.watermarkMs = Number.POSITIVE_INFINITY
  }

  /** How far the source is: NaN when it is left out of the minimum. */
  clockMs(source: number): number {
    const highestMs = this.highestMs[source]
    const silenceMs = this.silenceMs[source]
    if (highestMs === Number.NEGATIVE_INFINITY) return this.caughtUp[source] === 1 ? Number.NaN : highestMs
    if (silenceMs > 0 && this.rules.idle === 'ignore') return Number.NaN
    return highestMs - this.rules.outOfOrdernessMs + silenceMs
  }

  private refresh(): void {
    let least = Number.POSITIVE_INFINITY
    for (let s = 0; s < this.highestMs.length; s++) {
      const clock = this.clockMs(s)
      if (clock < least) least = clock
    }
    if (least > this.watermarkMs && least !== Number.POSITIVE_INFINITY) this.watermarkMs = least
  }
}
