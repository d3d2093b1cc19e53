/** The nodes, one a row, and behind a fold each partition. */
import { at, h, show, state, table } from './dom.js'
import { bytes, count, duration, short } from './format.js'
import { colourOf, letterOf } from './ring.js'

const COLUMNS = [
  { name: 'node' },
  { name: 'state' },
  { name: 'partitions', num: true },
  { name: 'records/s', num: true },
  { name: 'lag', num: true },
  { name: 'pending', num: true },
  { name: 'memory', num: true },
  { name: 'up', num: true },
]

export function showNodes({ nodes, node: asked }) {
  show(
    at('nodes'),
    table(
      'Nodes',
      COLUMNS,
      nodes.map((node, k) => row(node, k, asked)),
    ),
    h(
      'details',
      { 'data-key': 'partitions', open: isRoomy(nodes) },
      h('summary', { 'data-key': 'fold partitions' }, 'Each partition'),
      partitions(nodes),
    ),
  )
}

/** Few partitions beside a ring have their place without being asked for. */
function isRoomy(nodes) {
  const rows = nodes.reduce((sum, { overview }) => sum + (overview?.status.partitions.length ?? 0), nodes.length)
  return rows <= 16 && matchMedia('(min-width: 1081px)').matches
}

function row({ id, url, state: how, reason, overview }, k, asked) {
  const isAway = how !== 'answers'
  const name = h(
    'span',
    { class: 'row', title: url },
    h('span', { class: `swatch ${isAway ? 'gone' : colourOf(k)}`, 'aria-hidden': 'true' }, letterOf(k)),
    h('strong', null, id),
    id === asked && h('span', { class: 'muted small' }, 'serves this page'),
  )
  if (overview === null) {
    const word = how === 'gone' ? 'gone' : 'does not answer'
    const why = (reason ?? '').replace(/^.* does not answer: /, '')
    return [
      name,
      h('span', null, state('bad', word), h('span', { class: 'muted small' }, ` ${why}`)),
      '–',
      '–',
      '–',
      '–',
      '–',
      '–',
    ]
  }
  const { status } = overview
  const { totals } = status
  return [
    name,
    nodeState(status),
    count(status.partitions.length),
    short(totals.ratePerS),
    short(totals.lag),
    short(totals.pendingViews),
    bytes(status.memory.rssBytes),
    duration(status.uptimeMs),
  ]
}

function nodeState({ state: how, partitions }) {
  if (how === 'stopping') return state('warn', 'draining')
  if (how === 'starting') return state('warn', 'starting')
  const replaying = partitions.filter((one) => one.state === 'replaying').length
  const stopped = partitions.filter((one) => one.state === 'stopped').length
  if (stopped > 0) return state('bad', `${stopped} stopped`)
  return replaying > 0 ? state('warn', `${replaying} replaying`) : state('ok', 'live')
}

function partitions(nodes) {
  const columns = ['partition', 'node', 'state', 'watermark', 'lag', 'pending', 'actors', 'memory', 'records/s']
  const rows = nodes
    .flatMap(({ id, overview }) => (overview?.status.partitions ?? []).map((one) => ({ id, one })))
    .sort((a, b) => a.one.partition - b.one.partition)
    .map(({ id, one }) => [
      String(one.partition),
      id,
      partitionState(one),
      one.watermarkLagMs === null ? '–' : `−${duration(one.watermarkLagMs)}`,
      short(one.sources.reduce((sum, { lag }) => (sum === null || lag === null ? null : sum + lag), 0)),
      short(one.pendingViews),
      short(one.liveActors),
      bytes(one.stateBytes),
      short(one.ratePerS),
    ])
  return table(
    'Partitions',
    columns.map((name, k) => ({ name, num: k > 2, nowrap: true })),
    rows,
  )
}

function partitionState({ state: how, reason, replay }) {
  if (how === 'live') return state('ok', 'live')
  if (how === 'stopped')
    return h('span', null, state('bad', 'stopped'), h('span', { class: 'muted small' }, ` ${reason ?? ''}`))
  if (replay === null) return state('warn', how)
  const left = replay.secondsLeft === null ? '' : `, ${duration(replay.secondsLeft * 1000)} left`
  return state('warn', `replaying the ${replay.reading}: ${short(replay.recordsLeft)} records${left}`)
}
