/**
 * A node's watch on delays: an observer a partition, one set of histograms for all of them.
 *
 * Lives in memory alone: it starts anew with the process, and says since when it has watched. A partition that moves to
 * another node is watched there from then on; histograms of nodes are added (report.ts).
 */
import type { Rules } from '../join/rules.ts'
import { needsValue } from '../join/rules.ts'
import { groupsOf } from './groups.ts'
import { DelayHistograms } from './histograms.ts'
import { DelayObserver } from './observer.ts'
import type { DelayRules, DelaysSnapshot } from './report.ts'

export interface WatchOptions {
  readonly rules: Rules
  /** How long after its view an engagement is still looked at. */
  readonly horizonMs: number
  /** Of the views remembered for it, all partitions together. */
  readonly memoryBytes: number
  readonly startedMs: number
}

export class DelayWatch {
  private readonly options: WatchOptions
  private readonly histograms: DelayHistograms
  private readonly observers = new Map<number, DelayObserver>()

  constructor(options: WatchOptions) {
    this.options = options
    this.histograms = new DelayHistograms(groupsOf(options.rules), options.horizonMs)
  }

  /** What looks at a partition's batches, with an equal share of the memory. */
  partition(index: number, partitions: number): DelayObserver {
    const { rules, horizonMs, memoryBytes } = this.options
    const observer = new DelayObserver(rules, this.histograms, horizonMs, Math.floor(memoryBytes / partitions))
    this.observers.set(index, observer)
    return observer
  }

  /** The partition is another node's now. */
  leave(index: number): void {
    this.observers.delete(index)
  }

  snapshot(node: string, pendingViews: number, stateBytes: number): DelaysSnapshot {
    const { horizonMs, startedMs } = this.options
    return {
      node,
      sinceMs: startedMs,
      horizonMs,
      reachMs: Math.min(horizonMs, ...[...this.observers.values()].map((observer) => observer.reachMs)),
      sealedViews: this.histograms.sealedViews,
      pendingViews,
      stateBytes,
      rules: rulesShown(this.options.rules),
      groups: this.histograms.encode(),
    }
  }
}

function rulesShown(rules: Rules): DelayRules {
  return {
    labels: rules.labels.map(({ name, on, withinMs, fold }) => ({ name, on, withinMs, needsValue: needsValue(fold) })),
    latenessMs: rules.engagementWaitMs,
    outOfOrdernessMs: rules.outOfOrdernessMs,
  }
}
