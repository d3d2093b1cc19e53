/** Rates and lag over the last minutes: what the nodes have kept, added up, drawn by uPlot. */
import { at, h, s } from './dom.js'
import { duration, short } from './format.js'

const CHARTS = [
  {
    id: 'chart-rate',
    title: 'Records and samples a second',
    lines: [
      { name: 'records', column: 'recordsPerS' },
      { name: 'samples', column: 'samplesPerS' },
    ],
    text: short,
  },
  { id: 'chart-lag', title: 'Lag, records', lines: [{ name: 'lag', column: 'lag' }], text: short },
  { id: 'chart-pending', title: 'Pending views', lines: [{ name: 'pending', column: 'pendingViews' }], text: short },
  {
    id: 'chart-watermark',
    title: 'Watermark behind the clock',
    lines: [{ name: 'behind', column: 'watermarkLagMs' }],
    text: duration,
    isWorst: true,
    scale: 1000,
    steps: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200]
      .concat([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000].map((days) => days * 86_400))
      .map((seconds) => seconds * 1000),
  },
]
/** Of counts: whole ones. */
const COUNTS = Array.from({ length: 36 }, (_, k) => [1, 2, 5][k % 3] * 10 ** Math.floor(k / 3))
const COLOURS = ['--chart-1', '--chart-2']
const plots = new Map()

export function showCharts(nodes) {
  const histories = nodes.flatMap(({ overview }) => (overview === null ? [] : [overview.history]))
  for (const chart of CHARTS) draw(chart, columnsOf(histories, chart))
}

/** [times in s, values of the first line, ...]: of each step what the nodes say, added up, or the worst of it. */
function columnsOf(histories, { lines, isWorst }) {
  const steps = new Map()
  for (const history of histories) {
    history.atMs.forEach((atMs, i) => {
      const values = steps.get(atMs) ?? lines.map(() => [])
      for (const [k, { column }] of lines.entries()) values[k].push(history[column][i])
      steps.set(atMs, values)
    })
  }
  // The newest step may be one that not all have told yet.
  const newest = Math.min(...histories.map(({ atMs }) => atMs.at(-1) ?? Number.POSITIVE_INFINITY))
  const times = [...steps.keys()].filter((atMs) => atMs <= newest).sort((a, b) => a - b)
  const fold = (values) => {
    const known = values.filter((value) => value !== null)
    if (known.length === 0) return null
    return isWorst ? Math.max(...known) : known.reduce((sum, value) => sum + value, 0)
  }
  return [times.map((atMs) => atMs / 1000), ...lines.map((_, k) => times.map((atMs) => fold(steps.get(atMs)[k])))]
}

function draw(chart, data) {
  const card = at(chart.id)
  let plot = plots.get(chart.id)
  if (plot === undefined) {
    card.replaceChildren(h('h2', null, chart.title), h('p', { class: 'now' }), h('div', { class: 'plot', role: 'img' }))
    plot = { place: card.querySelector('.plot'), now: card.querySelector('.now'), uplot: undefined, data }
    plots.set(chart.id, plot)
    new ResizeObserver(() => resize(plot)).observe(plot.place)
  }
  plot.data = data
  plot.now.replaceChildren(...nowOf(chart, data))
  plot.place.setAttribute('aria-label', told(chart, data))
  if (plot.uplot === undefined) plot.uplot = new window.uPlot(optionsOf(chart, plot.place), data, plot.place)
  else plot.uplot.setData(data)
}

function nowOf({ lines, text }, [, ...columns]) {
  return columns.flatMap((column, k) => [
    ...(lines.length > 1 ? [key(k)] : []),
    text(column.at(-1) ?? null),
    ...(lines.length > 1 ? [h('small', null, ` ${lines[k].name}  `)] : []),
  ])
}

/** Solid and dashed, as the lines are. */
function key(k) {
  const stroke = { stroke: `var(${COLOURS[k]})`, 'stroke-width': 2.5, 'stroke-dasharray': k === 0 ? null : '4 2' }
  const svg = s(
    'svg',
    { width: 16, height: 8, 'aria-hidden': 'true' },
    s('line', { x1: 0, y1: 4, x2: 16, y2: 4, ...stroke }),
  )
  svg.style.display = 'inline-block'
  svg.style.marginRight = '5px'
  return svg
}

function told({ title, lines, text }, [times, ...columns]) {
  if (times.length === 0) return `${title}: nothing yet`
  const span = duration((times.at(-1) - times[0]) * 1000)
  const each = columns.map((column, k) => {
    const known = column.filter((value) => value !== null)
    return `${lines[k].name} now ${text(column.at(-1))}, at most ${text(known.length === 0 ? null : Math.max(...known))}`
  })
  return `${title} over ${span}: ${each.join('; ')}`
}

function optionsOf({ lines, text, scale, steps }, place) {
  const css = getComputedStyle(document.documentElement)
  const colour = (name) => css.getPropertyValue(name).trim()
  const axis = {
    stroke: colour('--muted'),
    font: '11px system-ui',
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: place.clientWidth,
    height: place.clientHeight,
    padding: [6, 14, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    tzDate: (ts) => window.uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC'),
    scales: { y: { range: (_, __, high) => [0, Math.max(high ?? 0, scale ?? 1) * 1.1] } },
    axes: [
      {
        ...axis,
        space: 60,
        size: 22,
        values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(11, 16)),
        incrs: [60, 120, 300, 600],
      },
      {
        ...axis,
        size: 56,
        space: 28,
        // Durations in round ones, so that they are short enough to be shown whole.
        incrs: steps ?? COUNTS,
        values: (_, ticks) => ticks.map((tick) => text(tick)),
      },
    ],
    series: [
      {},
      ...lines.map((_, k) => ({
        stroke: colour(COLOURS[k]),
        width: 1.6,
        dash: k === 0 ? undefined : [5, 3],
        fill: k === 0 ? `${colour(COLOURS[0])}1f` : undefined,
        points: { show: false },
      })),
    ],
  }
}

function resize({ uplot, place }) {
  uplot?.setSize({ width: place.clientWidth, height: place.clientHeight })
}

/** Colours are drawn, not styled: in another scheme all is drawn anew. */
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const plot of plots.values()) {
    plot.uplot?.destroy()
    plot.uplot = undefined
  }
})
