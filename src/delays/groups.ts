/**
 * What is observed: the delays of an engagement type, apart for folds that need a value. Labels that differ in their
 * window alone share a group: how long engagements take does not depend on how long somebody waits for them.
 */
import { needsValue, type Rules } from '../join/rules.ts'

export interface DelayGroup {
  /** The engagement type. */
  readonly on: string
  /** Engagements without a value do not count. */
  readonly needsValue: boolean
}

/** A view's groups are marked in one 32-bit word. */
export const MOST_GROUPS = 32

/** The groups of all labels, in the order of the labels; of more than MOST_GROUPS the first are observed. */
export function groupsOf(rules: Pick<Rules, 'labels'>): readonly DelayGroup[] {
  const groups: DelayGroup[] = []
  for (const { on, fold } of rules.labels) {
    const group = { on, needsValue: needsValue(fold) }
    if (indexOfGroup(groups, group) < 0 && groups.length < MOST_GROUPS) groups.push(group)
  }
  return groups
}

export function indexOfGroup(groups: readonly DelayGroup[], { on, needsValue }: DelayGroup): number {
  return groups.findIndex((group) => group.on === on && group.needsValue === needsValue)
}
