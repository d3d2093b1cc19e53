/**
 * Prometheus metrics: read from the node's partitions when they are asked for, into a registry of the server's own.
 *
 * Invariants: nothing is counted here, so that a scrape cannot disagree with the ledger; labels are partitions, topics,
 * reasons and texts of the program, never ids of users, items or views, and of each there are few.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { LaneView, RepartitionView } from '../repartition/lanes.ts'
import { durationsMetric } from './histogram.ts'
import { PARTITION_HISTOGRAMS, PARTITION_METRICS, type PartitionMetric } from './partitionMetrics.ts'
import type { RefusalCounts } from './protect.ts'
import { recordLag, timeLagMs } from './source.ts'
import { readinessOf } from './status.ts'
import type { NodeView } from './view.ts'

export interface MetricsOptions {
  readonly node: NodeView
  readonly version: string
  readonly wallMs: () => number
  readonly refused: Readonly<RefusalCounts>
  /** What was logged as a warning or an error, by its text. */
  readonly faults: ReadonlyMap<string, number>
  /** How far this node's repartitioner is; undefined where it has none. */
  readonly repartition?: () => RepartitionView | undefined
}

/** More are told as one: a label must not grow without end. */
const FAULTS_MAX = 64

export function makeMetrics(options: MetricsOptions): Registry {
  const { node, wallMs, refused } = options
  const register = new Registry()
  for (const metric of PARTITION_METRICS) register.registerMetric(partitionMetric(metric, node, wallMs))
  for (const { name, help, read } of PARTITION_HISTOGRAMS) {
    const series = () => node.partitions.map((p) => ({ labels: { partition: p.index }, durations: read(p) }))
    register.registerMetric(durationsMetric(name, help, series))
  }
  const ofNode = (name: string, help: string, durations: () => NodeView['commitTimes']) =>
    register.registerMetric(durationsMetric(name, help, () => [{ labels: {}, durations: durations() }]))
  ofNode('postview_commit_seconds', 'From a commit’s capture to the group’s acknowledgement', () => node.commitTimes)
  ofNode('postview_flush_seconds', 'Of a commit, until all output before it was durable', () => node.flushTimes)
  for (const metric of nodeMetrics(options)) register.registerMetric(metric)
  for (const metric of repartitionMetrics(options)) register.registerMetric(metric)
  register.registerMetric(
    counter('postview_control_refused_total', 'Requests that the control server refused, by why', 'reason', () =>
      Object.entries(refused),
    ),
  )
  register.registerMetric(
    counter('postview_faults_total', 'Warnings and errors, also those that the log only counts, by text', 'fault', () =>
      fewest(options.faults),
    ),
  )
  collectDefaultMetrics({ register, prefix: 'postview_' })
  return register
}

function nodeMetrics({ node, version }: MetricsOptions): (Counter | Gauge)[] {
  const { pipeline } = node.config
  const info = { node: node.id, version, pipeline: pipeline.name, fingerprint: pipeline.fingerprint }
  return [
    counter('postview_commits_total', 'Commits acknowledged by the group', undefined, () => [['', node.commits]]),
    counter(
      'postview_assignments_total',
      'Assignments of partitions by the group: rebalances and the start',
      undefined,
      () => [['', node.assignments]],
    ),
    gauge('postview_ready', '1 when the node is ready: /ready answers 200', () => (readinessOf(node).ready ? 1 : 0)),
    gauge('postview_partitions', 'Partitions that this node has', () => node.partitions.length),
    new Gauge({
      name: 'postview_info',
      help: 'What runs here; always 1',
      labelNames: Object.keys(info),
      registers: [],
      collect() {
        this.set(info, 1)
      },
    }),
  ]
}

/** Series of source partitions that went to another repartitioner go with them. */
function repartitionMetrics({ repartition, wallMs }: MetricsOptions): (Counter | Gauge)[] {
  const perLane = (name: string, help: string, read: (lane: LaneView) => number | undefined): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: ['topic', 'partition'],
      registers: [],
      collect() {
        this.reset()
        for (const lane of repartition?.()?.lanes ?? []) {
          const value = read(lane)
          if (value !== undefined) this.set({ topic: lane.topic, partition: String(lane.partition) }, value)
        }
      },
    })
  return [
    perLane('postview_repartition_lag_records', 'Records of a source that are not repartitioned yet', (lane) =>
      recordLag(lane.position, lane.endOffset),
    ),
    perLane(
      'postview_repartition_lag_seconds',
      'Age, by event time, of the newest repartitioned record of a source that has more; 0 where all is',
      (lane) => {
        const ms = timeLagMs(lane, wallMs())
        return ms === undefined ? undefined : ms / 1000
      },
    ),
    counter('postview_repartition_records_total', 'Records that this process has repartitioned', undefined, () => [
      ['', repartition?.()?.records ?? 0],
    ]),
  ]
}

function gauge(name: string, help: string, read: () => number): Gauge {
  return new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(read())
    },
  })
}

function counter(
  name: string,
  help: string,
  label: string | undefined,
  read: () => readonly (readonly [string, number])[],
): Counter {
  return new Counter({
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [],
    collect() {
      this.reset()
      for (const [value, count] of read()) this.inc(label === undefined ? {} : { [label]: value }, count)
    },
  })
}

function fewest(faults: ReadonlyMap<string, number>): [string, number][] {
  const [few, rest] = [[...faults].slice(0, FAULTS_MAX), [...faults].slice(FAULTS_MAX)]
  return rest.length === 0 ? few : [...few, ['others', rest.reduce((sum, [, count]) => sum + count, 0)]]
}

/** Series of partitions that went to another node go with them: each scrape starts anew. */
function partitionMetric(metric: PartitionMetric, node: NodeView, wallMs: () => number): Counter | Gauge {
  const common = { name: metric.name, help: metric.help, labelNames: ['partition', ...metric.labels], registers: [] }
  const fill = (add: (labels: Record<string, string>, value: number) => void): void => {
    for (const partition of node.partitions) {
      for (const [labels, value] of metric.read(partition, node.topics, wallMs())) {
        add({ partition: String(partition.index), ...labels }, value)
      }
    }
  }
  if (metric.kind === 'gauge') {
    return new Gauge({
      ...common,
      collect() {
        this.reset()
        fill((labels, value) => this.set(labels, value))
      },
    })
  }
  return new Counter({
    ...common,
    collect() {
      this.reset()
      fill((labels, value) => this.inc(labels, value))
    },
  })
}
