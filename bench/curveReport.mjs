/** Curves for people: a plot and a table each, on the terminal and as a section of a Markdown file. Pure. */
import { createRequire } from 'node:module'

const { plot } = createRequire(import.meta.url)('asciichart')

const MB = 1e6
const HEIGHT = 8
const COLUMNS_A_POINT = 12
const MARGIN = 9
/** A point that costs more than this times the cheapest one is to be explained. */
const BEND = 2

/** Each point with how much dearer it is than the cheapest of its curve, and whether that is to be explained. */
export function bendsOf(points) {
  const least = Math.min(...points.map(({ cpuSPerMillion }) => cpuSPerMillion))
  return points.map((point) => {
    const factor = point.cpuSPerMillion / least
    return { ...point, factor, bends: factor > BEND }
  })
}

/** The plots of a curve: points stand side by side, whatever lies between them. */
export function curvePlots(points) {
  const labels = points.map(({ x }) => shortNumber(x))
  const drawn = (what, values, digits) => {
    const format = (value) => value.toFixed(digits).padStart(MARGIN - 2)
    const chart = plot(stretched(values), { height: HEIGHT, min: 0, format })
    return `${what}\n${chart}\n${axis(labels)}`
  }
  const rates = points.map(({ eventsPerS }) => eventsPerS / 1000)
  const costs = points.map(({ cpuSPerMillion }) => cpuSPerMillion)
  return [drawn('thousand events/s', rates, 0), drawn('CPU s / M events', costs, 1)].join('\n\n')
}

/** Straight lines between the points. */
function stretched(values) {
  const columns = (values.length - 1) * COLUMNS_A_POINT + 1
  return Array.from({ length: columns }, (_, column) => {
    const at = column / COLUMNS_A_POINT
    const before = Math.min(values.length - 2, Math.floor(at))
    return values[before] + (values[before + 1] - values[before]) * (at - before)
  })
}

function axis(labels) {
  let line = ' '.repeat(MARGIN - 1)
  labels.forEach((label, k) => {
    const at = MARGIN + k * COLUMNS_A_POINT - (k === 0 ? 0 : label.length >> 1)
    line = line.padEnd(at) + label
  })
  return line
}

/** 10k, 3M, 0.44. */
export function shortNumber(n) {
  if (n >= 1e6) return `${n / 1e6}M`
  return n >= 1e4 ? `${n / 1e3}k` : String(n)
}

export const HEAD = [
  '',
  'events',
  'keys',
  'events/s',
  'MB/s',
  'CPU s / M events',
  'of the least',
  'peak MB',
  'digest',
  'load',
]

export function curveRows(points) {
  return bendsOf(points).map((point) => [
    shortNumber(point.x),
    int(point.events),
    int(point.keys),
    int(point.eventsPerS),
    (point.bytesPerS / MB).toFixed(1),
    point.cpuSPerMillion.toFixed(2),
    `${point.factor.toFixed(2)} x${point.bends ? ', bends' : ''}`,
    int(point.peakBytes / MB),
    point.isRight ? 'right' : 'WRONG',
    point.load.toFixed(1),
  ])
}

const int = (n) => Math.round(n).toLocaleString('en-US')

/** As a section of a Markdown file. */
export function curveSection({ title, about }, points, under) {
  const rule = HEAD.map((_, k) => (k === 0 ? '---' : '---:'))
  const table = [HEAD, rule, ...curveRows(points)].map((cells) => `| ${cells.join(' | ')} |`)
  return [`## ${title}`, '', `${about}. ${under}`, '', '```text', curvePlots(points), '```', '', ...table].join('\n')
}

/** The text with the section of that name in the place of the one that it had, or at its end; the rest as it was. */
export function placed(text, name, section) {
  const [begin, end] = [`<!-- measured: ${name} -->`, `<!-- end of ${name} -->`]
  const made = `${begin}\n${section}\n${end}`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) return `${text.trimEnd()}\n\n${made}\n`
  return text.slice(0, from) + made + text.slice(to + end.length)
}
