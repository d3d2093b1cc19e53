/**
 * What a view's labels are, from the engagements that were made for it. Written from SEMANTICS.md section 2 and sharing
 * nothing with src/join, so that the two can be held against each other.
 */
import type { Label } from '../config/model.ts'

export interface PlannedEngagement {
  readonly type: string
  /** Event time minus the view's. No two engagements of a view have the same: their order is that of time. */
  readonly delayMs: number
  readonly value: number | null
}

export interface Outcome {
  readonly label: number | null
  readonly delayMs: number | null
}

export function outcomeOf(label: Label, engagements: readonly PlannedEngagement[], toleranceMs: number): Outcome {
  const needsValue = label.fold !== 'any' && label.fold !== 'count'
  const counted = engagements
    .filter((it) => it.type === label.on && it.delayMs >= -toleranceMs && it.delayMs <= label.withinMs)
    .filter((it) => !needsValue || it.value !== null)
    .sort((a, b) => a.delayMs - b.delayMs)
  if (counted.length === 0) return { label: label.default, delayMs: null }
  return { label: folded(label, counted), delayMs: Math.max(0, counted[0].delayMs) }
}

function folded(label: Label, counted: readonly PlannedEngagement[]): number {
  const values = counted.map((it) => it.value ?? 0)
  switch (label.fold) {
    case 'any':
      return 1
    case 'count':
      return counted.length
    case 'first':
      return values[0]
    case 'last':
      return values[values.length - 1]
    case 'max':
      return Math.max(...values)
    case 'sum':
      return values.reduce((a, b) => a + b, 0)
  }
}
