import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HashCounts } from '../../src/actors/hashCounts.ts'
import { propertyOptions } from '../support/joinStreams.ts'

/** Few hashes, so that they come again, and the ends of the range. */
const hash = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(0xffffffff, 0x80000000, 0x7fffffff))
const step = fc.record({ hash, isAdd: fc.boolean() })

test('counts as a map of counts does, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const counts = new HashCounts()
      const model = new Map<number, number>()
      for (const { hash, isAdd } of steps) {
        const before = model.get(hash) ?? 0
        model.set(hash, isAdd ? before + 1 : Math.max(0, before - 1))
        if (isAdd) counts.add(hash)
        else counts.remove(hash)
        expect(counts.has(hash)).toBe(model.get(hash)! > 0)
      }
      for (const [one, count] of model) expect(counts.has(one)).toBe(count > 0)
      expect(counts.size).toBe([...model.values()].reduce((sum, count) => sum + count, 0))
    }),
    propertyOptions(200),
  )
})

test('keeps all of many, and forgets all that leave', () => {
  const counts = new HashCounts()
  const hashes = Array.from({ length: 20_000 }, (_, k) => Math.imul(k, 0x01000193) >>> 0)
  for (const one of hashes) counts.add(one)
  expect(hashes.every((one) => counts.has(one))).toBe(true)
  for (const one of hashes) counts.remove(one)
  expect([counts.size, hashes.some((one) => counts.has(one))]).toEqual([0, false])
  for (const one of hashes) counts.add(one)
  expect(counts.size).toBe(hashes.length)
})
