/**
 * Arrival: what is decided of a chunk's records as they come, before any user has its turn, and how it is told to the
 * journal.
 *
 * How it fails: a record in a partition where it does not belong is a PartitionStop that names topic, partition and
 * offset; nothing of its chunk was taken in then.
 */

import { type AdmitOptions, admit, type DeadRecord, MiskeyedError } from '../join/batch.ts'
import type { Clocks } from '../join/clocks.ts'
import type { EventBatch } from '../join/event.ts'
import { CLOCK, REFUSED, SKIPPED } from '../join/event.ts'
import { isBeyondClock } from '../join/replay.ts'
import type { Rules } from '../join/rules.ts'
import type { JoinState } from '../join/state.ts'
import type { RawChunk } from '../log/chunk.ts'
import { PartitionStop } from './partitionStop.ts'
import { ACCEPTED, WAS_LATE } from './segment.ts'

/** Records below the position were taken before: a rebalance or a fetch may hand them in again. */
export function skipBelow(batch: EventBatch, offset: number): void {
  for (let i = 0; i < batch.count && batch.offset[i] < offset; i++) batch.kind[i] = SKIPPED
}

export function admitChunk(
  s: JoinState,
  batch: EventBatch,
  chunk: RawChunk,
  options: AdmitOptions,
): readonly DeadRecord[] {
  try {
    return admit(s, batch, options)
  } catch (error) {
    if (!(error instanceof MiskeyedError)) throw error
    throw new PartitionStop(
      `${chunk.topic} partition ${chunk.partition} offset ${error.offset}: ${error.message}, by the text of its user ` +
        'id. Usual causes: null keys, a key that is not the user id, a partitioner other than murmur2 (librdkafka: set ' +
        'partitioner=murmur2_random), binary keys. `onMiskeyed: deadLetter` goes on without such records.',
      { cause: error },
    )
  }
}

/** What was decided of each record of a batch, as the journal keeps it. Reused from batch to batch. */
export class Flags {
  items = new Uint8Array(0)

  /** Of the batch in hand, between its turns and its settling. */
  note(s: JoinState, batch: EventBatch): void {
    this.reserve(batch.count)
    for (let i = 0; i < batch.count; i++) this.items[i] = batch.kind[i] < REFUSED ? ACCEPTED : 0
    for (let k = 0; k < s.lateRecords.length; k++) this.items[s.lateRecords.items[k]] |= WAS_LATE
  }

  /** Of a replayed batch: its records below an offset. */
  noteReplayed(batch: EventBatch, below: number, late: Uint8Array): void {
    this.reserve(batch.count)
    for (let i = 0; i < batch.count; i++) {
      const isTaken = batch.kind[i] < REFUSED && batch.offset[i] < below
      this.items[i] = isTaken ? ACCEPTED | (late[i] === 1 ? WAS_LATE : 0) : 0
    }
  }

  private reserve(count: number): void {
    if (this.items.length < count) this.items = new Uint8Array(count * 2)
  }
}

/**
 * Which of a replayed batch's records were late by their own source's clock: the best that a cold replay can tell
 * (SEMANTICS.md section 6); in a consolidated topic by the clocks that were told. What is quarantined moved no clock then either.
 */
export class LateInReplay {
  private readonly highestMs: Float64Array
  private readonly rules: Rules
  /** Of a consolidated topic: as its records tell them. */
  private readonly clocks: Clocks | undefined

  constructor(rules: Rules, sources: number, clocks?: Clocks) {
    this.clocks = clocks
    this.rules = rules
    this.highestMs = new Float64Array(sources).fill(Number.NEGATIVE_INFINITY)
  }

  /**
   * What is replayed comes behind these times: those of a shared snapshot. Clocks that are told go on from its watermark,
   * and no further before each has been told again.
   */
  startAt(highestMs: readonly (number | null)[], watermarkMs: number | null): void {
    const known = highestMs.map((ms) => ms ?? Number.NEGATIVE_INFINITY)
    this.highestMs.set(known)
    this.clocks?.restore(watermarkMs ?? Number.NEGATIVE_INFINITY, known)
  }

  of(
    s: JoinState,
    batch: EventBatch,
    source: number,
    isQuarantined: (source: number, offset: number) => boolean,
  ): Uint8Array {
    const { outOfOrdernessMs, allowedLatenessMs, basis } = this.rules
    const clockMs = basis === 'arrival' ? batch.stampMs : batch.timeMs
    const late = new Uint8Array(batch.count)
    let highestMs = this.highestMs[source]
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] === CLOCK) this.clocks?.tell(batch.told.get(i)!)
      if (batch.kind[i] >= REFUSED || isBeyondClock(s, batch, i, source)) continue
      if (isQuarantined(source, batch.offset[i])) continue
      if (clockMs[i] > highestMs) highestMs = clockMs[i]
      const watermarkMs = this.clocks?.watermarkMs ?? highestMs - outOfOrdernessMs
      late[i] = batch.timeMs[i] < watermarkMs - allowedLatenessMs ? 1 : 0
    }
    this.highestMs[source] = highestMs
    return late
  }
}
