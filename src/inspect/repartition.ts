/**
 * Status of a repartitioned pipeline: how far this node's repartitioner is behind the sources, and which source
 * partitions hold a joining partition's watermark back, as their clocks were told. Pure.
 *
 * Invariant: bounded, however many source partitions hold it back: at first all of them do.
 */
import type { RepartitionView } from '../repartition/lanes.ts'
import { finite, type SourceStatus, sourceStatus } from './source.ts'
import type { PartitionView } from './view.ts'

const NAMED_MOST = 5

export interface RepartitionStatus {
  /** The consolidated topic. */
  readonly topic: string
  /** Written by this process. */
  readonly records: number
  /** Over the source partitions that it reads; null where that of one is not known. */
  readonly lag: number | null
  /** Of the one that is furthest behind; null where none is known. */
  readonly lagMs: number | null
  readonly sources: readonly LaneStatus[]
}

export interface LaneStatus extends SourceStatus {
  readonly partition: number
}

/** Source partitions whose clocks are the least of all that were told. */
export interface Slowest {
  /** Null: not told yet. */
  readonly clockMs: number | null
  readonly count: number
  /** The first of them, each as `topic partition`. */
  readonly names: readonly string[]
}

export function repartitionStatus({ topic, records, lanes }: RepartitionView, wallMs: number): RepartitionStatus {
  const sources = lanes.map((lane) => ({ ...sourceStatus(lane, wallMs), partition: lane.partition }))
  const known = sources.flatMap(({ lagMs }) => lagMs ?? [])
  return {
    topic,
    records,
    lag: sources.some(({ lag }) => lag === null) ? null : sources.reduce((sum, { lag }) => sum + lag!, 0),
    lagMs: known.length === 0 ? null : Math.max(...known),
    sources,
  }
}

/** Null where the sources are joined as they are, or where none of them counts. */
export function slowestOf({ state }: PartitionView): Slowest | null {
  const slowest = state.clocks.slowest?.() ?? []
  if (slowest.length === 0 || slowest[0][1] === Number.POSITIVE_INFINITY) return null
  return {
    clockMs: finite(slowest[0][1]),
    count: slowest.length,
    names: slowest.slice(0, NAMED_MOST).map(([name]) => name),
  }
}

/** For people. */
export function someOf({ names: [first], count }: Slowest): string {
  return count === 1 ? first : `${first} and ${count - 1} more`
}
