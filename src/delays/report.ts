/**
 * What the observed delays say of windows: for each label and candidate window, the positives that it would miss, what
 * more would be pending, and how long samples would wait. Pure.
 *
 * A positive is a view with at least one engagement of the label's type within the horizon. A window misses it when its
 * first engagement comes after the window. More is pending in proportion: what is pending lies there for the longest
 * window plus lateness and tolerance, so a longer one holds the same stream for as much longer.
 */
import { addUp, type EncodedGroup, type Step, stepsOf } from './histograms.ts'

/** What one node has observed. */
export interface DelaysSnapshot {
  readonly node: string
  /** Since when, by the machine's clock. */
  readonly sinceMs: number
  readonly horizonMs: number
  /** How far back views are remembered: less than the horizon where `delays.memory` ends first. */
  readonly reachMs: number
  readonly sealedViews: number
  readonly pendingViews: number
  readonly stateBytes: number
  readonly rules: DelayRules
  readonly groups: readonly EncodedGroup[]
}

export interface DelayRules {
  readonly labels: readonly {
    readonly name: string
    readonly on: string
    readonly withinMs: number
    readonly needsValue: boolean
  }[]
  /** Allowed lateness and clock tolerance: waited for beyond the longest window. */
  readonly latenessMs: number
  readonly outOfOrdernessMs: number
}

export interface DelaysReport {
  readonly sinceMs: number
  readonly horizonMs: number
  readonly reachMs: number
  readonly sealedViews: number
  readonly pendingViews: number
  readonly stateBytes: number
  readonly labels: readonly LabelDelays[]
}

export interface LabelDelays {
  readonly label: string
  readonly on: string
  readonly windowMs: number
  /** Views with a first engagement within the horizon. */
  readonly positives: number
  /** Of the first engagements' delays; null where there are none. */
  readonly p50Ms: number | null
  readonly p90Ms: number | null
  readonly p99Ms: number | null
  readonly maxMs: number | null
  readonly windows: readonly WindowCost[]
  /** Ascending; counts of first engagements up to each bound, from the one before. */
  readonly buckets: readonly { readonly toMs: number; readonly count: number }[]
}

export interface WindowCost {
  readonly windowMs: number
  readonly isCurrent: boolean
  readonly missed: number
  /** Of the positives; null where there are none. */
  readonly missedShare: number | null
  /** Beyond what is pending now; negative where less would be. */
  readonly extraPendingViews: number
  readonly extraStateBytes: number
  /** From a view's time to its sample, while events flow. */
  readonly sampleDelayMs: number
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const CANDIDATES_MS = [1000, 5000, 15_000, 30_000]
  .concat([1, 2, 5, 10, 15, 30].map((n) => n * MINUTE))
  .concat([1, 2, 4, 8, 12, 24, 48, 72, 168].map((n) => n * HOUR))
const MOST_CANDIDATES = 10
/** Of the buckets that are drawn: two to each doubling. */
const FIRST_BUCKET_MS = 1000
const BUCKET_FACTOR = Math.SQRT2

export function delaysReport(snapshots: readonly DelaysSnapshot[], windowsMs?: readonly number[]): DelaysReport {
  const [first] = snapshots
  const sum = (of: (one: DelaysSnapshot) => number): number => snapshots.reduce((total, one) => total + of(one), 0)
  const totals = { pendingViews: sum((one) => one.pendingViews), stateBytes: sum((one) => one.stateBytes) }
  const reachMs = Math.min(...snapshots.map((one) => one.reachMs))
  const labels = first.rules.labels.map((label) => {
    const encoded = snapshots.flatMap((one) =>
      one.groups.filter((group) => group.on === label.on && group.needsValue === label.needsValue),
    )
    const histogram = addUp(encoded.map((group) => group.histogram))
    const steps = stepsOf(histogram)
    const quantile = (percent: number): number | null =>
      steps.length === 0 ? null : histogram.getValueAtPercentile(percent)
    const windows = windowsMs ?? candidatesOf(steps, label.withinMs, first.horizonMs)
    return {
      label: label.name,
      on: label.on,
      windowMs: label.withinMs,
      positives: histogram.totalCount,
      p50Ms: quantile(50),
      p90Ms: quantile(90),
      p99Ms: quantile(99),
      maxMs: steps.at(-1)?.valueMs ?? null,
      windows: windows.map((windowMs) => costOf(windowMs, label, steps, first.rules, totals)),
      buckets: bucketsOf(steps),
    }
  })
  return {
    sinceMs: Math.min(...snapshots.map((one) => one.sinceMs)),
    horizonMs: first.horizonMs,
    reachMs,
    sealedViews: sum((one) => one.sealedViews),
    ...totals,
    labels,
  }
}

function costOf(
  windowMs: number,
  label: DelayRules['labels'][number],
  steps: readonly Step[],
  rules: DelayRules,
  totals: { readonly pendingViews: number; readonly stateBytes: number },
): WindowCost {
  const positives = steps.reduce((total, step) => total + step.count, 0)
  const missed = steps.reduce((total, step) => (step.valueMs > windowMs ? total + step.count : total), 0)
  const longestMs = (own: number): number =>
    Math.max(...rules.labels.map((one) => (one.name === label.name ? own : one.withinMs)))
  const waitMs = longestMs(label.withinMs) + rules.latenessMs
  const extra = (longestMs(windowMs) + rules.latenessMs) / Math.max(1, waitMs) - 1
  return {
    windowMs,
    isCurrent: windowMs === label.withinMs,
    missed,
    missedShare: positives === 0 ? null : missed / positives,
    extraPendingViews: Math.round(totals.pendingViews * extra),
    extraStateBytes: Math.round(totals.stateBytes * extra),
    sampleDelayMs: longestMs(windowMs) + rules.latenessMs + rules.outOfOrdernessMs,
  }
}

/** Round windows around what was seen, with the current one among them. */
function candidatesOf(steps: readonly Step[], currentMs: number, horizonMs: number): readonly number[] {
  const lowMs = Math.min(currentMs, steps[0]?.valueMs ?? currentMs)
  const round = CANDIDATES_MS.filter((ms) => ms >= lowMs && ms <= horizonMs && ms !== currentMs)
  const near = round
    .sort((a, b) => Math.abs(Math.log(a / currentMs)) - Math.abs(Math.log(b / currentMs)))
    .slice(0, MOST_CANDIDATES - 1)
  return [...near, currentMs].sort((a, b) => a - b)
}

function bucketsOf(steps: readonly Step[]): readonly { toMs: number; count: number }[] {
  const buckets: { toMs: number; count: number }[] = []
  let toMs = FIRST_BUCKET_MS
  let at = 0
  while (at < steps.length) {
    let count = 0
    for (; at < steps.length && steps[at].valueMs <= toMs; at++) count += steps[at].count
    buckets.push({ toMs: Math.round(toMs), count })
    toMs *= BUCKET_FACTOR
  }
  return buckets
}
