/** The results for people: tables on the terminal. Pure. */
import { createRequire } from 'node:module'
import { judge } from './bars.mjs'

const Table = createRequire(import.meta.url)('cli-table3')

const MB = 1e6
const int = (n) => Math.round(n).toLocaleString('en-US')
const fixed = (n, digits = 2) => n.toFixed(digits)
const percent = (share) => `${(share * 100).toFixed(1)} %`

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function table(head, rows) {
  const made = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: head.map((_, k) => (k === 0 ? 'left' : 'right')),
  })
  made.push(...rows)
  return made.toString()
}

export function reportRuns(runs, format) {
  const rows = runs.map(({ name, result }) => [
    name,
    int(result.eventsPerS),
    fixed(result.cpuSPerMillion),
    int(result.peakBytes / MB),
    result.check === undefined ? '' : result.check.isRight ? `right, ${result.check.duplicates} repeated` : 'WRONG',
    fixed(result.load, 1),
  ])
  return `${format}\n${table(['run', 'events/s', 'CPU s / M events', 'peak MB', 'digest', 'load before'], rows)}`
}

export function reportSummary(results) {
  const { passThrough, join, json, pending, restart, latency, kills, handovers, repartition, nodes } = results
  const rows = []
  const add = (what, value, aim = '') => rows.push([what, value, aim])
  if (passThrough) add('pass-through: CPU s per million events', fixed(passThrough.cpuSPerMillion))
  if (join) {
    add('join: CPU s per million events', fixed(join.cpuSPerMillion), '<= 10')
    if (join.ratioCpu) add('join / pass-through, CPU (median of pairs)', fixed(join.ratioCpu))
    if (join.ratioRate) add('join / pass-through, events/s (median of pairs)', fixed(join.ratioRate))
  }
  if (json) add('JSON without view ids: CPU s per million events', fixed(json.cpuSPerMillion))
  if (json?.factor) add('JSON without view ids / Avro with them', fixed(json.factor), '<= 3, or explained')
  if (pending) {
    add('bytes per pending view, above an idle node', int(pending.bytesPerView.aboveIdle), '<= 600')
    add('bytes per pending view, above a busy node', int(pending.bytesPerView.aboveBusy), '<= 600')
    add('bytes per pending view, in the slabs', int(pending.bytesPerView.state))
  }
  if (restart)
    add(`restart after kill -9 with ${int(restart.pendingViews)} pending views: s until live`, fixed(restart.seconds))
  if (latency) {
    add(`delay at ${int(latency.eventsPerS)} events/s: p50 / p99 / most, ms`, spread(latency.moving), 'p99 <= 1000')
    add('delay after traffic stops: p50 / p99 / most, ms', spread(latency.idle), 'most <= 1000')
  }
  if (kills) {
    const { p50S, p99S, maxS, boundS } = kills
    const what = `${kills.kills} kills, ${int(kills.pendingViewsEach)} pending views a partition: p50 / p99 / most, s until live elsewhere`
    add(what, inSeconds({ p50S, p99S, maxS }), `p99 <= ${boundS}`)
  }
  if (handovers) {
    for (const [what, { count, live, gap }] of [
      ['SIGTERM', handovers.drained],
      ['start', handovers.started],
    ]) {
      const name = `${what} of a node, ${count} times at ${int(handovers.eventsPerS)} events/s: p50 / p99 / most, s`
      add(`${name} until live elsewhere`, inSeconds(live), `p99 <= ${handovers.boundS}`)
      add(`${name} without samples`, inSeconds(gap), `p99 <= ${handovers.boundS}`)
    }
  }
  if (repartition) {
    add('sources keyed by item / by user, CPU (median of pairs)', fixed(repartition.ratioCpu))
    add('sources keyed by item / by user, events/s (median of pairs)', fixed(repartition.ratioRate))
  }
  if (nodes) {
    add('two nodes on two cores / one on one, events/s (median of pairs)', fixed(nodes.ratioRate))
    add('two nodes on two cores / one on one, CPU (median of pairs)', fixed(nodes.ratioCpu))
    add("the rate that these CPU seconds and the broker's would give", fixed(nodes.ratioByCpu))
  }
  return table(['measured', 'value', 'aim'], rows)
}

/** The bars, met or missed. */
export function reportBars(results) {
  const rows = judge(results).map(({ what, value, bar, aim, unit, verdict }) => {
    const shown = value === null ? '' : `${fixed(value, unit === 'x' || unit === 's' ? 2 : 0)} ${unit}`
    return [what, shown, `${bar} ${unit}`, `${aim} ${unit}`, verdict]
  })
  return table(['to reach', 'measured', 'bar', 'aim', ''], rows)
}

const inSeconds = ({ p50S, p99S, maxS }) => [p50S, p99S, maxS].map((seconds) => fixed(seconds)).join(' / ')
const spread = ({ p50Ms, p99Ms, maxMs }) => `${p50Ms} / ${p99Ms} / ${maxMs}`

export function reportThreads(threads) {
  const total = Object.values(threads).reduce((sum, s) => sum + s, 0)
  const rows = Object.entries(threads).map(([name, s]) => [name, fixed(s), percent(s / total)])
  return table(['thread', 'CPU s', 'share'], rows)
}

export function reportProfile({ areas, functions, busyS }) {
  const rows = (list) => list.map(({ name, share, seconds }) => [name, fixed(seconds), percent(share)])
  return [
    `main thread busy for ${fixed(busyS, 1)} s`,
    table(['area', 'self s', 'share'], rows(areas)),
    table(['function', 'self s', 'share'], rows(functions)),
  ].join('\n')
}
