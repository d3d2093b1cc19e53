/** What the shell shows beside users and explanations: the cluster, partitions, users, samples, what was given up. Pure. */
import { stringify } from 'yaml'
import type { ClusterAnswer } from '../inspect/cluster.ts'
import type { PartitionAnswer, PartitionsAnswer } from '../inspect/partitions.ts'
import type { DeadLetterRow, GivenUp, NewestAnswer } from '../inspect/sideOutputs.ts'
import type { TailAnswer, TailSample } from '../inspect/tail.ts'
import type { UsersAnswer } from '../inspect/users.ts'
import { formatBytes, formatCount, formatDuration, formatTime, UNKNOWN } from './format.ts'
import { flowing, left, paint, right, type Screen, table, whole } from './screen.ts'
import { isFitting } from './table.ts'

export function renderCluster(cluster: ClusterAnswer, screen: Screen): string {
  const columns = [whole('node'), whole('address', 2), left('version', 1), right('partitions'), left('which')]
  const rows = cluster.members.map(({ id, url, version, partitions }) => [
    id,
    url,
    version,
    `${partitions.length} of ${cluster.partitionCount}`,
    partitions.join(' '),
  ])
  const lines = [`group ${cluster.group}, as ${cluster.node} sees it`, table(screen, columns, rows)]
  if (cluster.isMoving) lines.push(paint(screen, 'yellow', 'a rebalance is under way: this is how it was before'))
  if (cluster.strangers > 0) lines.push(paint(screen, 'red', `${cluster.strangers} members of the group are no nodes`))
  return lines.join('\n')
}

export function renderPartitions({ partitions, silent }: PartitionsAnswer, screen: Screen): string {
  const columns = [
    right('partition'),
    left('node', 1),
    left('state'),
    right('lag'),
    right('behind'),
    right('pending'),
    right('users', 5),
    right('actors', 3),
    right('restarts', 2),
    right('memory', 4),
    right('segments', 6),
    right('records/s'),
  ]
  const rows = partitions.map((p) => [
    String(p.partition),
    p.node,
    p.imbalance.length > 0 ? 'LEDGER IS OFF' : p.state,
    formatCount(
      p.sources.reduce<number | null>((sum, { lag }) => (sum === null || lag === null ? null : sum + lag), 0),
    ),
    formatDuration(p.watermarkLagMs),
    formatCount(p.pendingViews),
    formatCount(p.users),
    formatCount(p.liveActors),
    formatCount(p.restarts),
    formatBytes(p.stateBytes),
    formatCount(p.journal.segments),
    formatCount(p.ratePerS),
  ])
  return [table(screen, columns, rows), ...silentLines(silent, screen)].join('\n')
}

/** Of a partition's lines: how wide what comes before it is. */
const HEAD = 12

export function renderPartition(p: PartitionAnswer, screen: Screen): string {
  const { journal, mailboxes, timers } = p
  const lines = [
    paint(screen, 'bold', `partition ${p.partition} on ${p.node}: ${p.state}`),
    `watermark   ${formatTime(p.watermarkMs)}, ${formatDuration(p.watermarkLagMs)} behind the clock`,
    ...p.sources.map(
      ({ topic, position, end, lag, highestMs, silenceMs, paused }) =>
        `source      ${topic}: at ${formatCount(position)} of ${formatCount(end)}, lag ${formatCount(lag)}, highest ` +
        `${formatTime(highestMs)}, silent for ${formatDuration(silenceMs)}${paused ? ', paused' : ''}`,
    ),
    `state       ${formatCount(p.pendingViews)} pending views, ${formatCount(p.undecided)} undecided engagements, ` +
      `${formatCount(p.users)} users in ${formatBytes(p.stateBytes)}`,
    `actors      ${formatCount(p.liveActors)} live, ${formatCount(p.restarts)} restarts; ` +
      `${mailboxes.busyActors} are being restarted, ${mailboxes.messages} messages wait for them`,
    `timers      ${formatCount(timers.count)}, the soonest ${formatTime(timers.soonestMs)}`,
    `inbox       ${formatBytes(p.bufferedBytes)} wait to be joined`,
    `journal     ${formatCount(journal.segments)} segments of ${formatBytes(journal.bytesKept)}, ${formatCount(journal.storedUsers)} users; ` +
      `${formatBytes(journal.bytesWritten)} written, ${formatBytes(journal.bytesRead)} read`,
    `ledger      ${p.imbalance.length === 0 ? 'balances' : paint(screen, 'red', 'DOES NOT BALANCE')}`,
  ]
  for (const { user, atMs, error, culprit, quarantined } of p.restartNotes) {
    const over = culprit === null ? '' : ` over ${culprit.topic} offset ${culprit.offset}`
    lines.push(`restart     ${formatTime(atMs)} user ${user}${over}${quarantined ? ', taken out' : ''}: ${error}`)
  }
  return lines.map((line, k) => (k === 0 ? line : flowing(screen, line.slice(0, HEAD), line.slice(HEAD)))).join('\n')
}

export function renderUsers(answer: UsersAnswer, screen: Screen): string {
  const columns = [
    whole('user'),
    right('partition', 1),
    left('node', 3),
    left('actor', 2),
    right('pending'),
    right('waiting'),
    right('bytes'),
    right('next due in'),
  ]
  const rows = answer.users.map((row) => [
    row.user,
    String(row.partition),
    row.node,
    row.live ? 'live' : 'passivated',
    formatCount(row.pendingViews),
    formatCount(row.waiting),
    formatBytes(row.bytes),
    formatDuration(row.inMs),
  ])
  const all = `${formatCount(answer.inMemory)} users in memory, ${formatCount(answer.liveActors)} live actors, ${formatCount(answer.stored)} users in the journal`
  return [table(screen, columns, rows), all, ...silentLines(answer.silent, screen)].join('\n')
}

/** One line a sample, so that it can follow another. */
export function renderSample({ producedAtMs, sample }: TailSample): string {
  const labels = Object.entries(sample.labels as Record<string, unknown>).map(([name, value]) => `${name}=${value}`)
  const late = sample.late_view === true ? ' late' : ''
  return `${formatTime(producedAtMs).slice(11, 23)} ${sample.sample_id} user=${sample.user_id} item=${sample.item_id} ${labels.join(' ')}${late}`
}

export function renderTail({ samples, skipped, away = [] }: TailAnswer, screen: Screen): string {
  const lines = samples.length === 0 && skipped === 0 ? ['no sample'] : samples.map(renderSample)
  if (skipped > 0) lines.unshift(`... ${formatCount(skipped)} more`)
  return [...lines, ...awayLines(away, screen)].join('\n')
}

/** An older node says nothing of them. */
function awayLines(away: readonly number[], screen: Screen): string[] {
  return away.length === 0 ? [] : [paint(screen, 'red', `without a leader, so not shown: partition ${away.join(', ')}`)]
}

export function renderGivenUp({ topic, count, records, away = [] }: NewestAnswer<GivenUp>, screen: Screen): string {
  const columns = [left('written'), left('reason'), left('user'), left('event'), left('from')]
  const rows = records.map((one) => [
    formatTime(one.writtenAtMs).slice(0, 19),
    one.reason,
    one.user ?? UNKNOWN,
    JSON.stringify(one.event),
    whereFrom(one),
  ])
  if (records.length === 0) return emptyOrAway(topic, away, screen)
  const isNarrow = screen.width !== undefined && !isFitting(columns, rows, screen.width)
  const shown = isNarrow ? records.map((one) => givenUpLines(one, screen)).join('\n') : table(screen, columns, rows)
  return [shown, `${formatCount(count)} in ${topic}`, ...awayLines(away, screen)].join('\n')
}

function emptyOrAway(topic: string, away: readonly number[], screen: Screen): string {
  return away.length === 0 ? `${topic} is empty` : [`nothing in ${topic}`, ...awayLines(away, screen)].join('\n')
}

/** Where a table would cut what one looks for. */
function givenUpLines(one: GivenUp, screen: Screen): string {
  const fields = Object.entries((one.event ?? {}) as object).filter(([, value]) => value !== null)
  const event = fields.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const head = `${formatTime(one.writtenAtMs).slice(0, 19)}  `
  return [
    flowing(screen, head, `${paint(screen, 'bold', one.reason)}  user ${one.user ?? UNKNOWN}  from ${whereFrom(one)}`),
    flowing(screen, ' '.repeat(head.length), event.join(' ')),
  ].join('\n')
}

/** Where it was produced, rather than where it was rewritten to. */
function whereFrom(one: GivenUp | DeadLetterRow): string {
  const { topic, partition, offset } = one.source ?? one
  return `${topic}/${partition}/${offset}`
}

export function renderDead({ topic, count, records, away = [] }: NewestAnswer<DeadLetterRow>, screen: Screen): string {
  const columns = [right('written'), left('from'), left('key'), right('bytes', 1), left('reason')]
  const rows = records.map((one) => [
    formatTime(one.writtenAtMs).slice(0, 19),
    whereFrom(one),
    one.key ?? UNKNOWN,
    formatBytes(one.valueBytes),
    one.reason,
  ])
  if (records.length === 0) return emptyOrAway(topic, away, screen)
  return [table(screen, columns, rows), `${formatCount(count)} in ${topic}`, ...awayLines(away, screen)].join('\n')
}

export function renderConfig(config: unknown): string {
  return stringify(config).trimEnd()
}

function silentLines(silent: readonly { node: string; reason: string }[], screen: Screen): string[] {
  return silent.map(({ node, reason }) => paint(screen, 'red', `${node} does not answer: ${reason}`))
}
