/**
 * A node's status as JSON. Pure: reads the node and what it is handed, and changes nothing.
 *
 * Invariant: what is not known is null, never left out and never a made-up 0; a number is always finite.
 */
import type { ReplaySource, ReplayView } from '../actors/progress.ts'
import type { Taken } from '../actors/snapshotSchedule.ts'
import { PENDING, UNDECIDED } from '../join/ledger.ts'
import type { JournalCounts } from '../journal/port.ts'
import type { RepartitionView } from '../repartition/lanes.ts'
import { alarmsOf, type Imbalance, imbalanceOf } from './ledger.ts'
import { type RepartitionStatus, repartitionStatus, type Slowest, slowestOf } from './repartition.ts'
import { finite, type SourceStatus, sourceStatus } from './source.ts'
import { type NodeState, type NodeView, type PartitionState, type PartitionView, stateOf } from './view.ts'

export interface NodeStatus {
  readonly node: string
  readonly url: string
  readonly version: string
  readonly pid: number
  readonly uptimeMs: number
  /** How often its parent process has started it again after a crash. */
  readonly startedAgain: number
  readonly log: 'kafka' | 'embedded'
  readonly group: string
  readonly pipeline: { readonly name: string; readonly fingerprint: string }
  readonly state: NodeState
  readonly partitionCount: number
  /** What somebody must look at; empty in good order. */
  readonly alarms: readonly string[]
  readonly partitions: readonly PartitionStatus[]
  /** How far this node's repartitioner is; null where it has none. */
  readonly repartition: RepartitionStatus | null
  readonly totals: Totals
  readonly memory: { readonly rssBytes: number; readonly heapUsedBytes: number; readonly externalBytes: number }
  readonly commits: number
  readonly eventLoopDelayMs: { readonly p99: number }
}

export interface PartitionStatus {
  readonly partition: number
  readonly state: PartitionState
  /** Why it is stopped, or null. */
  readonly reason: string | null
  /** How far its replay has come; null once it is through. */
  readonly replay: ReplayView | null
  readonly sources: readonly SourceStatus[]
  readonly watermarkMs: number | null
  /** The source whose clock is furthest behind, of a consolidated topic `topic partition`; null where none counts. */
  readonly heldBackBy: string | null
  /** Of a consolidated topic: all source partitions that hold the watermark back; else null. */
  readonly slowest: Slowest | null
  readonly watermarkLagMs: number | null
  readonly pendingViews: number
  readonly undecided: number
  /** Equations of the ledger that do not hold (an alarm). */
  readonly imbalance: readonly Pick<Imbalance, 'equation' | 'difference'>[]
  readonly users: number
  readonly liveActors: number
  readonly restarts: number
  /** Samples of this process whose view was rewritten from another schema to the pipeline's. */
  readonly transcoded: number
  readonly stateBytes: number
  readonly bufferedBytes: number
  readonly recordsJoined: number
  readonly recordsReplayed: number
  /** What its state was rebuilt from, before the log: the local journal, a shared snapshot, or nothing (the log). */
  readonly startedFrom: ReplaySource
  /** Users that a shared snapshot gave. */
  readonly usersShared: number
  /** The last shared snapshot that was published of it, or null. */
  readonly snapshot: Taken | null
  readonly ratePerS: number
  readonly journal: JournalStatus
}

/** What lies beside memory; what this process wrote there and read back. */
export interface JournalStatus extends JournalCounts {
  readonly segments: number
  readonly storedUsers: number
  readonly usersStored: number
  readonly usersLoaded: number
  readonly viewsStored: number
  readonly viewsLoaded: number
  readonly viewsSpilled: number
  readonly viewsRestored: number
  /** Segments read at the start; why the journal was not used then, or null. */
  readonly segmentsRecovered: number
  readonly refused: string | null
}

export interface Totals {
  readonly lag: number | null
  readonly pendingViews: number
  readonly undecided: number
  readonly users: number
  readonly liveActors: number
  readonly restarts: number
  readonly stateBytes: number
  readonly bufferedBytes: number
  readonly recordsJoined: number
  readonly ratePerS: number
}

/** What the node itself does not know. */
export interface Surroundings {
  readonly url: string
  readonly version: string
  readonly uptimeMs: number
  readonly startedAgain?: number
  readonly wallMs: number
  readonly memory: NodeJS.MemoryUsage
  readonly eventLoopP99Ms: number
  readonly ratePerS: (partition: number) => number
  /** Absent: this node does not repartition. */
  readonly repartition?: RepartitionView
}

export function statusOf(node: NodeView, around: Surroundings): NodeStatus {
  const { group } = node.config.node
  const { name, fingerprint } = node.config.pipeline
  const partitions = [...node.partitions]
    .sort((a, b) => a.index - b.index)
    .map((partition) => partitionStatus(partition, node.topics, around))
  return {
    node: node.id,
    url: around.url,
    version: around.version,
    pid: process.pid,
    uptimeMs: Math.round(around.uptimeMs),
    startedAgain: around.startedAgain ?? 0,
    log: node.log.kind,
    group,
    pipeline: { name, fingerprint },
    state: node.state,
    partitionCount: node.partitionCount,
    alarms: alarmsOf(node.partitions),
    partitions,
    repartition: around.repartition === undefined ? null : repartitionStatus(around.repartition, around.wallMs),
    totals: totalsOf(partitions),
    memory: {
      rssBytes: around.memory.rss,
      heapUsedBytes: around.memory.heapUsed,
      externalBytes: around.memory.external,
    },
    commits: node.commits,
    eventLoopDelayMs: { p99: Math.round(around.eventLoopP99Ms * 10) / 10 },
  }
}

function partitionStatus(p: PartitionView, topics: readonly string[], around: Surroundings): PartitionStatus {
  const { settled: ledger, clocks } = p.state
  const watermarkMs = finite(clocks.watermarkMs)
  const slowest = slowestOf(p)
  return {
    partition: p.index,
    state: stateOf(p),
    reason: p.stoppedBy?.message ?? null,
    replay: p.stoppedBy === undefined ? (p.replay ?? null) : null,
    sources: topics.map((topic, source) =>
      sourceStatus(
        {
          topic,
          position: p.position[source],
          endOffset: p.endOffset[source],
          highestMs: clocks.highestMs[source],
          silenceMs: clocks.silenceMs[source],
          isPaused: p.isPaused(source),
        },
        around.wallMs,
      ),
    ),
    watermarkMs,
    heldBackBy: clocks.slowest === undefined ? heldBackBy(p, topics) : (slowest?.names[0] ?? null),
    slowest,
    watermarkLagMs: watermarkMs === null ? null : Math.round(around.wallMs - watermarkMs),
    pendingViews: ledger[PENDING],
    undecided: ledger[UNDECIDED],
    imbalance: imbalanceOf(ledger),
    users: p.state.users.size,
    liveActors: p.users.live,
    restarts: p.users.restarts,
    transcoded: p.output.transcoded,
    stateBytes: p.state.arena.usedBytes,
    bufferedBytes: p.bufferedBytes,
    recordsJoined: p.rates.recordsJoined,
    recordsReplayed: p.rates.recordsReplayed,
    startedFrom: p.recovered.from,
    usersShared: p.recovered.usersLoaded,
    snapshot: p.schedule.last ?? null,
    ratePerS: Math.round(around.ratePerS(p.index)),
    journal: journalStatus(p),
  }
}

function heldBackBy({ state }: PartitionView, topics: readonly string[]): string | null {
  let slowest: string | null = null
  let leastMs = Number.POSITIVE_INFINITY
  topics.forEach((topic, source) => {
    const clockMs = state.clocks.clockMs(source)
    if (clockMs >= leastMs || Number.isNaN(clockMs)) return
    slowest = topic
    leastMs = clockMs
  })
  return slowest
}

function journalStatus({ store, spill, recovered }: PartitionView): JournalStatus {
  const { usersStored, usersLoaded, viewsStored, viewsLoaded } = store.counts
  return {
    ...store.journalCounts,
    segments: store.segments,
    storedUsers: store.storedUsers,
    usersStored,
    usersLoaded,
    viewsStored,
    viewsLoaded,
    viewsSpilled: spill.viewsSpilled,
    viewsRestored: spill.viewsRestored,
    segmentsRecovered: recovered.segmentsRead,
    refused: recovered.refused ?? null,
  }
}

export function totalsOf(partitions: readonly PartitionStatus[]): Totals {
  const sum = (pick: (partition: PartitionStatus) => number): number => partitions.reduce((n, p) => n + pick(p), 0)
  const lags = partitions.flatMap((partition) => partition.sources.map((source) => source.lag))
  return {
    lag: lags.includes(null) ? null : lags.reduce<number>((total, lag) => total + lag!, 0),
    pendingViews: sum((p) => p.pendingViews),
    undecided: sum((p) => p.undecided),
    users: sum((p) => p.users),
    liveActors: sum((p) => p.liveActors),
    restarts: sum((p) => p.restarts),
    stateBytes: sum((p) => p.stateBytes),
    bufferedBytes: sum((p) => p.bufferedBytes),
    recordsJoined: sum((p) => p.recordsJoined),
    ratePerS: sum((p) => p.ratePerS),
  }
}

export interface Readiness {
  readonly ready: boolean
  /** What is not, one line each. */
  readonly waitingFor: readonly string[]
}

/** Ready: started, and every partition that this node has been given is live. */
export function readinessOf(node: NodeView): Readiness {
  const waitingFor: string[] = []
  if (node.state !== 'running') waitingFor.push(`the node is ${node.state}`)
  for (const partition of node.partitions) {
    const { index, stoppedBy, isLive } = partition
    if (stoppedBy !== undefined) waitingFor.push(`partition ${index} is stopped: ${stoppedBy.message}`)
    else if (!isLive) waitingFor.push(`partition ${index} is replaying`)
  }
  return { ready: waitingFor.length === 0, waitingFor }
}
