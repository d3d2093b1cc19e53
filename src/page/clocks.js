/**
 * The watermark by source, and what holds it back, as the node tells it (`heldBackBy`); how far a source's clock is
 * behind: its highest event time less the bound, or following silence.
 */
import { at, h, show, table } from './dom.js'
import { count, duration, short } from './format.js'

export function showClocks({ nodes, atMs }) {
  const clocks = nodes.flatMap(({ overview }) =>
    overview === null ? [] : overview.status.partitions.map((p) => clockOf(p, overview.time, atMs)),
  )
  show(at('clocks'), h('p', { class: 'lead' }, sentence(clocks)), sources(clocks))
}

function clockOf(partition, time, atMs) {
  const sources = partition.sources.map((source) => ({ ...source, behindMs: behindOf(source, time, atMs) }))
  const slowest = sources.find(({ topic }) => topic === partition.heldBackBy) ?? null
  return { partition, sources, slowest, time }
}

/** How far the source's clock is behind the wall clock; null where it never had an event. */
function behindOf({ highestMs, silenceMs }, { outOfOrdernessMs, idleAfterMs }, atMs) {
  if (highestMs === null) return null
  return Math.max(0, atMs - (highestMs - outOfOrdernessMs + (silenceMs >= idleAfterMs ? silenceMs : 0)))
}

function sentence(clocks) {
  const told = clocks.filter(({ partition }) => partition.watermarkLagMs !== null)
  if (told.length === 0) return 'There is no watermark yet: no partition has had an event of each of its sources.'
  const worst = told.reduce((a, b) => (b.partition.watermarkLagMs > a.partition.watermarkLagMs ? b : a))
  const { partition, slowest } = worst
  const behind = `The furthest behind is partition ${partition.partition}: ${duration(partition.watermarkLagMs)}.`
  if (partition.state === 'replaying' || partition.state === 'stopped')
    return `${behind} It is ${partition.state}: nothing is sealed before that is over.`
  if (slowest === null) {
    // Of a consolidated topic it is a source partition, whose records others read.
    const { heldBackBy } = partition
    return heldBackBy === null ? behind : [behind, ' ', h('code', null, heldBackBy), ' holds it back.']
  }
  return [behind, ' ', h('code', null, slowest.topic), ` holds it back: it ${reasonOf(slowest, worst.time)}.`]
}

function reasonOf({ lag, paused, silenceMs, behindMs }, { idleAfterMs, outOfOrdernessMs }) {
  if (lag === null) return 'has not told where it ends'
  if (lag > 0 && paused)
    return `is paused with ${count(lag)} records to read, until the others or memory have caught up`
  if (lag > 0) return `has ${count(lag)} records to read`
  if (silenceMs >= idleAfterMs) return `is caught up and silent for ${duration(silenceMs)}, and follows the wall clock`
  if (behindMs > 2 * outOfOrdernessMs + idleAfterMs) return 'is caught up: its newest event is that old'
  return `is caught up; its clock stays ${duration(outOfOrdernessMs)} behind its newest event (time.outOfOrderness)`
}

function sources(clocks) {
  const topics = [...new Set(clocks.flatMap((clock) => clock.sources.map(({ topic }) => topic)))]
  const rows = topics.map((topic) => {
    const of = clocks.flatMap((clock) => clock.sources.filter((source) => source.topic === topic))
    const known = of.filter(({ behindMs }) => behindMs !== null)
    return {
      topic,
      worstMs: known.length === 0 ? null : Math.max(...known.map(({ behindMs }) => behindMs)),
      lag: of.some(({ lag }) => lag === null) ? null : of.reduce((sum, { lag }) => sum + lag, 0),
      paused: of.filter(({ paused }) => paused).length,
      silentMs: of.length === 0 ? null : Math.min(...of.map(({ silenceMs }) => silenceMs)),
      holds: clocks.filter(({ slowest }) => slowest?.topic === topic).length,
    }
  })
  const most = Math.max(1, ...rows.map(({ worstMs }) => worstMs ?? 0))
  return table(
    'Sources',
    [
      { name: 'source' },
      { name: 'clock behind, at most' },
      { name: 'lag', num: true },
      { name: 'silent for', num: true },
      { name: 'holds back', num: true },
    ],
    rows.map(({ topic, worstMs, lag, paused, silentMs, holds }) => [
      h('code', null, topic),
      [duration(worstMs), bar((worstMs ?? 0) / most, holds > 0)],
      paused > 0 ? `${short(lag)}, ${paused} paused` : short(lag),
      silentMs > 0 ? duration(silentMs) : '–',
      holds === 0 ? '–' : `${holds} partition${holds === 1 ? '' : 's'}`,
    ]),
  )
}

function bar(part, holds) {
  return h(
    'div',
    { class: 'bar', 'aria-hidden': 'true' },
    h('i', { class: holds && 'holds', 'width%': Math.round(part * 100) }),
  )
}
