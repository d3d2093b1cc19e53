/**
 * Bugs that only a cluster under faults shows, to be put into the product by the text (program.ts): each must be found
 * within 50 faults, or the runner is blind.
 */
import { type CrashBug, crashBug } from '../support/crashBugs.ts'
import type { Delivery } from '../support/crashPipeline.ts'
import type { FaultKind } from './plan.ts'

export interface ChaosBug extends Pick<CrashBug, 'name' | 'mutations'> {
  readonly delivery: Delivery
  /** Faults that can show it; absent: all. */
  readonly kinds?: readonly FaultKind[]
}

const atLeastOnce = (name: string, from: string): ChaosBug => {
  return { name, mutations: crashBug(from).mutations, delivery: 'at-least-once' }
}

export const CHAOS_BUGS: readonly ChaosBug[] = [
  atLeastOnce('commit before flush', 'a commit that does not wait for the samples'),
  atLeastOnce('replay from the wrong offset', 'replay from the committed offset instead of the lowest needed one'),
  {
    name: 'journal ahead of the commit',
    delivery: 'at-least-once',
    mutations: [
      {
        file: 'actors/journalRecovery.ts',
        find: 'fromOffset < this.options.offsets[source] && ',
        replace: '',
      },
      {
        file: 'actors/journalRecovery.ts',
        find: 'below: options.offsets[source],',
        replace: 'below: Number.POSITIVE_INFINITY,',
      },
      {
        file: 'actors/journalRecovery.ts',
        find: 'Math.min(Math.max(this.coveredTo[source], chunk.nextOffset), options.offsets[source])',
        replace: 'Math.max(this.coveredTo[source], chunk.nextOffset)',
      },
    ],
  },
  {
    name: 'two owners',
    delivery: 'at-least-once',
    mutations: [
      {
        file: 'cluster/assigner.ts',
        find: 'candidates.find((taken) => taken.length < bound)!.push(partition)',
        replace: 'for (const taken of candidates.slice(0, 2)) taken.push(partition)',
      },
    ],
  },
  {
    name: 'watermark not restored',
    delivery: 'at-least-once',
    mutations: [
      {
        file: 'actors/partition.ts',
        find: 'position.watermarkMs,\n      this.options',
        replace: 'Number.NEGATIVE_INFINITY,\n      this.options',
      },
    ],
  },
]
