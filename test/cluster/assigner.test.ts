import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignPartitions, ringNames } from '../../src/cluster/assigner.ts'

const members = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 24 }), { minLength: 1, maxLength: 12 })
const partitions = fc.integer({ min: 0, max: 200 })
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

describe('assigning partitions to nodes', () => {
  it('gives every partition number to exactly one member', () => {
    fc.assert(
      fc.property(members, partitions, (names, count) => {
        const all = [...assignPartitions(names, count).values()].flat().sort((a, b) => a - b)
        expect(all).toEqual(Array.from({ length: count }, (_, i) => i))
      }),
    )
  })

  it('gives no member more than its share, rounded up', () => {
    fc.assert(
      fc.property(members, partitions, (names, count) => {
        const assigned = assignPartitions(names, count)
        expect([...assigned.keys()].sort()).toEqual([...names].sort())
        for (const taken of assigned.values()) expect(taken.length).toBeLessThanOrEqual(Math.ceil(count / names.length))
      }),
    )
  })

  it('does not depend on the order in which members are listed', () => {
    const shuffled = members.chain((names) =>
      fc.tuple(fc.constant(names), fc.shuffledSubarray(names, { minLength: names.length })),
    )
    fc.assert(
      fc.property(shuffled, partitions, ([names, other], count) => {
        expect(assignPartitions(other, count)).toEqual(assignPartitions(names, count))
      }),
    )
  })

  it('moves few partitions between the members that stay when one leaves', () => {
    const before = assignPartitions(['a', 'b', 'c', 'd', 'e'], 100)
    const after = assignPartitions(['a', 'b', 'c', 'd'], 100)
    const owner = (map: Map<string, number[]>, p: number) => [...map].find(([, taken]) => taken.includes(p))?.[0]
    const moved = Array.from({ length: 100 }, (_, p) => p).filter(
      (p) => owner(before, p) !== 'e' && owner(before, p) !== owner(after, p),
    )
    // Without a ring, three of four would move; the bound makes some move that need not.
    expect(moved.length).toBeLessThan(30)
  })

  it('has nobody to assign to in an empty group', () => {
    expect(assignPartitions([], 8)).toEqual(new Map())
  })
})

describe('the name of a member in the ring', () => {
  it('is the part of its id that outlives a restart', () => {
    const first = `postview-n1-${uuid(1)}`
    const again = `postview-n1-${uuid(2)}`
    expect(ringNames([first]).get(first)).toBe('postview-n1')
    expect(ringNames([again]).get(again)).toBe('postview-n1')
  })

  it('is the whole id where two members share that part', () => {
    const [one, two] = [`same-${uuid(1)}`, `same-${uuid(2)}`]
    expect([...ringNames([one, two]).values()]).toEqual([one, two])
  })
})
