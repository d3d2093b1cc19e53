/**
 * From moved clocks to output: users are loaded, have their turns, and what their turns brought about goes out in order.
 * The same for a batch and for a tick.
 */
import { type DeadRecord, gather, settleBatch } from '../join/batch.ts'
import { orderGaveUp, orderSealed } from '../join/order.ts'
import type { JoinState } from '../join/state.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Flags } from './arrival.ts'
import type { Memory } from './memory.ts'
import type { PartitionOutput } from './output.ts'
import { again, patiently, type Waiting } from './preparing.ts'
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
  readonly waiting: Waiting
  readonly observe?: (state: JoinState) => void
}

/** The chunk in hand, with its records that go to the dead letters. */
export interface InHand {
  readonly chunk: RawChunk
  readonly source: number
  readonly dead: readonly DeadRecord[]
}

export async function advance(parts: AdvanceParts, stampMs: number, inHand?: InHand): Promise<void> {
  const { state: s, output, store } = parts
  if (inHand !== undefined) {
    for (const { i, reason, decided } of inHand.dead)
      output.dead(inHand.chunk, i, inHand.source, reason, decided, stampMs)
  }
  const loading = store.load(s.batch, s.lastWatermarkMs)
  if (loading !== undefined) await loading
  gather(s)
  parts.schedule.beforeTurns()
  const crashed = parts.users.turns()
  if (crashed !== undefined) await crashed
  const restoring = parts.spill.restore()
  if (restoring !== undefined) await restoring
  for (const k of orderSealed(s)) {
    const waiting = output.sample(s, k, stampMs)
    if (waiting !== undefined)
      await patiently(
        again(waiting, () => output.sample(s, k, stampMs)),
        parts.waiting,
      )
  }
  for (const k of orderGaveUp(s)) {
    const waiting = output.gaveUp(s, k, stampMs)
    if (waiting !== undefined)
      await patiently(
        again(waiting, () => output.gaveUp(s, k, stampMs)),
        parts.waiting,
      )
  }
  parts.observe?.(s)
  if (s.batch !== undefined) parts.flags.note(s, s.batch)
  settleBatch(s, (user) => parts.memory.emptied(user))
  store.settle()
}
