/**
 * What the control server may see of a node: read-only, and no more than it shows. `Node` and `Partition` have this
 * shape by themselves; tests bring their own.
 *
 * Invariant: nothing here is changed, awaited or kept by the inspection: a scrape costs the join a few reads.
 */

import type { ReplayView } from '../actors/progress.ts'
import type { Recovered } from '../actors/rebuild.ts'
import type { Taken } from '../actors/snapshotSchedule.ts'
import type { ClusterMap } from '../cluster/map.ts'
import type { NodeConfig, Pipeline } from '../config/model.ts'
import type { DelayWatch } from '../delays/watch.ts'
import type { JournalCounts } from '../journal/port.ts'
import type { Log } from '../log/port.ts'
import type { Durations } from '../time/durations.ts'
import { recordLag } from './source.ts'

export type NodeState = 'starting' | 'running' | 'stopping'

export interface NodeView {
  readonly id: string
  readonly state: NodeState
  readonly config: {
    readonly pipeline: Pick<Pipeline, 'name' | 'fingerprint' | 'sources' | 'limits' | 'time'>
    readonly node: Pick<NodeConfig, 'group' | 'memory'>
  }
  readonly log: Log
  /** Of the sources, in their order. */
  readonly topics: readonly string[]
  /** Of the whole log, on whatever nodes; 0 while unknown. */
  readonly partitionCount: number
  readonly commits: number
  readonly map: Pick<ClusterMap, 'read' | 'ownerOf'>
  /** Absent: delays are not watched. */
  readonly delays?: Pick<DelayWatch, 'snapshot'>
  /** Assignments that the group has given it. */
  readonly assignments: number
  readonly commitTimes: DurationCounts
  readonly flushTimes: DurationCounts
  /** This node's own. */
  readonly partitions: readonly PartitionView[]
}

export interface PartitionView {
  readonly index: number
  readonly isLive: boolean
  /** What it has in hand is finished and committed: it goes, or may go, to another node. */
  readonly isDraining: boolean
  /** Why it stands still, where it does. */
  readonly stoppedBy: Error | undefined
  /** How far its replay has come; undefined once it is through. */
  readonly replay: ReplayView | undefined
  /** Fetched and not yet joined. */
  readonly bufferedBytes: number
  /** Per source: the next offset to take; the log's end when last heard of, Infinity while unknown. */
  readonly position: ArrayLike<number>
  readonly endOffset: ArrayLike<number>
  isPaused(source: number): boolean
  readonly rates: {
    readonly recordsJoined: number
    readonly recordsReplayed: number
    readonly batches: DurationCounts
    readonly emissions: DurationCounts
  }
  readonly users: { readonly live: number; readonly restarts: number; readonly passivated: number }
  /** Samples whose view had another writer's schema than the pipeline's, and was rewritten. */
  readonly output: { readonly transcoded: number }
  /** What the start made of the journal; why it was not used, where it was not. */
  readonly recovered: Recovered
  /** The last shared snapshot that was published. */
  readonly schedule: { readonly last: Taken | undefined }
  /** What was written to the journal and read from it, and what was moved there from memory and back. */
  readonly store: {
    readonly segments: number
    readonly storedUsers: number
    readonly journalCounts: JournalCounts
    readonly counts: Readonly<Record<'usersStored' | 'usersLoaded' | 'viewsStored' | 'viewsLoaded', number>>
  }
  readonly spill: { readonly viewsSpilled: number; readonly viewsRestored: number }
  readonly state: {
    readonly ledger: ArrayLike<number>
    /** As of the last whole batch: the one that balances, and is shown. */
    readonly settled: ArrayLike<number>
    readonly users: { readonly size: number }
    readonly arena: { readonly usedBytes: number; readonly reservedBytes: number }
    readonly clocks: {
      readonly watermarkMs: number
      readonly highestMs: ArrayLike<number>
      readonly silenceMs: ArrayLike<number>
      /** How far a source's clock is; NaN where it is left out of the watermark. */
      clockMs(source: number): number
      /** Of a consolidated topic: source partitions whose told clocks are the least; -Infinity: not told yet. */
      slowest?(): readonly (readonly [name: string, clockMs: number])[]
    }
  }
}

export type DurationCounts = Pick<Durations, 'counts' | 'sumMs'>

export type PartitionState = 'live' | 'replaying' | 'draining' | 'stopped'

export function stateOf({ stoppedBy, isLive, isDraining }: PartitionView): PartitionState {
  if (stoppedBy !== undefined) return 'stopped'
  if (!isLive) return 'replaying'
  return isDraining ? 'draining' : 'live'
}

/** Records still to be read; undefined while the log's end is unknown. */
export function lagOf(partition: PartitionView, source: number): number | undefined {
  return recordLag(partition.position[source], partition.endOffset[source])
}
