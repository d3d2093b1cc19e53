/**
 * From moved clocks to output: users are loaded, have their turns, and what their turns brought about goes out in order.
 * The same for a batch and for a tick.
 */
import { type DeadRecord, gather, settleBatch } from '../join/batch.ts'
import { orderGaveUp, orderSealed } from '../join/order.ts'
import type { JoinState } from '../join/state.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Patience } from '../log/patience.ts'
import type { Flags } from './arrival.ts'
import type { Memory } from './memory.ts'
import type { PartitionOutput } from './output.ts'
import type { Onlooker } from './partitionOptions.ts'
import { again, patiently } from './preparing.ts'
import type { Slice } from './slice.ts'
import type { SnapshotSchedule } from './snapshotSchedule.ts'
import type { Spill } from './spill.ts'
import type { Store } from './store.ts'
import type { Users } from './users.ts'

export interface AdvanceParts {
  readonly state: JoinState
  readonly users: Users
  readonly store: Store
  readonly spill: Spill
  readonly memory: Memory
  readonly output: PartitionOutput
  readonly schedule: SnapshotSchedule
  readonly flags: Flags
  readonly slice: Slice
  readonly waiting: Patience
  readonly onlooker?: Onlooker
}

/** The chunk in hand, with its records that go to the dead letters. */
export interface InHand {
  readonly chunk: RawChunk
  readonly source: number
  readonly dead: readonly DeadRecord[]
}

export async function advance(parts: AdvanceParts, stampMs: number, inHand?: InHand): Promise<void> {
  const { state: s, output, store, slice, onlooker } = parts
  if (inHand !== undefined) {
    for (const { i, reason, decided } of inHand.dead)
      output.dead(inHand.chunk, i, inHand.source, reason, decided, stampMs)
  }
  const loading = store.load(s.batch, s.lastWatermarkMs)
  if (loading !== undefined) await loading
  slice.begin()
  gather(s)
  const capturing = parts.schedule.beforeForgetting(slice)
  if (capturing !== undefined) await capturing
  await parts.users.turns(slice)
  const restoring = parts.spill.restore()
  if (restoring !== undefined) await restoring
  // The onlooker comes first; it sees one again where making it is tried again.
  await emit(parts, orderSealed(s), (k) => {
    onlooker?.sealed(s, k)
    return output.sample(s, k, stampMs)
  })
  await emit(parts, orderGaveUp(s), (k) => {
    onlooker?.gaveUp(s, k)
    return output.gaveUp(s, k, stampMs)
  })
  onlooker?.done(s)
  if (s.batch !== undefined) parts.flags.note(s, s.batch)
  const emptied = (user: number): void => parts.memory.emptied(user)
  const isOver = (): boolean => slice.isOver()
  while (!settleBatch(s, emptied, isOver)) await slice.next()
  store.settle()
}

/** Makes one output; promises where it has to wait, and is then done when the promise is. */
type Make = (k: number) => Promise<void> | undefined

/** One after the other, in slices, and no more at a time than the output may hold. */
async function emit({ output, slice, waiting }: AdvanceParts, order: Int32Array, make: Make): Promise<void> {
  const last: { made?: Promise<void> } = {}
  for (let at = 0; at < order.length; ) {
    at = emitFrom(at, order, slice, make, last)
    const { made } = last
    if (made !== undefined) {
      const k = order[at - 1]
      const patient = again(made, () => make(k))
      await patiently(patient, waiting)
    } else if (at < order.length) {
      if (output.isFull) await output.flush()
      await slice.next()
    }
  }
}

/** Up to the end of the slice, or to one that has to wait; returns the next index. A loop that is never left half-way. */
function emitFrom(first: number, order: Int32Array, slice: Slice, make: Make, last: { made?: Promise<void> }): number {
  for (let at = first; at < order.length; at++) {
    last.made = make(order[at])
    if (last.made !== undefined || slice.isOver()) return at + 1
  }
  return order.length
}
