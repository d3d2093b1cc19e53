import { expect, it } from 'vitest'
import { RateMeter } from '../../src/inspect/rates.ts'

const counts = (count: number) => new Map([[3, count]])

it('knows no rate before the second look', () => {
  const meter = new RateMeter()
  expect(meter.perSecond(3)).toBe(0)
  meter.look(0, counts(50))
  expect(meter.perSecond(3)).toBe(0)
})

it('is the mean over the looks it remembers', () => {
  const meter = new RateMeter()
  meter.look(0, counts(1_000_000))
  for (let second = 1; second <= 6; second++) meter.look(second * 1000, counts(1_000_000 + second * 20))
  expect(meter.perSecond(3)).toBe(20)
})

it('forgets what is long past', () => {
  const meter = new RateMeter()
  for (let second = 0; second < 20; second++) meter.look(second * 1000, counts(Math.min(second, 10) * 100))
  expect(meter.perSecond(3)).toBe(0)
})

it('has no rate for a partition that has gone, and none below zero for one that came back', () => {
  const meter = new RateMeter()
  meter.look(0, counts(500))
  meter.look(1000, new Map())
  expect(meter.perSecond(3)).toBe(0)
  meter.look(2000, counts(10))
  expect(meter.perSecond(3)).toBe(0)
})
