/**
 * Prometheus metrics: read from the node's partitions when they are asked for, into a registry of the server's own.
 *
 * Invariants: nothing is counted here, so that a scrape cannot disagree with the ledger; labels are partitions, topics
 * and reasons, never ids of users, items or views.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type LedgerField, ledgerToJson } from '../join/ledger.ts'
import type { RefusalCounts } from './protect.ts'
import { lagOf, type NodeView, type PartitionView } from './view.ts'

/** What a metric says of one partition: labels beside the partition's own, and the value. */
type Series = readonly (readonly [Readonly<Record<string, string>>, number])[]

interface PartitionMetric {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly labels: readonly string[]
  readonly read: (partition: PartitionView, topics: readonly string[]) => Series
}

const counted = (name: string, help: string, label: string, fields: Readonly<Record<string, LedgerField>>) =>
  ({
    name,
    help,
    kind: 'counter',
    labels: [label],
    read: ({ state }) => {
      const counts = ledgerToJson(state.ledger)
      return Object.entries(fields).map(([value, field]) => [{ [label]: value }, counts[field]] as const)
    },
  }) satisfies PartitionMetric

const single = (kind: 'counter' | 'gauge', name: string, help: string, read: (p: PartitionView) => number) =>
  ({ name, help, kind, labels: [], read: (partition) => [[{}, read(partition)]] }) satisfies PartitionMetric

const ledger = (kind: 'counter' | 'gauge', name: string, help: string, field: LedgerField) =>
  single(kind, name, help, ({ state }) => ledgerToJson(state.ledger)[field])

/** Of this process: what went one way and what came back. */
const bothWays = (name: string, help: string, read: (p: PartitionView) => readonly [number, number]) =>
  ({
    name,
    help,
    kind: 'counter',
    labels: ['direction'],
    read: (partition) => {
      const [written, back] = read(partition)
      return [
        [{ direction: 'write' }, written],
        [{ direction: 'read' }, back],
      ]
    },
  }) satisfies PartitionMetric

const perSource = (name: string, help: string, read: (p: PartitionView, source: number) => number | undefined) =>
  ({
    name,
    help,
    kind: 'gauge',
    labels: ['topic'],
    read: (partition, topics) =>
      topics.flatMap((topic, source) => {
        const value = read(partition, source)
        return value === undefined || !Number.isFinite(value) ? [] : [[{ topic }, value] as const]
      }),
  }) satisfies PartitionMetric

const METRICS: readonly PartitionMetric[] = [
  counted('postview_records_total', 'Records taken in, by what they were', 'kind', {
    view: 'views',
    engagement: 'engagements',
    refused: 'refused',
  }),
  ledger('counter', 'postview_samples_total', 'Samples made', 'samples'),
  counted('postview_engagements_total', 'Engagements, by what became of them', 'outcome', {
    bound: 'bound',
    unused: 'unused',
    outside: 'outside',
    late: 'late',
    orphan: 'orphan',
    duplicate: 'engagementDuplicates',
  }),
  counted('postview_dead_letters_total', 'Records that went to the dead letters, by why', 'reason', {
    refused: 'refused',
    view_quarantined: 'viewsQuarantined',
    engagement_quarantined: 'engagementsQuarantined',
  }),
  ledger('counter', 'postview_view_duplicates_total', 'Views that had come before', 'viewDuplicates'),
  ledger('counter', 'postview_view_conflicts_total', 'Duplicate views whose bytes differ', 'conflicts'),
  ledger('counter', 'postview_late_views_total', 'Views that came after the watermark had passed them', 'lateViews'),
  ledger('gauge', 'postview_pending_views', 'Views that are not sealed yet', 'pending'),
  ledger('gauge', 'postview_undecided_engagements', 'Engagements that are not decided yet', 'undecided'),
  perSource('postview_lag_records', 'Records in the log that are not joined yet', lagOf),
  perSource(
    'postview_source_silence_ms',
    'Silence of a caught-up source that moves the clock',
    (p, source) => p.state.clocks.silenceMs[source],
  ),
  single('gauge', 'postview_partition_live', '1 when replay is through', (p) => (p.isLive ? 1 : 0)),
  single('gauge', 'postview_state_bytes', 'Pending state in memory, in use', (p) => p.state.arena.usedBytes),
  single(
    'gauge',
    'postview_state_reserved_bytes',
    'Pending state in memory, reserved',
    (p) => p.state.arena.reservedBytes,
  ),
  single('gauge', 'postview_buffered_bytes', 'Fetched and not yet joined', (p) => p.bufferedBytes),
  single('gauge', 'postview_users', 'Users with state in memory', (p) => p.state.users.size),
  single('gauge', 'postview_live_actors', 'Live user actors', (p) => p.users.live),
  single(
    'counter',
    'postview_actor_restarts_total',
    'User actors restarted after an exception',
    (p) => p.users.restarts,
  ),
  single('counter', 'postview_actor_passivations_total', 'User actors stopped while idle', (p) => p.users.passivated),
  single('counter', 'postview_records_joined_total', 'Records joined by this process', (p) => p.rates.recordsJoined),
  single(
    'counter',
    'postview_records_replayed_total',
    'Records replayed by this process',
    (p) => p.rates.recordsReplayed,
  ),
  bothWays('postview_journal_bytes_total', 'Bytes written to the journal and read from it', ({ store }) => [
    store.journalCounts.bytesWritten,
    store.journalCounts.bytesRead,
  ]),
  bothWays('postview_journal_segments_total', 'Segments written to the journal and read from it', ({ store }) => [
    store.journalCounts.segmentsWritten,
    store.journalCounts.segmentsRead,
  ]),
  bothWays('postview_journal_users_total', 'Users moved from memory to the journal and back', ({ store }) => [
    store.counts.usersStored,
    store.counts.usersLoaded,
  ]),
  bothWays('postview_journal_views_total', 'Pending views moved from memory to the journal and back', ({ store }) => [
    store.counts.viewsStored,
    store.counts.viewsLoaded,
  ]),
  bothWays(
    'postview_spilled_views_total',
    "Hot users' views whose records were left to the journal, and read back",
    ({ spill }) => [spill.viewsSpilled, spill.viewsRestored],
  ),
  single('gauge', 'postview_journal_segments', 'Batches kept in the journal', (p) => p.store.segments),
  single('gauge', 'postview_stored_users', 'Users moved out of memory', (p) => p.store.storedUsers),
  single('counter', 'postview_join_seconds_total', 'Time spent joining', (p) => p.rates.joinMs / 1000),
]

export function makeMetrics(node: NodeView, wallMs: () => number, refused: Readonly<RefusalCounts>): Registry {
  const register = new Registry()
  for (const metric of METRICS) register.registerMetric(partitionMetric(metric, node))
  const lag = {
    name: 'postview_watermark_lag_ms',
    help: 'How far the watermark is behind the machine’s clock',
    kind: 'gauge',
    labels: [],
    read: ({ state }) => {
      const { watermarkMs } = state.clocks
      return Number.isFinite(watermarkMs) ? [[{}, wallMs() - watermarkMs]] : []
    },
  } satisfies PartitionMetric
  register.registerMetric(partitionMetric(lag, node))
  register.registerMetric(
    new Counter({
      name: 'postview_commits_total',
      help: 'Commits acknowledged by the group',
      registers: [],
      collect() {
        this.reset()
        this.inc(node.commits)
      },
    }),
  )
  register.registerMetric(
    new Counter({
      name: 'postview_control_refused_total',
      help: 'Requests that the control server refused, by why',
      labelNames: ['reason'],
      registers: [],
      collect() {
        this.reset()
        for (const [reason, count] of Object.entries(refused)) this.inc({ reason }, count)
      },
    }),
  )
  collectDefaultMetrics({ register, prefix: 'postview_' })
  return register
}

/** Series of partitions that went to another node go with them: each scrape starts anew. */
function partitionMetric(metric: PartitionMetric, node: NodeView): Counter | Gauge {
  const common = { name: metric.name, help: metric.help, labelNames: ['partition', ...metric.labels], registers: [] }
  const fill = (add: (labels: Record<string, string>, value: number) => void): void => {
    for (const partition of node.partitions) {
      for (const [labels, value] of metric.read(partition, node.topics)) {
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
