/**
 * What is wrong in a cluster, and what to do about it: a line each, from what its nodes told. Pure.
 *
 * Invariant: what passes by itself says so; everything else names what to do.
 */
import type { ClusterAnswer } from './cluster.ts'
import { someOf } from './repartition.ts'
import type { NodeStatus, PartitionStatus } from './status.ts'

export interface Unreachable {
  /** The node's id, or its address where that is not known. */
  readonly node: string
  readonly reason: string
}

const SHOWN_DIGITS = 12

export function adviceOn(
  cluster: ClusterAnswer | null,
  nodes: readonly NodeStatus[],
  unreachable: readonly Unreachable[],
): string[] {
  return [
    ...(cluster === null ? [] : onGroup(cluster)),
    ...unreachable.map(
      ({ node, reason }) =>
        `${node} does not answer (${reason}): look at its log; if it is gone, others have its partitions when its session ` +
        '(kafka.sessionTimeout) has run out',
    ),
    ...nodes.flatMap((node) => node.partitions.flatMap((partition) => onPartition(node.node, partition))),
    ...nodes.flatMap(({ node, alarms }) => alarms.map((alarm) => `node ${node}: ${alarm}: please report it`)),
    ...onDifferences('work with different pipelines', nodes, ({ pipeline }) =>
      pipeline.fingerprint.slice(0, SHOWN_DIGITS),
    ),
    ...onDifferences('are of different versions', nodes, ({ version }) => version),
  ]
}

function onGroup({ isMoving, members, partitionCount, strangers, group }: ClusterAnswer): string[] {
  if (isMoving) {
    return [
      'a rebalance is under way: look again in a few seconds; if it lasts, a node does not answer the group in time',
    ]
  }
  const owned = new Set(members.flatMap(({ partitions }) => partitions))
  const orphaned = Array.from({ length: partitionCount }, (_, p) => p).filter((p) => !owned.has(p))
  return [
    ...(orphaned.length === 0 ? [] : [`nobody owns partitions ${orphaned.join(', ')}: start a node`]),
    ...(strangers === 0
      ? []
      : [`group ${group} has ${strangers} members that are no nodes of Postview: give it a name of its own`]),
  ]
}

function onPartition(node: string, status: PartitionStatus): string[] {
  const { partition, state, reason, sources, heldBackBy, slowest } = status
  if (state === 'stopped') return [`partition ${partition} is stopped on ${node}: ${reason}`]
  if (state === 'live' && slowest?.clockMs === null) {
    return [
      `partition ${partition} seals nothing: the clock of ${someOf(slowest)} was not told yet; if that lasts, nobody ` +
        'repartitions: start `postview repartition`, or nodes without --no-repartition',
    ]
  }
  const waiting = sources.find(({ topic, highestMs }) => topic === heldBackBy && highestMs === null)
  if (state !== 'live' || waiting === undefined) return []
  return [
    `partition ${partition} seals nothing: nothing has come from ${waiting.topic} yet, and it is not read to its end`,
  ]
}

function onDifferences(what: string, nodes: readonly NodeStatus[], of: (node: NodeStatus) => string): string[] {
  const groups = new Map<string, string[]>()
  for (const node of nodes) groups.set(of(node), [...(groups.get(of(node)) ?? []), node.node])
  if (groups.size < 2) return []
  const text = [...groups].map(([value, ids]) => `${value} on ${ids.join(', ')}`).join('; ')
  return [`nodes ${what} (${text}): bring the roll-out to its end`]
}
