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
        find: 'fromOffset < offsets[source] && ',
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
        find: 'member?.taken.push(p)\n  return',
        replace: 'for (const each of candidates.slice(0, 2)) each.taken.push(p)\n  return',
      },
    ],
  },
  {
    name: 'two owners, one of them a zombie that keeps what another had meanwhile',
    delivery: 'at-least-once',
    kinds: ['freeze', 'kill'],
    mutations: [
      {
        file: 'cluster/lastCommits.ts',
        find: 'return known !== undefined && (known.acknowledged === text || known.tried === text)',
        replace: "return known !== undefined || text === ''",
      },
    ],
  },
  {
    name: 'watermark not restored',
    delivery: 'at-least-once',
    mutations: [
      {
        file: 'actors/partition.ts',
        find: 's.clocks.restore(at.watermarkMs, highestMs)',
        replace: 's.clocks.restore(Number.NEGATIVE_INFINITY, highestMs)',
      },
    ],
  },
  {
    name: 'transaction without offsets',
    delivery: 'exactly-once',
    mutations: [
      {
        file: 'log/kafka/transactionalProducer.ts',
        find: 'if (entries.length > 0) await this.sendOffsets(entries)',
        replace: 'if (entries.length > 0 && !this.isBegun) await this.sendOffsets(entries)',
      },
    ],
  },
]
