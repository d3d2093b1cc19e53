import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatNumbers, parseNumbers } from '../../src/cluster/numbers.ts'

describe('partition numbers as text', () => {
  it('are ranges where they follow each other', () => {
    expect(formatNumbers([7, 0, 1, 2])).toBe('0-2,7')
    expect(formatNumbers([])).toBe('')
  })

  it('come back as they were, sorted', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(2000)), (numbers) => {
        expect(parseNumbers(formatNumbers(numbers))).toEqual([...numbers].sort((a, b) => a - b))
      }),
    )
  })

  it('are refused where they are none, or more than a group has', () => {
    for (const text of ['a', '1-', '-1', '1,,2', '0-999999999', '5 6'])
      expect(() => parseNumbers(text)).toThrow(RangeError)
  })
})
