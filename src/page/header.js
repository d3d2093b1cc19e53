/** The line at the top: whether anything must be looked at, in words. */
import { at, h, show, state } from './dom.js'
import { count } from './format.js'

export function showHeader(overview, ledger) {
  const { nodes, pipeline, group, isMoving, partitionCount } = overview
  document.title = `Postview · ${pipeline}`
  at('pipeline').textContent = `${pipeline} · group ${group}`
  const badges = [nodesBadge(nodes), partitionsBadge(nodes, partitionCount), ledgerBadge(ledger)]
  if (isMoving) badges.push(state('warn', 'partitions are being given out anew'))
  for (const alarm of alarmsOf(nodes)) badges.push(state('bad', alarm))
  show(
    at('badges'),
    badges.map((badge) => h('li', null, badge)),
  )
}

function nodesBadge(nodes) {
  const away = nodes.filter((node) => node.state !== 'answers')
  if (away.length === 0) return state('ok', nodes.length === 1 ? '1 node answers' : `all ${nodes.length} nodes answer`)
  return state('bad', `${away.map(({ id }) => id).join(', ')} ${away.length === 1 ? 'does' : 'do'} not answer`)
}

function partitionsBadge(nodes, partitionCount) {
  const partitions = nodes.flatMap(({ overview }) => overview?.status.partitions ?? [])
  const live = partitions.filter((one) => one.state === 'live').length
  const stopped = partitions.filter((one) => one.state === 'stopped').length
  const text = `${count(live)} of ${count(partitionCount)} partitions live`
  if (stopped > 0) return state('bad', `${text}, ${stopped} stopped`)
  return live === partitionCount ? state('ok', text) : state('warn', text)
}

function ledgerBadge(ledger) {
  const { balances, missing } = ledger
  if (!balances) return state('bad', 'the ledger does not balance')
  if (missing.length > 0) return state('warn', `the ledger balances, without ${missing.join(', ')}`)
  return state('ok', 'the ledger balances')
}

function alarmsOf(nodes) {
  const alarms = nodes.flatMap(({ overview }) => overview?.status.alarms ?? [])
  return alarms.filter((alarm) => !/ledger/.test(alarm)).slice(0, 3)
}
