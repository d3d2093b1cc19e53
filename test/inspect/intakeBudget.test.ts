import { expect, it } from 'vitest'
import { IntakeBudget } from '../../src/inspect/intakeBudget.ts'

it('lets requests in while they fit, and again once others are done', () => {
  const budget = new IntakeBudget(100, () => 0)
  const release = budget.take(60)
  expect(budget.take(50)).toBeUndefined()
  expect(budget.take(40)).toBeDefined()
  release?.()
  expect(budget.take(60)).toBeDefined()
})

it('counts what the partitions have buffered', () => {
  let bufferedBytes = 90
  const budget = new IntakeBudget(100, () => bufferedBytes)
  expect(budget.take(20)).toBeUndefined()
  bufferedBytes = 10
  expect(budget.take(20)).toBeDefined()
})

it('lets one that is larger than the limit in when nothing else is on its way', () => {
  const budget = new IntakeBudget(100, () => 0)
  const release = budget.take(1000)
  expect(release).toBeDefined()
  expect(budget.take(1)).toBeUndefined()
  release?.()
  expect(budget.take(1)).toBeDefined()
})

it('gives back once, however often it is told', () => {
  const budget = new IntakeBudget(100, () => 0)
  const release = budget.take(60)
  budget.take(40)
  release?.()
  release?.()
  expect(budget.takenBytes).toBe(40)
})
