/**
 * The join, run again over a range of one partition's records for the sake of one user: all records move the clocks, and
 * the user's own are joined by the same code as live, with a witness that is told of every decision.
 *
 * Invariant: nothing here judges. What is not the user's is passed over after the clocks have seen it, as the join passes
 * over what it has taken before.
 *
 * What it cannot give again: where a clock was moved by silence rather than by a record, and what came beyond the bound.
 * `isHeld` asks what had come in time: clocks hold the watermark back until `tick`.
 */

import type { Origins } from '../codec/port.ts'
import { admit, admitTick, gather, settleBatch } from '../join/batch.ts'
import type { Clocks } from '../join/clocks.ts'
import { type EventBatch, REFUSED, SKIPPED } from '../join/event.ts'
import { dropUser } from '../join/evolve.ts'
import { sameBytes } from '../join/hash.ts'
import type { Rules } from '../join/rules.ts'
import { JoinState } from '../join/state.ts'
import { takeTurn } from '../join/turn.ts'
import { Witness } from './witness.ts'

/** Further back than any event lies from another: the watermark of clocks that are held passes nothing. */
const HELD_MS = 1e15

export interface RerunOptions {
  readonly rules: Rules
  readonly sources: number
  readonly partition: number
  readonly partitions: number
  /** The user's id, as UTF-8. */
  readonly user: Buffer
  /** What was taken out of the join by a decision that the dead letters tell. */
  readonly isQuarantined: (source: number, offset: number) => boolean
  /** Per source: the highest event time that was let in; what is later was taken out. Infinity: not known. */
  readonly highestMs: readonly number[]
  /** Nothing is decided by a record's coming: all that is read comes in time. Means nothing where clocks are told. */
  readonly isHeld?: boolean
  /** Of a consolidated topic: the clocks that its records tell. */
  readonly makeClocks?: () => Clocks
  /** Of a consolidated topic: where its records came from. */
  readonly origins?: Origins
}

export class Rerun {
  readonly state: JoinState
  readonly witness: Witness
  private readonly options: RerunOptions

  constructor(options: RerunOptions) {
    this.options = options
    // What was let in is known; it is not judged again by a clock of now.
    const outOfOrdernessMs = options.isHeld ? HELD_MS : options.rules.outOfOrdernessMs
    const rules = { ...options.rules, onMiskeyed: 'deadLetter' as const, maxClockSkewMs: 0, outOfOrdernessMs }
    this.state = new JoinState(rules, options.sources, options.makeClocks?.())
    this.witness = new Witness(this.state, options.origins)
    this.state.observer = this.witness
  }

  /** Where clocks are held, what it would be if they were not. */
  get watermarkMs(): number {
    const heldMs = this.state.rules.outOfOrdernessMs - this.options.rules.outOfOrdernessMs
    return this.state.lastWatermarkMs + heldMs
  }

  /** A source that gives no records in this range holds no clock back. */
  leaveOut(source: number): void {
    this.state.clocks.atEnd(source, 0)
  }

  /** Takes a decoded batch of one source. */
  take(source: number, batch: EventBatch): void {
    const { state: s, options } = this
    const mine = this.own(batch)
    admit(s, batch, {
      source,
      partition: options.partition,
      partitions: options.partitions,
      wallMs: s.rules.basis === 'event' ? options.highestMs[source] : Number.POSITIVE_INFINITY,
      isQuarantined: options.isQuarantined,
    })
    let next = 0
    for (let i = 0; i < batch.count; i++) {
      if (next === mine.length || mine[next] !== i) {
        batch.kind[i] = SKIPPED
        continue
      }
      next++
      if (batch.kind[i] === SKIPPED) this.witness.quarantined(source, batch, i)
    }
    this.advance()
  }

  /** The clocks have moved without a record. */
  tick(watermarkMs: number): void {
    const { clocks } = this.state
    clocks.watermarkMs = Math.max(clocks.watermarkMs, watermarkMs)
    admitTick(this.state)
    this.advance()
  }

  private own(batch: EventBatch): number[] {
    const { user } = this.options
    const mine: number[] = []
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] >= REFUSED || batch.userLength[i] !== user.length) continue
      if (sameBytes(user, 0, user.length, batch.text, batch.userAt[i], user.length)) mine.push(i)
    }
    return mine
  }

  private advance(): void {
    const { state: s } = this
    gather(s)
    for (let k = 0; k < s.touched.length; k++) takeTurn(s, s.touched.items[k])
    settleBatch(s, (user) => dropUser(s, user))
    s.retained.clear()
    s.released.clear()
  }
}
