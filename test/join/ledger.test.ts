import { describe, expect, test } from 'vitest'
import { balances, imbalance, LEDGER_FIELDS, type LedgerField, ledgerToJson, newLedger } from '../../src/join/ledger.ts'

function ledgerOf(counts: Partial<Record<LedgerField, number>>): Float64Array {
  return newLedger(LEDGER_FIELDS.map((field) => counts[field] ?? 0))
}

const BALANCED = {
  records: 41,
  refused: 1,
  views: 14,
  samples: 3,
  sampledOut: 1,
  pending: 2,
  viewDuplicates: 3,
  conflicts: 2,
  viewsQuarantined: 1,
  engagements: 26,
  bound: 5,
  unused: 1,
  outside: 2,
  late: 3,
  orphan: 4,
  undecided: 2,
  engagementDuplicates: 2,
  engagementsQuarantined: 1,
  lateViews: 1,
  viewsLost: 4,
  engagementsLost: 6,
}

describe('the ledger', () => {
  test('balances by the three equations of SEMANTICS.md section 7', () => {
    expect(imbalance(ledgerOf(BALANCED))).toEqual([0, 0, 0])
    expect(balances(newLedger())).toBe(true)
  })

  test.each(LEDGER_FIELDS.filter((field) => field !== 'conflicts' && field !== 'lateViews'))(
    'does not balance with one too many of %s',
    (field) => {
      expect(balances(ledgerOf({ ...BALANCED, [field]: BALANCED[field] + 1 }))).toBe(false)
    },
  )

  test('counts conflicts and late views beside, as parts of what is counted already', () => {
    expect(balances(ledgerOf({ ...BALANCED, conflicts: 0, lateViews: 0 }))).toBe(true)
  })

  test('reads counts of an older release with fewer fields, and of a newer one with more', () => {
    expect(ledgerToJson(newLedger([7, 1]))).toMatchObject({ records: 7, refused: 1, views: 0, lateViews: 0 })
    expect(newLedger([...Object.values(BALANCED), 99])).toEqual(ledgerOf(BALANCED))
  })
})
