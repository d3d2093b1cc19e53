/**
 * The join's rules, compiled from the pipeline: engagement types numbered, windows beside them.
 * Symbols as in SEMANTICS.md: L the longest window, A allowed lateness, B out-of-orderness, tol, R.
 */
export type Fold = 'any' | 'first' | 'last' | 'max' | 'sum' | 'count'

export interface LabelRule {
  readonly name: string
  readonly on: string
  readonly withinMs: number
  readonly fold: Fold
  readonly default: number | null
}

export interface RuleOptions {
  readonly labels: readonly LabelRule[]
  readonly outOfOrdernessMs: number
  readonly allowedLatenessMs: number
  readonly clockSkewToleranceMs: number
  readonly rememberSealedMs: number
  readonly maxClockSkewMs: number
  readonly basis: 'event' | 'arrival'
  readonly idle: 'follow' | 'ignore'
  readonly idleAfterMs: number
  readonly onMiskeyed: 'stop' | 'deadLetter'
}

export interface Rules extends RuleOptions {
  /** Types that labels are on, as UTF-8; an engagement's type number is its place here plus 1. */
  readonly types: readonly Buffer[]
  /** Per type number, the labels on it (indices). */
  readonly labelsOfType: readonly (readonly number[])[]
  /** A view's deadline is its time plus this: L + A + tol. */
  readonly viewWaitMs: number
  /** An engagement is decided after its time plus this: A + tol. */
  readonly engagementWaitMs: number
}

export function compileRules(options: RuleOptions): Rules {
  const names = [...new Set(options.labels.map((label) => label.on))]
  const longestMs = Math.max(...options.labels.map((label) => label.withinMs))
  const engagementWaitMs = options.allowedLatenessMs + options.clockSkewToleranceMs
  return {
    ...options,
    types: names.map((name) => Buffer.from(name)),
    labelsOfType: [[], ...names.map((name) => options.labels.flatMap((label, i) => (label.on === name ? [i] : [])))],
    viewWaitMs: longestMs + engagementWaitMs,
    engagementWaitMs,
  }
}

/** Whether a fold needs a value: an engagement without one counts for `any` and `count` only. */
export function needsValue(fold: Fold): boolean {
  return fold !== 'any' && fold !== 'count'
}

/** How an engagement stands to a label that is on its type. */
export const COUNTS = 0
export const TOO_EARLY = 1
export const TOO_LATE = 2
export const NO_VALUE = 3

/** Whether an engagement counts for a label, by its delay after the view, or why not (SEMANTICS.md section 2). */
export function weigh(label: LabelRule, delayMs: number, toleranceMs: number, value: number): number {
  if (delayMs < -toleranceMs) return TOO_EARLY
  if (delayMs > label.withinMs) return TOO_LATE
  return needsValue(label.fold) && Number.isNaN(value) ? NO_VALUE : COUNTS
}

export function counts(label: LabelRule, delayMs: number, toleranceMs: number, value: number): boolean {
  return weigh(label, delayMs, toleranceMs, value) === COUNTS
}

export function countsForAny(rules: Rules, type: number, delayMs: number, value: number): boolean {
  const labels = rules.labelsOfType[type]
  for (let k = 0; k < labels.length; k++) {
    if (counts(rules.labels[labels[k]], delayMs, rules.clockSkewToleranceMs, value)) return true
  }
  return false
}
