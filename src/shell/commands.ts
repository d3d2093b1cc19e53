/** The commands of the shell, in the order of its help. A new one is added here; all of them only read. */
import type { Explanation } from '../inspect/explanation.ts'
import type { ClusterLedger } from '../inspect/ledgerRoute.ts'
import { renderDelays } from '../show/delays.ts'
import { renderExplanation } from '../show/explanation.ts'
import {
  renderCluster,
  renderConfig,
  renderDead,
  renderGivenUp,
  renderPartition,
  renderPartitions,
  renderTail,
  renderUsers,
} from '../show/inside.ts'
import { renderLedger } from '../show/ledger.ts'
import { renderUser } from '../show/user.ts'
import { type Option, type Options, type ShellCommand, WordsError, withQuery } from './command.ts'

const LIMIT: Option = { flags: '--limit <n>', description: 'how many' }

const EXPLAIN_OPTIONS: readonly Option[] = [
  { flags: '--user <id>', description: "the view's user, where the id does not say it: no search", what: 'user' },
  { flags: '--at <time>', description: "the view's time (ISO 8601 or ms), where the id does not say it" },
]

const explainPath = (sampleId: string, { user, at }: Options): string =>
  withQuery(`/explain/${encodeURIComponent(sampleId)}`, { user, at })

export const COMMANDS: readonly ShellCommand[] = [
  {
    name: 'cluster',
    summary: 'the nodes, and which partitions each has',
    example: 'cluster',
    path: () => '/cluster',
    render: renderCluster,
  },
  {
    name: 'partitions',
    summary: 'all partitions: lag, watermark, pending views, actors, journal',
    example: 'partitions',
    path: () => '/partitions',
    render: renderPartitions,
  },
  {
    name: 'partition',
    summary: 'one partition in detail, with restarts and their causes',
    example: 'partition 0',
    argument: { name: 'number', what: 'partition' },
    path: (number) => `/partitions/${encodeURIComponent(number)}`,
    render: renderPartition,
  },
  {
    name: 'users',
    summary: 'users in memory: those with the most pending views, unless said otherwise',
    example: 'users --oldest --limit 5',
    options: [
      { flags: '--hot', description: 'those with the most pending views (the default)' },
      { flags: '--bytes', description: 'those that take the most memory' },
      { flags: '--oldest', description: 'those that have something due soonest' },
      { flags: '--prefix <text>', description: 'whose ids begin so', what: 'user' },
      LIMIT,
    ],
    path: usersPath,
    render: renderUsers,
  },
  {
    name: 'user',
    summary: "one user's pending views, labels so far, waiting engagements, timers",
    example: 'user u-17',
    argument: { name: 'id', what: 'user' },
    path: (user) => `/users/${encodeURIComponent(user)}`,
    render: renderUser,
  },
  ...(['explain', 'sample'] as const).map((name) => ({
    name,
    summary: name === 'explain' ? 'why a sample has its labels' : 'the same as explain',
    example: `${name} v-17`,
    argument: { name: 'sampleId', what: 'sample' as const },
    options: EXPLAIN_OPTIONS,
    path: explainPath,
    render: renderExplanation,
    isFailure: ({ status }: Explanation) => status === 'notFound',
  })),
  {
    name: 'tail',
    summary: 'the newest samples as they were emitted; with --follow until Ctrl-C, sampled when fast',
    example: 'tail --label click=1 --follow',
    options: [
      { flags: '--user <id>', description: 'of this user alone', what: 'user' },
      { flags: '--label <label=value>', description: 'with this value of a label', what: 'label' },
      { flags: '--rate <n>', description: 'at most so many at a time (20)' },
    ],
    path: (_, { user, label, rate }) => withQuery('/tail', { user, label, limit: rate }),
    render: renderTail,
    next: (path, { cursor }: { cursor: string }) => `${path}${path.includes('?') ? '&' : '?'}after=${cursor}`,
  },
  {
    name: 'late',
    summary: 'the newest engagements that were late or outside every window',
    example: 'late --limit 5',
    options: [LIMIT],
    path: (_, { limit }) => withQuery('/late', { limit }),
    render: renderGivenUp,
  },
  {
    name: 'orphans',
    summary: 'the newest engagements that never found a view',
    example: 'orphans',
    options: [LIMIT],
    path: (_, { limit }) => withQuery('/orphans', { limit }),
    render: renderGivenUp,
  },
  {
    name: 'dead',
    summary: 'the newest dead letters, with why',
    example: 'dead',
    options: [LIMIT],
    path: (_, { limit }) => withQuery('/dead', { limit }),
    render: renderDead,
  },
  {
    name: 'delays',
    summary: 'how long engagements take, and what each window would miss, of all nodes',
    example: 'delays',
    path: () => '/overview/delays',
    render: renderDelays,
  },
  {
    name: 'ledger',
    summary: 'the counts that must balance, of all partitions',
    example: 'ledger',
    path: () => '/ledger/cluster',
    render: renderLedger,
    isFailure: ({ balances }: ClusterLedger) => !balances,
  },
  {
    name: 'config',
    summary: 'the effective configuration of the node, with secrets hidden',
    example: 'config',
    path: () => '/config',
    render: renderConfig,
  },
]

function usersPath(_: string, { hot, bytes, oldest, prefix, limit }: Options): string {
  const chosen = [hot, bytes, oldest].filter((one) => one === true).length
  if (chosen > 1) throw new WordsError('--hot, --bytes and --oldest: one of them')
  const by = oldest === true ? 'oldest' : bytes === true ? 'bytes' : 'pending'
  return withQuery('/users', { by, prefix, limit })
}
