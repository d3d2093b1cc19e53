/** A chunk below the committed offsets: taken in again without emitting or counting, and journalled, since it is missed there. */
import type { EventBatch } from '../join/event.ts'
import { type ReplayOptions, replay } from '../join/replay.ts'
import type { JoinState } from '../join/state.ts'
import type { RawChunk } from '../log/chunk.ts'
import { type Flags, type LateInReplay, skipBelow } from './arrival.ts'
import type { Store } from './store.ts'

export interface ReplayParts {
  readonly state: JoinState
  readonly batch: EventBatch
  readonly store: Store
  readonly flags: Flags
  readonly lateInReplay: LateInReplay
  /** Per source: the next offset to take; moved. */
  readonly position: Float64Array
  /** Per source: up to where the journal has everything; moved. */
  readonly coveredTo: Float64Array
}

export type ReplayRules = Required<Pick<ReplayOptions, 'isQuarantined' | 'keying' | 'source' | 'below' | 'decidedMs'>>

/** Returns how many records were taken. The batch holds the chunk's events. */
export async function replayChunk(parts: ReplayParts, chunk: RawChunk, rules: ReplayRules): Promise<number> {
  const { state, batch, store, flags, position, coveredTo } = parts
  const { source, below, isQuarantined } = rules
  skipBelow(batch, position[source])
  const late = parts.lateInReplay.of(state, batch, source, isQuarantined)
  const loading = store.load(batch, Number.NEGATIVE_INFINITY)
  if (loading !== undefined) await loading
  store.open(coveredTo)
  const taken = replay(state, batch, { ...rules, isLate: (i) => late[i] === 1 })
  position[source] = Math.min(chunk.nextOffset, below)
  store.settle()
  flags.noteReplayed(batch, below, late)
  await store.append(source, coveredTo[source], { ...chunk, nextOffset: position[source] }, flags.items)
  coveredTo[source] = Math.max(coveredTo[source], position[source])
  return taken
}
