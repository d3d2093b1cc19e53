/**
 * Delays counted the plain way, over all events at once: what the observer must come to. Shares nothing with it.
 */
import type { OracleEvent } from '../support/pureJoin.ts'

export interface CountedGroup {
  readonly on: string
  readonly needsValue: boolean
}

/** Per group, the delay of the first engagement of each view that has one within the horizon; ascending. */
export function fullCount(
  events: readonly OracleEvent[],
  groups: readonly CountedGroup[],
  toleranceMs: number,
  horizonMs: number,
): number[][] {
  const views = new Map<string, OracleEvent>()
  for (const event of events) {
    if (event.source !== 0) continue
    const key = JSON.stringify([event.user, event.viewId ?? [event.item, event.time]])
    if (!views.has(key)) views.set(key, event)
  }
  const byItem = new Map<string, OracleEvent[]>()
  for (const view of views.values()) {
    const key = JSON.stringify([view.user, view.item])
    byItem.set(key, [...(byItem.get(key) ?? []), view])
  }
  const ownerOf = (e: OracleEvent): OracleEvent | undefined => {
    const latestMs = e.time! + toleranceMs
    if (e.viewId != null) {
      const named = views.get(JSON.stringify([e.user, e.viewId]))
      return named !== undefined && named.time! <= latestMs ? named : undefined
    }
    return (byItem.get(JSON.stringify([e.user, e.item])) ?? [])
      .filter((view) => view.time! <= latestMs)
      .sort((a, b) => b.time! - a.time!)[0]
  }
  const owned = events.flatMap((e) => {
    const owner = e.source === 0 ? undefined : ownerOf(e)
    return owner === undefined ? [] : [{ e, owner, delayMs: Math.max(0, e.time! - owner.time!) }]
  })
  return groups.map(({ on, needsValue }) => {
    const first = new Map<OracleEvent, number>()
    for (const { e, owner, delayMs } of owned) {
      if (e.type !== on || (needsValue && e.value == null) || delayMs > horizonMs) continue
      first.set(owner, Math.min(first.get(owner) ?? Number.POSITIVE_INFINITY, delayMs))
    }
    return [...first.values()].sort((a, b) => a - b)
  })
}
