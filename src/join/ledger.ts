/**
 * The counts that must balance (SEMANTICS.md section 7), per partition, as one array of numbers: cheap to add to, and
 * small enough to travel with a commit.
 *
 * Invariants: the equations of `imbalance` hold after every record. `pending`, `undecided` and `boundPending` go up and
 * down, all others only up.
 */
export const LEDGER_FIELDS = [
  'records',
  'refused',
  'views',
  'samples',
  'sampledOut',
  'pending',
  'viewDuplicates',
  'conflicts',
  'viewsQuarantined',
  'engagements',
  'bound',
  'unused',
  'outside',
  'late',
  'orphan',
  'undecided',
  'engagementDuplicates',
  'engagementsQuarantined',
  'lateViews',
  'viewsLost',
  'engagementsLost',
] as const

export type LedgerField = (typeof LEDGER_FIELDS)[number]

const INDEX = new Map<LedgerField, number>(LEDGER_FIELDS.map((field, i) => [field, i]))
const at = (field: LedgerField): number => INDEX.get(field)!

export const RECORDS = at('records')
export const REFUSED_RECORDS = at('refused')
export const VIEWS = at('views')
export const SAMPLES = at('samples')
export const PENDING = at('pending')
export const VIEW_DUPLICATES = at('viewDuplicates')
export const CONFLICTS = at('conflicts')
export const VIEWS_QUARANTINED = at('viewsQuarantined')
export const ENGAGEMENTS = at('engagements')
export const BOUND = at('bound')
export const UNUSED = at('unused')
export const OUTSIDE = at('outside')
export const LATE = at('late')
export const ORPHAN = at('orphan')
export const UNDECIDED = at('undecided')
export const ENGAGEMENT_DUPLICATES = at('engagementDuplicates')
export const ENGAGEMENTS_QUARANTINED = at('engagementsQuarantined')
export const LATE_VIEWS = at('lateViews')

export const VIEWS_LOST = at('viewsLost')
export const ENGAGEMENTS_LOST = at('engagementsLost')

export type Ledger = Float64Array

export function newLedger(counts: readonly number[] = []): Ledger {
  const ledger = new Float64Array(LEDGER_FIELDS.length)
  ledger.set(counts.slice(0, LEDGER_FIELDS.length))
  return ledger
}

/** By how much the equations are off: records, views, engagements; all 0 when they balance. */
export function imbalance(l: ArrayLike<number>): readonly [number, number, number] {
  return [
    l[RECORDS] - (l[VIEWS] + l[ENGAGEMENTS] + l[REFUSED_RECORDS]),
    l[VIEWS] -
      (l[SAMPLES] + l[at('sampledOut')] + l[PENDING] + l[VIEW_DUPLICATES] + l[VIEWS_QUARANTINED] + l[VIEWS_LOST]),
    l[ENGAGEMENTS] -
      (l[BOUND] +
        l[UNUSED] +
        l[OUTSIDE] +
        l[LATE] +
        l[ORPHAN] +
        l[UNDECIDED] +
        l[ENGAGEMENT_DUPLICATES] +
        l[ENGAGEMENTS_QUARANTINED] +
        l[ENGAGEMENTS_LOST]),
  ]
}

export function balances(l: ArrayLike<number>): boolean {
  return imbalance(l).every((difference) => difference === 0)
}

export function ledgerToJson(l: ArrayLike<number>): Record<LedgerField, number> {
  return Object.fromEntries(LEDGER_FIELDS.map((field, i) => [field, l[i]])) as Record<LedgerField, number>
}
