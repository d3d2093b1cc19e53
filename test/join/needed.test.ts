import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NeededOffsets } from '../../src/join/needed.ts'
import { propertyOptions } from '../support/joinStreams.ts'

const steps = fc.array(
  fc.oneof(
    fc.record({ add: fc.nat(300) }),
    fc.record({ add: fc.nat(5000) }),
    fc.record({ remove: fc.nat(300) }),
    fc.constant({ removeLowest: true as const }),
  ),
  { maxLength: 300, size: 'max' },
)

describe('needed offsets', () => {
  test('are a set with its least member, wherever the offsets begin and however they come and go', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 31, 2 ** 32 - 5, 2 ** 40), (list, base) => {
        const needed = new NeededOffsets()
        const model = new Set<number>()
        const found: number[][] = []
        const expected: number[][] = []
        for (const step of list) {
          if ('add' in step) {
            needed.add(base + step.add)
            model.add(base + step.add)
          } else {
            const offset = 'remove' in step ? base + step.remove : Math.min(...model)
            if (!Number.isFinite(offset)) continue
            needed.remove(offset)
            model.delete(offset)
          }
          found.push([needed.size, needed.lowest(-1)])
          expected.push([model.size, model.size === 0 ? -1 : Math.min(...model)])
        }
        const offsets = Array.from({ length: 400 }, (_, k) => base + k)
        found.push(offsets.filter((offset) => needed.has(offset)))
        expected.push(offsets.filter((offset) => model.has(offset)))
        // At once: vitest's own call for each of a million comparisons takes longer than what is compared.
        expect(found).toEqual(expected)
      }),
      propertyOptions(150),
    )
  })

  test('take a page where something is needed, however far it moves and however far apart it lies', () => {
    const needed = new NeededOffsets()
    needed.add(7)
    for (let offset = 100_000; offset < 4_000_000; offset++) {
      needed.add(offset)
      if (offset >= 101_000) needed.remove(offset - 1000)
      if (offset % 10_000 === 0) expect(needed.lowest(-1)).toBe(7)
    }
    needed.add(200_000_000)
    needed.remove(200_000_000)
    expect(pagesOf(needed).there).toBeLessThanOrEqual(3)
    needed.remove(7)
    expect(needed.lowest(-1)).toBe(3_999_000)
    expect(pagesOf(needed).entries).toBeLessThan(100)
  })

  test('that were never added can be removed, below and above what is there', () => {
    const needed = new NeededOffsets()
    needed.remove(5)
    needed.add(1000)
    needed.remove(3)
    needed.remove(99_999)
    expect([needed.size, needed.lowest(-1), needed.has(3), needed.has(99_999)]).toEqual([1, 1000, false, false])
  })
})

function pagesOf(needed: NeededOffsets): { there: number; entries: number } {
  const { pages } = needed as unknown as { pages: readonly unknown[] }
  return { there: pages.filter((page) => page !== undefined).length, entries: pages.length }
}
