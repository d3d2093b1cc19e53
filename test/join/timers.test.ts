import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Timers } from '../../src/join/timers.ts'
import { propertyOptions } from '../support/joinStreams.ts'

const steps = fc.array(
  fc.oneof(
    { arbitrary: fc.record({ setMs: fc.oneof(fc.integer({ min: -2000, max: 2000 }), fc.integer()) }), weight: 4 },
    { arbitrary: fc.record({ takeMs: fc.oneof(fc.integer({ min: -2000, max: 2000 }), fc.integer()) }), weight: 1 },
    { arbitrary: fc.record({ forget: fc.nat(100) }), weight: 1 },
    { arbitrary: fc.constant({ tidy: true }), weight: 1 },
  ),
  { maxLength: 200, size: 'max' },
)

describe('timers', () => {
  test('give out exactly what is due before the time asked for, once, and nothing that means nothing any more', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const timers = new Timers()
        const due = new Map<number, number>()
        let next = 1
        for (const step of list) {
          if ('setMs' in step) {
            due.set(next, step.setMs)
            timers.set(step.setMs, next++)
          } else if ('forget' in step) {
            due.delete(step.forget)
          } else if ('tidy' in step) {
            timers.tidy((address) => due.get(address) ?? Number.NaN)
          } else {
            const expected = [...due].filter(([, ms]) => ms < step.takeMs).map(([address]) => address)
            const taken: number[] = []
            const dueOf = (address: number): number => due.get(address) ?? Number.NaN
            timers.take(step.takeMs, dueOf, (address, ms) => {
              expect(ms).toBe(due.get(address))
              taken.push(address)
            })
            expect(taken.sort((a, b) => a - b)).toEqual(expected)
            for (const address of taken) due.delete(address)
          }
          expect(timers.size).toBeGreaterThanOrEqual(due.size)
          expect(timers.soonestMs).toBeLessThanOrEqual(Math.min(Number.POSITIVE_INFINITY, ...due.values()))
        }
        timers.take(
          Number.POSITIVE_INFINITY,
          (address) => due.get(address) ?? Number.NaN,
          () => {},
        )
        expect([timers.size, timers.soonestMs]).toEqual([0, Number.POSITIVE_INFINITY])
      }),
      propertyOptions(200),
    )
  })

  test('of blocks that come and go without end stay few, and lose none', () => {
    const timers = new Timers()
    const due = new Map<number, number>()
    const dueOf = (address: number): number => due.get(address) ?? Number.NaN
    let most = 0
    // As users move out of memory and back: the same addresses, given out again and again, with other times.
    for (let round = 0; round < 200; round++) {
      for (let address = 1; address <= 5_000; address++) {
        const ms = ((address * 7919 + round * 31) % 1_000) * 1_000
        due.set(address, ms)
        timers.set(ms, address)
      }
      timers.tidy(dueOf)
      most = Math.max(most, timers.size)
    }
    expect(most).toBeLessThan(100_000)
    const taken: number[] = []
    timers.take(Number.POSITIVE_INFINITY, dueOf, (address, ms) => {
      expect(ms).toBe(due.get(address))
      // Taken twice where it is twice in the queue: the join looks what a block is (batch.ts).
      if (due.delete(address)) taken.push(address)
    })
    expect(taken).toHaveLength(5_000)
  })

  test('that are due in time order come out bucket by bucket', () => {
    const timers = new Timers()
    const times = [9000, 100, 5000, 101, 5001]
    for (const [address, ms] of times.entries()) timers.set(ms, address)
    const taken: number[] = []
    timers.take(
      1e6,
      (address) => times[address],
      (address) => taken.push(times[address]),
    )
    expect(taken).toEqual([100, 101, 5000, 5001, 9000])
  })

  test('of a day-long gap cost only the buckets that exist', () => {
    const timers = new Timers()
    timers.set(0, 1)
    timers.set(1e15, 2)
    const taken: number[] = []
    timers.take(
      2e15,
      (address) => (address === 1 ? 0 : 1e15),
      (address) => taken.push(address),
    )
    expect(taken).toEqual([1, 2])
  })
})
