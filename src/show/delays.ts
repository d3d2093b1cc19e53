/** Delays as people read them: a table of windows and a curve for each label. Pure. */
import { plot } from 'asciichart'
import type { DelaysReport, LabelDelays, WindowCost } from '../delays/report.ts'
import { formatBytes, formatCount, formatDuration, formatTime, UNKNOWN } from './format.ts'
import { flowing, PLAIN, paint, right, type Screen, table } from './screen.ts'

const CURVE_HEIGHT = 8
const CURVE_WIDTH = 64

/** `silent`: nodes whose share is missing. */
export type ShownDelays = DelaysReport & { readonly silent?: readonly { node: string; reason: string }[] }

export function renderDelays(report: ShownDelays, screen: Screen = PLAIN): string {
  const { sinceMs, horizonMs, reachMs, sealedViews } = report
  const lines = [
    flowing(
      screen,
      '',
      `${formatCount(sealedViews)} views sealed since ${formatTime(sinceMs)}; ` +
        `first engagements are watched for ${formatDuration(horizonMs)} after the view`,
    ),
  ]
  if (reachMs < horizonMs) {
    lines.push(
      flowing(
        screen,
        '',
        `views are remembered for ${formatDuration(reachMs)} only: more delays.memory would reach the whole horizon`,
      ),
    )
  }
  for (const { node, reason } of report.silent ?? []) {
    lines.push(paint(screen, 'red', flowing(screen, '', `${node} does not answer, so its share is missing: ${reason}`)))
  }
  return [...lines, ...report.labels.flatMap((label) => ['', ...renderLabel(label, screen)])].join('\n')
}

function renderLabel(label: LabelDelays, screen: Screen): string[] {
  const title = `${label.label} (on ${label.on}, within ${formatDuration(label.windowMs)}): ${formatCount(label.positives)} positives`
  if (label.positives === 0) return [title]
  const quantiles = (['p50Ms', 'p90Ms', 'p99Ms', 'maxMs'] as const)
    .map((name) => `${name.replace('Ms', '')} ${formatDuration(label[name])}`)
    .join(', ')
  return [
    flowing(screen, '', `${title}; first engagement after ${quantiles}`),
    renderWindows(label.windows, screen),
    renderCurve(label),
  ]
}

function renderWindows(windows: readonly WindowCost[], screen: Screen): string {
  const columns = [
    right('window'),
    right('missed'),
    right('of positives'),
    right('pending views'),
    right('state'),
    right('sample after'),
    { title: '' },
  ]
  const rows = windows.map((window) => [
    formatDuration(window.windowMs),
    formatCount(window.missed),
    window.missedShare === null ? UNKNOWN : `${(window.missedShare * 100).toFixed(2)} %`,
    signed(window.extraPendingViews, formatCount),
    signed(window.extraStateBytes, formatBytes),
    formatDuration(window.sampleDelayMs),
    window.isCurrent ? 'now' : '',
  ])
  return table(screen, columns, rows)
}

function signed(value: number, format: (value: number) => string): string {
  return value < 0 ? `-${format(-value)}` : `+${format(value)}`
}

/** The share of positives that a window of each length would have caught; time runs logarithmically. */
function renderCurve({ buckets, positives, windowMs }: LabelDelays): string {
  let caught = 0
  const shares = buckets.map(({ count }) => {
    caught += count
    return (100 * caught) / positives
  })
  const points = stretched(shares)
  const chart = plot(points, {
    height: CURVE_HEIGHT,
    min: 0,
    max: 100,
    format: (value) => `${value.toFixed(0)} %`.padStart(7),
  })
  const first = formatDuration(buckets[0].toMs)
  const last = formatDuration(buckets[buckets.length - 1].toMs)
  const axis = `${' '.repeat(9)}${first}${' '.repeat(Math.max(1, points.length - first.length - last.length))}${last}`
  const at = buckets.findIndex(({ toMs }) => toMs >= windowMs)
  const place = at < 0 ? points.length - 1 : Math.round((at * (points.length - 1)) / Math.max(1, buckets.length - 1))
  return [chart, `${' '.repeat(9 + place)}^ window`, axis].join('\n')
}

/** One point a column. */
function stretched(values: readonly number[]): number[] {
  if (values.length === 1) return [values[0], values[0]]
  return Array.from({ length: CURVE_WIDTH }, (_, column) => {
    return values[Math.round((column * (values.length - 1)) / (CURVE_WIDTH - 1))]
  })
}
