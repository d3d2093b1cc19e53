/**
 * Bugs that only a cluster under faults shows, to be put into the product by the text (program.ts): each must be found
 * within 50 faults, or the runner is blind.
 */
import { type CrashBug, crashBug } from '../support/crashBugs.ts'
import type { Delivery } from '../support/crashPipeline.ts'
import type { FaultKind } from './plan.ts'

export interface ChaosBug extends Pick<CrashBug, 'name' | 'mutations'> {
  readonly delivery: Delivery
  /** What must find it: a failure of anything else (a wait in vain, a node that ends) finds nothing. */
  readonly saidBy: RegExp
  /** Faults that can show it; absent: all. */
  readonly kinds?: readonly FaultKind[]
}

/** The comparison with the oracle: samples that are missing, wrong, of no view, or different each time. */
const SAMPLES_SAY = /\d+ samples (that are (missing|wrong)|of no view|whose copies differ)/
/** The watch on commits beside the end of the samples' topic. */
const COMMITS_SAY = /\d+ views were committed before their samples were durable|commits that went back|went back from/
const REPEATED_SAY = /(samples|side outputs and dead letters) that are sent again/
/** The watch on who says that a partition is theirs and live, for as long as a run waits. */
const OWNERS_SAY = /still no rest: .*partition \d+ is live on \S+ and /
/** All is joined, and what is committed never says so: no other wait in vain counts. */
const LEDGER_SAYS = /still no all sealed and no lag: lag 0, committed/
const either = (...checks: readonly RegExp[]): RegExp => new RegExp(checks.map(({ source }) => source).join('|'))

const atLeastOnce = (name: string, from: string, saidBy: RegExp): ChaosBug => {
  return { name, mutations: crashBug(from).mutations, delivery: 'at-least-once', saidBy }
}

export const CHAOS_BUGS: readonly ChaosBug[] = [
  atLeastOnce('commit before flush', 'a commit that does not wait for the samples', either(SAMPLES_SAY, COMMITS_SAY)),
  atLeastOnce(
    'replay from the wrong offset',
    'replay from the committed offset instead of the lowest needed one',
    SAMPLES_SAY,
  ),
  {
    name: 'journal ahead of the commit',
    saidBy: SAMPLES_SAY,
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
    saidBy: either(SAMPLES_SAY, COMMITS_SAY, OWNERS_SAY),
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
    saidBy: either(SAMPLES_SAY, COMMITS_SAY),
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
    saidBy: either(SAMPLES_SAY, COMMITS_SAY),
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
    saidBy: either(SAMPLES_SAY, REPEATED_SAY, COMMITS_SAY, LEDGER_SAYS),
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
