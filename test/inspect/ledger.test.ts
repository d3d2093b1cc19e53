import { expect, it } from 'vitest'
import { EQUATIONS, ledgerReport } from '../../src/inspect/ledger.ts'
import { imbalance, LEDGER_FIELDS } from '../../src/join/ledger.ts'
import { ledgerOf } from './fakeNode.ts'

const balanced = { records: 10, views: 6, engagements: 3, refused: 1, samples: 4, pending: 2, bound: 2, orphan: 1 }

it('adds the partitions up and says that they balance', () => {
  const report = ledgerReport(
    new Map([
      [1, ledgerOf(balanced)],
      [0, ledgerOf(balanced)],
    ]),
  )
  expect(report.partitions.map((p) => p.partition)).toEqual([0, 1])
  expect(report.total).toMatchObject({ records: 20, views: 12, samples: 8, orphan: 2 })
  expect(report.balances).toBe(true)
  expect(report.imbalance).toEqual([])
})

it('names the equation and the partition that are off', () => {
  const report = ledgerReport(new Map([[3, ledgerOf({ ...balanced, samples: 3 })]]))
  expect(report.balances).toBe(false)
  expect(report.imbalance).toEqual([{ partition: 3, equation: 'views', difference: 1 }])
})

it('does not let two partitions that are off cancel each other out', () => {
  const report = ledgerReport(
    new Map([
      [0, ledgerOf({ ...balanced, bound: 1 })],
      [1, ledgerOf({ ...balanced, bound: 3 })],
    ]),
  )
  expect(report.balances).toBe(false)
  expect(report.imbalance.map((one) => one.difference)).toEqual([1, -1])
})

it('shows the very equations that the join holds to', () => {
  for (const [k, { left, right }] of EQUATIONS.entries()) {
    for (const field of LEDGER_FIELDS) {
      const expected = (field === left ? 1 : 0) - ((right as readonly string[]).includes(field) ? 1 : 0)
      expect(imbalance(ledgerOf({ [field]: 1 }))[k]).toBe(expected === 0 ? 0 : expected)
    }
  }
})

it('is empty and balanced where there is nothing', () => {
  expect(ledgerReport(new Map())).toMatchObject({ partitions: [], balances: true, imbalance: [] })
})
