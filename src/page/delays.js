/** Of each label: how long after a view its engagements came, with the window marked and what it misses. */
import { at, facts, h, s, show, table } from './dom.js'
import { bytes, count, duration, share, short } from './format.js'

const WIDTH = 360
const HEIGHT = 120
const BASE = HEIGHT - 18

export function showDelays(report) {
  at('delays-card').hidden = report === null
  if (report === null) return
  const { labels, sealedViews, horizonMs, reachMs } = report
  show(
    at('delays'),
    h(
      'p',
      { class: 'muted' },
      `First engagements of ${count(sealedViews)} sealed views, looked for up to ${duration(Math.min(horizonMs, reachMs || horizonMs))} after the view.`,
    ),
    h('div', { class: 'delays' }, labels.map(label)),
  )
}

function label({ label: name, on, windowMs, positives, p50Ms, p90Ms, p99Ms, buckets, windows }) {
  const now = windows.find(({ isCurrent }) => isCurrent)
  return h(
    'figure',
    null,
    h('h3', null, name, h('span', { class: 'muted small' }, `  on ${on}, window ${duration(windowMs)}`)),
    positives === 0
      ? h('p', { class: 'muted' }, 'No engagement of this type was seen yet.')
      : histogram(name, buckets, windowMs),
    facts([
      ['positives', short(positives)],
      ['p50', duration(p50Ms)],
      ['p90', duration(p90Ms)],
      ['p99', duration(p99Ms)],
      ['missed', now?.missedShare === null || now === undefined ? '–' : share(now.missed, positives)],
    ]),
    h(
      'details',
      { 'data-key': `windows ${name}` },
      h('summary', { 'data-key': `fold ${name}` }, 'Other windows'),
      table(
        `Windows of ${name}`,
        [
          { name: 'window' },
          { name: 'missed', num: true },
          { name: 'pending views', num: true },
          { name: 'state', num: true },
          { name: 'samples after', num: true },
        ],
        windows.map((one) => [
          h('span', null, duration(one.windowMs), one.isCurrent && ' (now)'),
          one.missedShare === null ? '–' : share(one.missed, positives),
          signed(one.extraPendingViews, short),
          signed(one.extraStateBytes, bytes),
          duration(one.sampleDelayMs),
        ]),
      ),
    ),
  )
}

const signed = (value, text) => (value === 0 ? '–' : `${value > 0 ? '+' : '−'}${text(Math.abs(value))}`)

/** A bar a bucket, over the logarithm of the delay: seconds and hours both have their place. */
function histogram(name, buckets, windowMs) {
  const longest = Math.max(windowMs * 1.3, ...buckets.map(({ toMs }) => toMs), 1000)
  // The first bucket holds all that came at once: it is drawn as wide as the next one.
  const lowest = buckets.length < 2 ? 100 : buckets[0].toMs ** 2 / buckets[1].toMs
  const x = (ms) => (Math.log(Math.max(ms, lowest) / lowest) / Math.log(longest / lowest)) * WIDTH
  const most = Math.max(...buckets.map(({ count: n }) => n), 1)
  const windowAt = x(windowMs)
  const isRight = windowAt > WIDTH * 0.75
  const missed = buckets.filter(({ toMs }) => toMs > windowMs).reduce((sum, { count: n }) => sum + n, 0)
  const told = `Delays for ${name}: the window of ${duration(windowMs)} is marked; ${count(missed)} lie beyond it`
  return s(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'histogram', role: 'img', 'aria-label': told },
    buckets.map(({ toMs, count: n }, k) => {
      const [left, right] = [x(k === 0 ? 0 : buckets[k - 1].toMs), x(toMs)]
      const height = Math.max(1.5, (n / most) * (BASE - 18))
      const kind = toMs > windowMs ? 'missed' : 'count'
      const place = { x: left + 0.5, y: BASE - height, width: Math.max(1, right - left - 1), height }
      return n > 0 && s('rect', { ...place, class: kind }, s('title', null, `up to ${duration(toMs)}: ${count(n)}`))
    }),
    s('line', { x1: 0, x2: WIDTH, y1: BASE, y2: BASE, class: 'axis' }),
    s('line', { x1: windowAt, x2: windowAt, y1: 2, y2: BASE, class: 'window-line' }),
    s(
      'text',
      { x: isRight ? windowAt - 5 : windowAt + 5, y: 10, 'text-anchor': isRight ? 'end' : 'start' },
      `window ${duration(windowMs)}`,
    ),
    s('text', { x: 0, y: HEIGHT - 4, class: 'dim' }, '0'),
    ticks(lowest, longest).map((ms) => {
      const anchor = x(ms) > WIDTH - 20 ? 'end' : x(ms) < 12 ? 'start' : 'middle'
      return s('text', { x: Math.min(x(ms), WIDTH), y: HEIGHT - 4, class: 'dim', 'text-anchor': anchor }, duration(ms))
    }),
  )
}

function ticks(lowest, longest) {
  const all = [100, 1000, 10_000, 60_000, 600_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000].filter(
    (ms) => ms > lowest * 1.3 && ms <= longest,
  )
  return all.filter((_, k) => all.length < 8 || k % 2 === 0)
}
