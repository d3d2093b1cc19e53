/**
 * `node cluster status`: how the cluster is. Nodes of this data folder are asked, and whoever else the group knows of,
 * wherever they are; then what is wrong, and what to do about it.
 */
import type { Command } from 'commander'
import { adviceOn, type Unreachable } from '../inspect/advice.ts'
import type { ClusterAnswer } from '../inspect/cluster.ts'
import { someOf } from '../inspect/repartition.ts'
import type { SourceStatus } from '../inspect/source.ts'
import type { NodeStatus, PartitionStatus } from '../inspect/status.ts'
import { formatBytes, formatCount, formatDuration, formatTime } from '../show/format.ts'
import { answerText } from '../show/printable.ts'
import { flowing, left, PLAIN, right, type Screen, screenOf, table, whole } from '../show/screen.ts'
import type { Column } from '../show/table.ts'
import { askGroup, type Where } from './ask.ts'

export function addStatus(cluster: Command): void {
  cluster
    .command('status')
    .description('how nodes and partitions are: lag, pending views, watermarks, rates')
    .option('--config <folder>', 'configuration folder: nodes are looked for in its dataDir', 'config')
    .option('--url <url>', 'ask this node, wherever its files are')
    .option('--json', 'as JSON')
    .action(async (options: Where & { json?: boolean }) => {
      const { cluster, nodes, unreachable } = await askCluster(options)
      const advice = adviceOn(cluster, nodes, unreachable)
      const screen = screenOf(process.stdout, process.env)
      const text = answerText({ cluster, nodes, unreachable, advice }, options.json, (shown) =>
        [renderStatus(shown.nodes, screen), renderAdvice(shown.advice, screen)].join('\n\n'),
      )
      process.stdout.write(`${text}\n`)
    })
}

interface Asked {
  /** Null where nobody knows the group. */
  readonly cluster: ClusterAnswer | null
  readonly nodes: readonly NodeStatus[]
  readonly unreachable: readonly Unreachable[]
}

async function askCluster(where: Where): Promise<Asked> {
  const { cluster, answers, silent } = await askGroup<NodeStatus>('/status', where, ({ node }) => node)
  return { cluster, nodes: [...answers].sort((a, b) => (a.node < b.node ? -1 : 1)), unreachable: silent }
}

function renderAdvice(advice: readonly string[], screen: Screen): string {
  if (advice.length === 0) return 'Nothing is wrong.'
  return ['What is wrong:', ...advice.map((line) => flowing(screen, '- ', line))].join('\n')
}

/** Of `sourceCells`. */
const SOURCE_COLUMNS: readonly Column[] = [
  right('position', 3),
  right('end', 2),
  right('lag'),
  right('in time'),
  right('highest event time', 1),
  right('silent'),
  left(''),
]

export function renderStatus(nodes: readonly NodeStatus[], screen: Screen = PLAIN): string {
  const repartition = nodes.some(({ repartition }) => repartition?.sources.length)
    ? [renderRepartition(nodes, screen)]
    : []
  return [
    renderNodes(nodes, screen),
    ...repartition,
    renderSources(nodes, screen),
    renderPartitions(nodes, screen),
  ].join('\n\n')
}

function renderNodes(nodes: readonly NodeStatus[], screen: Screen): string {
  const columns = [
    whole('node'),
    left('state'),
    whole('address', 4),
    left('log', 8),
    left('group', 7),
    right('up', 2),
    right('crashes', 1),
    right('partitions'),
    right('lag'),
    right('pending'),
    right('records/s'),
    right('memory', 3),
    right('commits', 6),
    right('loop p99', 5),
  ]
  const rows = nodes.map((node) => [
    node.node,
    node.state,
    node.url,
    node.log,
    node.group,
    formatDuration(node.uptimeMs),
    formatCount(node.startedAgain),
    `${node.partitions.length} of ${node.partitionCount}`,
    formatCount(node.totals.lag),
    formatCount(node.totals.pendingViews),
    formatCount(node.totals.ratePerS),
    formatBytes(node.memory.rssBytes),
    formatCount(node.commits),
    formatDuration(node.eventLoopDelayMs.p99),
  ])
  return table(screen, columns, rows)
}

/** Sources on their way into the consolidated topic. */
function renderRepartition(nodes: readonly NodeStatus[], screen: Screen): string {
  const columns = [left('repartitioned by'), whole('source'), right('partition'), ...SOURCE_COLUMNS]
  const rows = nodes.flatMap(({ node, repartition }) =>
    (repartition?.sources ?? []).map((source) => [
      node,
      source.topic,
      String(source.partition),
      ...sourceCells(source),
    ]),
  )
  return table(screen, columns, rows)
}

function renderSources(nodes: readonly NodeStatus[], screen: Screen): string {
  const columns = [right('partition'), whole('source'), ...SOURCE_COLUMNS]
  const rows = partitionsOf(nodes).flatMap(({ partition }) =>
    partition.sources.map((source) => sourceRow(partition.partition, source)),
  )
  return table(screen, columns, rows)
}

function sourceRow(partition: number, source: SourceStatus): string[] {
  return [String(partition), source.topic, ...sourceCells(source)]
}

function sourceCells(source: SourceStatus): string[] {
  return [
    formatCount(source.position),
    formatCount(source.end),
    formatCount(source.lag),
    formatDuration(source.lagMs),
    formatTime(source.highestMs),
    formatDuration(source.silenceMs),
    source.paused ? 'paused' : '',
  ]
}

function renderPartitions(nodes: readonly NodeStatus[], screen: Screen): string {
  const columns = [
    right('partition'),
    left('node', 1),
    left('state'),
    right('watermark', 7),
    right('behind'),
    left('held back by'),
    right('pending'),
    right('undecided', 6),
    right('users', 5),
    right('actors', 4),
    right('restarts', 2),
    right('memory', 3),
    right('buffered', 8),
    right('records/s'),
  ]
  const rows = partitionsOf(nodes).map(({ node, partition: p }) => [
    String(p.partition),
    node,
    partitionState(p),
    formatTime(p.watermarkMs),
    formatDuration(p.watermarkLagMs),
    p.slowest ? someOf(p.slowest) : (p.heldBackBy ?? ''),
    formatCount(p.pendingViews),
    formatCount(p.undecided),
    formatCount(p.users),
    formatCount(p.liveActors),
    formatCount(p.restarts),
    formatBytes(p.stateBytes),
    formatBytes(p.bufferedBytes),
    formatCount(p.ratePerS),
  ])
  return table(screen, columns, rows)
}

function partitionState({ state, replay }: PartitionStatus): string {
  if (state !== 'replaying' || replay === null) return state
  const seconds = replay.secondsLeft === null ? '' : `, ${formatDuration(replay.secondsLeft * 1000)}`
  return `replaying ${replay.reading}: ${formatCount(replay.recordsLeft)} left${seconds}`
}

function partitionsOf(nodes: readonly NodeStatus[]): readonly { node: string; partition: PartitionStatus }[] {
  return nodes
    .flatMap(({ node, partitions }) => partitions.map((partition) => ({ node, partition })))
    .sort((a, b) => a.partition.partition - b.partition.partition)
}
