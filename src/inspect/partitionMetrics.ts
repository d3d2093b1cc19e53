/**
 * The metrics of a partition: name, meaning, and how each is read. docs/METRICS.md says what to make of them; a test holds
 * it against what is served. Pure.
 */
import { imbalance, type LedgerField, ledgerToJson } from '../join/ledger.ts'
import { EQUATIONS } from './ledger.ts'
import { type DurationCounts, lagOf, type PartitionView, stateOf } from './view.ts'

/** What a metric says of one partition: labels beside the partition's own, and the value. */
type Series = readonly (readonly [Readonly<Record<string, string>>, number])[]

export interface PartitionMetric {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly labels: readonly string[]
  readonly read: (partition: PartitionView, topics: readonly string[], wallMs: number) => Series
}

const counted = (name: string, help: string, label: string, fields: Readonly<Record<string, LedgerField>>) =>
  ({
    name,
    help,
    kind: 'counter',
    labels: [label],
    read: ({ state }) => {
      const counts = ledgerToJson(state.settled)
      return Object.entries(fields).map(([value, field]) => [{ [label]: value }, counts[field]] as const)
    },
  }) satisfies PartitionMetric

const single = (kind: 'counter' | 'gauge', name: string, help: string, read: (p: PartitionView) => number) =>
  ({ name, help, kind, labels: [], read: (partition) => [[{}, read(partition)]] }) satisfies PartitionMetric

const ledger = (kind: 'counter' | 'gauge', name: string, help: string, field: LedgerField) =>
  single(kind, name, help, ({ state }) => ledgerToJson(state.settled)[field])

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

const perSource = (
  name: string,
  help: string,
  read: (p: PartitionView, source: number, wallMs: number) => number | undefined,
) =>
  ({
    name,
    help,
    kind: 'gauge',
    labels: ['topic'],
    read: (partition, topics, wallMs) =>
      topics.flatMap((topic, source) => {
        const value = read(partition, source, wallMs)
        return value === undefined || !Number.isFinite(value) ? [] : [[{ topic }, value] as const]
      }),
  }) satisfies PartitionMetric

export const PARTITION_METRICS: readonly PartitionMetric[] = [
  counted('postview_records_total', 'Records taken in, by what they were', 'kind', {
    view: 'views',
    engagement: 'engagements',
    refused: 'refused',
  }),
  ledger('counter', 'postview_samples_total', 'Samples made', 'samples'),
  single(
    'counter',
    'postview_transcoded_samples_total',
    'Samples whose view was rewritten from another schema to the pipeline’s',
    (p) => p.output.transcoded,
  ),
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
    'postview_lag_seconds',
    'Age, by event time, of the newest joined record of a topic that has more; 0 where all is joined',
    (p, source, wallMs) => (lagOf(p, source) === 0 ? 0 : (wallMs - p.state.clocks.highestMs[source]) / 1000),
  ),
  perSource(
    'postview_source_clock_lag_seconds',
    'How far the highest event time of a topic is behind the machine’s clock',
    (p, source, wallMs) => (wallMs - p.state.clocks.highestMs[source]) / 1000,
  ),
  perSource(
    'postview_source_silence_seconds',
    'Silence of a caught-up source that moves the clock',
    (p, source) => p.state.clocks.silenceMs[source] / 1000,
  ),
  perSource('postview_source_paused', '1 while a source waits for the others or for room', (p, source) =>
    p.isPaused(source) ? 1 : 0,
  ),
  {
    name: 'postview_watermark_lag_seconds',
    help: 'How far the watermark is behind the machine’s clock',
    kind: 'gauge',
    labels: [],
    read: ({ state }, _, wallMs) => {
      const { watermarkMs } = state.clocks
      return Number.isFinite(watermarkMs) ? [[{}, (wallMs - watermarkMs) / 1000]] : []
    },
  },
  {
    name: 'postview_ledger_imbalance',
    help: 'Left side less right side of an equation of the ledger: anything but 0 is a bug',
    kind: 'gauge',
    labels: ['equation'],
    read: ({ state }) => imbalance(state.settled).map((off, k) => [{ equation: EQUATIONS[k].name }, off] as const),
  },
  single('gauge', 'postview_partition_live', '1 when replay is through and it is neither drained nor stopped', (p) =>
    stateOf(p) === 'live' ? 1 : 0,
  ),
  single('gauge', 'postview_partition_draining', '1 while it is drained: the node stops, or a rebalance begins', (p) =>
    stateOf(p) === 'draining' ? 1 : 0,
  ),
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
  single(
    'gauge',
    'postview_journal_segment_bytes',
    'Bytes of the batches kept in the journal',
    (p) => p.store.journalCounts.bytesKept,
  ),
  single('gauge', 'postview_stored_users', 'Users moved out of memory', (p) => p.store.storedUsers),
]

export interface PartitionHistogram {
  readonly name: string
  readonly help: string
  readonly read: (partition: PartitionView) => DurationCounts
}

export const PARTITION_HISTOGRAMS: readonly PartitionHistogram[] = [
  {
    name: 'postview_batch_seconds',
    help: 'From a batch’s first record to its last sample',
    read: ({ rates }) => rates.batches,
  },
  {
    name: 'postview_emission_delay_seconds',
    help: 'From the event time at which a view was due to its sample being made',
    read: ({ rates }) => rates.emissions,
  },
]
