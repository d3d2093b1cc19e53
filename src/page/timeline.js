/**
 * The explanation as a time line: the view, each label's window with what was considered for it, the deadline, the seal.
 * Every mark has a shape of its own and the number of its row in the table below.
 */
import { h, s } from './dom.js'
import { after, duration } from './format.js'

/** As the table and the legend name them. */
export const OUTCOMES = {
  counted: 'counted',
  waiting: 'not decided yet',
  duplicate: 'duplicate',
  otherView: 'another view’s',
  outside: 'outside the window',
  unused: 'no label has its type',
  late: 'came after the seal',
  orphan: 'no view for it',
  quarantined: 'quarantined',
}

const ROW = 48
const TOP = 26
const SIDE = 16

export function timeline(told) {
  const place = h('div', null)
  const draw = () => place.replaceChildren(...drawn(told, Math.max(280, place.clientWidth || 900)))
  new ResizeObserver(draw).observe(place)
  draw()
  return place
}

function drawn({ view, labels, engagements, seal }, width) {
  const rows = rowsOf(labels, engagements)
  const sealMs = seal?.watermarkMs ?? null
  const x = scaleOf(view, labels, engagements, sealMs, width)
  const height = TOP + rows.length * ROW + 24
  const used = [...new Set(engagements.map(({ outcome }) => outcome))]
  return [
    s(
      'svg',
      {
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
        class: 'timeline',
        role: 'img',
        'aria-label': label(labels, engagements),
      },
      rows.map((row, k) => rowOf(row, TOP + k * ROW, x, view)),
      line(x(view.timeMs), height, 'at-view', 'view', x),
      line(x(view.deadlineMs), height, 'at-deadline', 'deadline', x, true),
      sealMs !== null && line(x(sealMs), height, 'at-seal', null, x),
      ticks(view, x, height),
    ),
    h(
      'ul',
      { class: 'legend small' },
      used.map((outcome) =>
        h(
          'li',
          null,
          s('svg', { width: 16, height: 16, 'aria-hidden': 'true' }, mark(outcome, 8, 8)),
          OUTCOMES[outcome] ?? outcome,
        ),
      ),
      sealMs !== null &&
        h(
          'li',
          null,
          s(
            'svg',
            { width: 16, height: 16, 'aria-hidden': 'true', class: 'timeline' },
            s('line', { x1: 8, x2: 8, y1: 0, y2: 16, class: 'at-seal' }),
          ),
          `sealed: the watermark was ${after(sealMs - view.timeMs)}`,
        ),
    ),
  ]
}

/** A row a label; what no label is on has one of its own. */
function rowsOf(labels, engagements) {
  const numbered = engagements.map((one, k) => ({ ...one, number: k + 1 }))
  const rows = labels.map((one) => ({ label: one, marks: numbered.filter(({ type }) => type === one.on) }))
  const rest = numbered.filter(({ type }) => !labels.some(({ on }) => on === type))
  return rest.length === 0 ? rows : [...rows, { label: null, marks: rest }]
}

function scaleOf(view, labels, engagements, sealMs, width) {
  const times = [
    view.timeMs,
    view.deadlineMs,
    ...labels.flatMap(({ fromMs, toMs }) => [fromMs, toMs]),
    ...engagements.map(({ timeMs }) => timeMs),
  ]
  const span = Math.max(1, view.deadlineMs - view.timeMs)
  // What lies far out is drawn at the edge: the window is what is looked at.
  const from = Math.max(Math.min(...times), view.timeMs - span)
  const to = Math.min(Math.max(...times, Math.min(sealMs ?? 0, view.deadlineMs + span / 8)), view.timeMs + 2 * span)
  const room = Math.max(1, to - from)
  return (ms) => SIDE + ((Math.min(Math.max(ms, from), to) - from) / room) * (width - 2 * SIDE)
}

function rowOf({ label: one, marks }, top, x, view) {
  const middle = top + 28
  const name = one === null ? 'other types' : `${one.name} = ${one.value ?? 'null'}`
  return [
    one !== null &&
      s(
        'rect',
        {
          x: x(one.fromMs),
          y: middle - 9,
          width: Math.max(2, x(one.toMs) - x(one.fromMs)),
          height: 18,
          rx: 4,
          class: 'window',
        },
        s('title', null, `window of ${one.name}: ${duration(one.withinMs)}`),
      ),
    s(
      'text',
      { x: x(view.timeMs) + 6, y: top + 12, class: 'name' },
      name,
      one !== null && s('tspan', { class: 'dim' }, `  within ${duration(one.withinMs)} on ${one.on}`),
    ),
    apart(marks, x).map(({ at, outcome, number, delayMs, reason }) => [
      s('g', null, s('title', null, `${number}: ${after(delayMs)}: ${reason}`), mark(outcome, at, middle)),
      s('text', { x: at, y: middle + 19, 'text-anchor': 'middle', class: 'dim' }, String(number)),
    ]),
  ]
}

const MARK_WIDTH = 15

/** Marks of one moment stand side by side. */
function apart(marks, x) {
  let free = Number.NEGATIVE_INFINITY
  const sorted = [...marks].sort((a, b) => a.timeMs - b.timeMs)
  return sorted.map((one) => {
    const at = Math.max(x(one.timeMs), free)
    free = at + MARK_WIDTH
    return { ...one, at }
  })
}

function mark(outcome, x, y) {
  const given = { class: `mark ${outcome}` }
  const r = 5
  const path = (d) => s('path', { d, ...given })
  if (outcome === 'counted' || outcome === 'waiting') return s('circle', { cx: x, cy: y, r, ...given })
  if (outcome === 'otherView') return path(`M ${x} ${y - 6} L ${x + 6} ${y} L ${x} ${y + 6} L ${x - 6} ${y} Z`)
  if (outcome === 'duplicate') return path(`M ${x - 5} ${y - 2} h 7 v 7 h -7 Z M ${x - 2} ${y - 2} v -3 h 7 v 7 h -3`)
  if (outcome === 'orphan') return path(`M ${x} ${y - 6} L ${x + 6} ${y + 5} L ${x - 6} ${y + 5} Z`)
  if (outcome === 'unused') return s('circle', { cx: x, cy: y, r: 2, ...given })
  if (outcome === 'quarantined') return path(`M ${x - r} ${y - r} h 10 v 10 h -10 Z M ${x - r} ${y - r} l 10 10`)
  if (outcome === 'late')
    return path(
      `M ${x - r} ${y - r} L ${x + r} ${y + r} M ${x + r} ${y - r} L ${x - r} ${y + r} M ${x + 8} ${y - 6} v 12`,
    )
  return path(`M ${x - r} ${y - r} L ${x + r} ${y + r} M ${x + r} ${y - r} L ${x - r} ${y + r}`)
}

function line(x, height, kind, text, _, isEnd) {
  return [
    s('line', { x1: x, x2: x, y1: TOP - 8, y2: height - 20, class: kind }),
    text !== null && s('text', { x, y: 12, 'text-anchor': isEnd ? 'end' : 'start', class: 'dim' }, text),
  ]
}

const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400].map(
  (n) => n * 1000,
)
const TICK_WIDTH = 90

/** Even steps after the view, as many as there is room for. */
function ticks({ timeMs, deadlineMs }, x, height) {
  const room = Math.max(1, Math.floor((x(deadlineMs) - x(timeMs)) / TICK_WIDTH))
  const span = deadlineMs - timeMs
  const step = STEPS_MS.find((ms) => span / ms <= room) ?? Math.ceil(span / room / 86_400_000) * 86_400_000
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, k) => {
    const text = k === 0 ? '0' : after(k * step)
    return s(
      'text',
      { x: x(timeMs + k * step), y: height - 4, class: 'dim', 'text-anchor': k === 0 ? 'start' : 'middle' },
      text,
    )
  })
}

function label(labels, engagements) {
  const each = labels.map(({ name, value, withinMs }) => `${name} is ${value ?? 'null'} within ${duration(withinMs)}`)
  return `Time line: ${each.join(', ')}; ${engagements.length} engagements were considered, told in the table below`
}
