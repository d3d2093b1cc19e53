/**
 * The ledger as it is shown: each partition's counts, their sum, and whether they balance (SEMANTICS.md section 7). Pure.
 */
import { imbalance, LEDGER_FIELDS, type LedgerField, ledgerToJson } from '../join/ledger.ts'

export type Counts = Record<LedgerField, number>

export interface LedgerReport {
  readonly partitions: readonly ({ readonly partition: number } & Counts)[]
  readonly total: Counts
  readonly balances: boolean
  readonly imbalance: readonly Imbalance[]
}

/** An equation that does not hold. */
export interface Imbalance {
  readonly partition: number
  readonly equation: Equation
  /** The left side less the right one. */
  readonly difference: number
}

export const EQUATIONS = [
  { name: 'records', left: 'records', right: ['views', 'engagements', 'refused'] },
  {
    name: 'views',
    left: 'views',
    right: ['samples', 'sampledOut', 'pending', 'viewDuplicates', 'viewsQuarantined', 'viewsLost'],
  },
  {
    name: 'engagements',
    left: 'engagements',
    right: [
      'bound',
      'unused',
      'outside',
      'late',
      'orphan',
      'undecided',
      'engagementDuplicates',
      'engagementsQuarantined',
      'engagementsLost',
    ],
  },
] as const satisfies readonly { name: string; left: LedgerField; right: readonly LedgerField[] }[]

export type Equation = (typeof EQUATIONS)[number]['name']

/** The equations that do not hold. */
export function imbalanceOf(ledger: ArrayLike<number>): Pick<Imbalance, 'equation' | 'difference'>[] {
  return imbalance(ledger).flatMap((difference, k) =>
    difference === 0 ? [] : [{ equation: EQUATIONS[k].name, difference }],
  )
}

interface Counted {
  readonly index: number
  readonly state: { readonly settled: ArrayLike<number> }
}

/** A line for each equation that does not hold: counts that are off mean that events were lost or counted twice. */
export function alarmsOf(partitions: readonly Counted[]): string[] {
  return partitions.flatMap(({ index, state }) =>
    imbalanceOf(state.settled).map(
      ({ equation, difference }) => `partition ${index}: the ledger's ${equation} are off by ${difference}`,
    ),
  )
}

export function ledgerReport(ledgers: ReadonlyMap<number, ArrayLike<number>>): LedgerReport {
  const sorted = [...ledgers].sort(([a], [b]) => a - b)
  const sum = LEDGER_FIELDS.map((_, field) => sorted.reduce((total, [, ledger]) => total + ledger[field], 0))
  // Each partition for itself: two that are off by as much in opposite directions must not cancel out.
  const off = sorted.flatMap(([partition, ledger]) => imbalanceOf(ledger).map((one) => ({ partition, ...one })))
  return {
    partitions: sorted.map(([partition, ledger]) => ({ partition, ...ledgerToJson(ledger) })),
    total: ledgerToJson(sum),
    balances: off.length === 0,
    imbalance: off,
  }
}
