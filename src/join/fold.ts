/**
 * Folding: a sealed view's labels and delays, over the engagements bound to it, in the order of (event time, identity)
 * (SEMANTICS.md section 2). A new fold goes into `step`.
 */
import * as B from './blocks.ts'
import { compareEngagements } from './decide.ts'
import * as L from './layout.ts'
import { NumberList } from './list.ts'
import { counts, type Fold } from './rules.ts'
import type { JoinState } from './state.ts'

const bound = new NumberList(Uint32Array)

/** Writes row `row` of s.labels and s.delays; NaN stands for null. */
export function foldLabels(s: JoinState, view: number, row: number): void {
  const n = s.rules.labels.length
  makeRoom(s, (row + 1) * n)
  const viewMs = B.f64(s.arena, view, L.V_TIME)
  const first = B.u32(s.arena, view, L.V_BOUND)
  bound.clear()
  for (let e = first; e !== 0; e = B.u32(s.arena, e, L.NEXT)) bound.push(e)
  if (bound.length > 1) bound.items.subarray(0, bound.length).sort((a, b) => compareEngagements(s, a, b))
  for (let k = 0; k < n; k++) foldOne(s, k, viewMs, row * n + k)
}

function foldOne(s: JoinState, k: number, viewMs: number, at: number): void {
  const label = s.rules.labels[k]
  if (viewMs < s.labelSince[k]) {
    s.labels[at] = s.delays[at] = Number.NaN
    return
  }
  let counted = 0
  let result = 0
  let leastDelayMs = Number.NaN
  for (let j = 0; j < bound.length; j++) {
    const e = bound.items[j]
    if (!isOn(s, e, k)) continue
    const value = B.f64(s.arena, e, L.E_VALUE)
    const delayMs = B.f64(s.arena, e, L.E_TIME) - viewMs
    if (!counts(label, delayMs, s.rules.clockSkewToleranceMs, value)) continue
    result = step(label.fold, result, value, counted)
    counted++
    const shown = delayMs < 0 ? 0 : delayMs
    if (!(shown >= leastDelayMs)) leastDelayMs = shown
  }
  s.labels[at] = counted === 0 ? (label.default ?? Number.NaN) : result
  s.delays[at] = leastDelayMs
}

function isOn(s: JoinState, e: number, label: number): boolean {
  const labels = s.rules.labelsOfType[B.u32(s.arena, e, L.E_TYPE)]
  for (let k = 0; k < labels.length; k++) if (labels[k] === label) return true
  return false
}

/** One more counted engagement; `counted` is how many there were before. */
function step(fold: Fold, result: number, value: number, counted: number): number {
  switch (fold) {
    case 'any':
      return 1
    case 'count':
      return counted + 1
    case 'first':
      return counted === 0 ? value : result
    case 'last':
      return value
    case 'max':
      return counted === 0 || value > result ? value : result
    case 'sum':
      return counted === 0 ? value : clamp(result + value)
  }
}

/** A sum stays finite, as values are: JSON has no other numbers. */
function clamp(sum: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(sum, Number.MAX_VALUE))
}

function makeRoom(s: JoinState, length: number): void {
  if (length <= s.labels.length) return
  const labels = new Float64Array(length * 2)
  labels.set(s.labels)
  s.labels = labels
  const delays = new Float64Array(length * 2)
  delays.set(s.delays)
  s.delays = delays
}
