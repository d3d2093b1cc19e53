/**
 * The assigner's promises as properties, from 1 to 50 members and 1 to 1,000 partitions: balance, independence of the
 * order, the least movement, and journals where they are.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignMembers, assignPartitions, type Claim, ringNames } from '../../src/cluster/assigner.ts'
import { encodeMember } from '../../src/cluster/member.ts'

type Assigned = ReadonlyMap<string, readonly number[]>

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
/** Also such as look like addresses with ports, which the ring would read. */
const name = fc.oneof(
  fc.integer({ min: 0, max: 999 }).map((n) => `node-${n}`),
  fc.integer({ min: 1, max: 200 }).map((n) => `host-${n}:74${String(n).padStart(2, '0')}`),
)
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 50 })
const partitions = fc.integer({ min: 1, max: 1000 })
const RUNS = { numRuns: 30 }

const fresh = (members: readonly string[]): Claim[] => members.map((one) => ({ name: one, owns: [], holds: [] }))
/** What members tell that stayed: what they own lies in their journals too. */
const staying = (assigned: Assigned, members: readonly string[]): Claim[] =>
  members.map((one) => ({ name: one, owns: assigned.get(one) ?? [], holds: assigned.get(one) ?? [] }))
const ownerOf = (assigned: Assigned): Map<number, string> =>
  new Map([...assigned].flatMap(([member, numbers]) => numbers.map((p) => [p, member] as const)))

function expectBalance(assigned: Assigned, members: readonly string[], count: number): void {
  expect([...assigned.keys()].sort()).toEqual([...members].sort())
  expect([...assigned.values()].flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, p) => p))
  for (const { length } of assigned.values()) {
    expect(length).toBeLessThanOrEqual(Math.ceil(count / members.length))
    expect(length).toBeGreaterThanOrEqual(Math.floor(count / members.length))
  }
}

/**
 * The fewest that can move: all of those that left, and of those that stay what is beyond their share, where the larger
 * shares go to those that have the most.
 */
function fewestMoves(before: Assigned, members: readonly string[], count: number): number {
  const stayed = members.map((member) => before.get(member)?.length ?? 0).sort((a, b) => b - a)
  const floor = Math.floor(count / members.length)
  const larger = count % members.length
  return count - stayed.reduce((sum, had, i) => sum + Math.min(had, i < larger ? floor + 1 : floor), 0)
}

function moves(before: Assigned, now: Assigned): number {
  const was = ownerOf(before)
  return [...ownerOf(now)].filter(([p, member]) => was.get(p) !== member).length
}

describe('assigning partitions', () => {
  it('gives every partition to one member, and each its share, rounded up or down', () => {
    fc.assert(
      fc.property(names, partitions, (members, count) => {
        expectBalance(assignPartitions(fresh(members), count), members, count)
      }),
      RUNS,
    )
  })

  it('does not depend on the order in which members are listed', () => {
    const given = fc.tuple(names, partitions).chain(([members, count]) => {
      const claims = fc.tuple(
        ...members.map((one) => {
          const numbers = fc.array(fc.nat(count * 2), { maxLength: 40 })
          return fc.record({ name: fc.constant(one), owns: numbers, holds: numbers })
        }),
      )
      const order = fc.shuffledSubarray([...members.keys()], { minLength: members.length })
      return fc.tuple(fc.constant(count), claims, order)
    })
    fc.assert(
      fc.property(given, ([count, claims, order]) => {
        const assigned = assignPartitions(claims, count)
        expect(
          assignPartitions(
            order.map((i) => claims[i]),
            count,
          ),
        ).toEqual(assigned)
        // Whatever members claim, also what two claim or what there is not.
        expectBalance(
          assigned,
          claims.map((claim) => claim.name),
          count,
        )
      }),
      RUNS,
    )
  })

  it('moves the fewest that can be, whoever joins and leaves, time after time', () => {
    fc.assert(
      fc.property(partitions, fc.array(names, { minLength: 2, maxLength: 5 }), (count, groups) => {
        let before = assignPartitions(fresh(groups[0]), count)
        for (const members of groups.slice(1)) {
          const now = assignPartitions(staying(before, members), count)
          expectBalance(now, members, count)
          expect(moves(before, now)).toBe(fewestMoves(before, members, count))
          before = now
        }
      }),
      RUNS,
    )
  })

  it('moves nothing when all stay, and nothing when all start again with their journals', () => {
    fc.assert(
      fc.property(names, names, partitions, (first, members, count) => {
        // Of any history, not only of what the ring alone would give.
        const before = assignPartitions(staying(assignPartitions(fresh(first), count), members), count)
        expect(assignPartitions(staying(before, members), count)).toEqual(before)
        const restarted = members.map((one) => ({ name: one, owns: [], holds: before.get(one)! }))
        expect(assignPartitions(restarted, count)).toEqual(before)
      }),
      RUNS,
    )
  })

  it('gives a node that was away its partitions back, from those that took them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 50 }), partitions, (members, count) => {
        const before = assignPartitions(fresh(members), count)
        const [away, ...others] = members
        const meanwhile = assignPartitions(staying(before, others), count)
        const back = [...staying(meanwhile, others), { name: away, owns: [], holds: before.get(away)! }]
        const now = assignPartitions(back, count)
        const had = new Set(before.get(away))
        // It may have one partition less or more than before; all that it gets of what there is are its own.
        const own = now.get(away)!.filter((p) => had.has(p)).length
        expect(own).toBe(Math.min(now.get(away)!.length, had.size))
      }),
      RUNS,
    )
  })

  it('prefers the journal that is there to the ring, and never beyond the share', () => {
    fc.assert(
      fc.property(names, partitions, fc.nat(), (members, count, pick) => {
        const holder = members[pick % members.length]
        const claims = fresh(members).map((claim) =>
          claim.name === holder ? { ...claim, holds: Array.from({ length: count }, (_, p) => p) } : claim,
        )
        const assigned = assignPartitions(claims, count)
        expect(assigned.get(holder)!.length).toBe(Math.ceil(count / members.length))
        const less = assigned.get(holder)!.slice(0, Math.floor(count / members.length))
        const few = fresh(members).map((claim) => (claim.name === holder ? { ...claim, holds: less } : claim))
        expect(assignPartitions(few, count).get(holder)).toEqual(expect.arrayContaining(less))
      }),
      RUNS,
    )
  })

  it('spreads by consistent hashing what nobody has', () => {
    const assigned = assignPartitions(fresh(['a', 'b', 'c', 'd', 'e']), 100)
    const alone = assignPartitions(fresh(['a', 'b', 'c', 'd']), 100)
    const was = ownerOf(assigned)
    const moved = [...ownerOf(alone)].filter(([p, member]) => was.get(p) !== 'e' && was.get(p) !== member)
    // Without a ring, three of four would have another place.
    expect(moved.length).toBeLessThan(40)
  })

  it('has nobody to assign to in an empty group', () => {
    expect(assignPartitions([], 8)).toEqual(new Map())
  })

  it('takes members by what they told, and those that told nothing by their names', () => {
    const told = { id: 'n', folder: 'n', url: '', version: '1', fingerprint: 'f', digests: {} }
    const one = { memberId: `one-${uuid(1)}`, info: encodeMember({ ...told, owns: [0, 1], holds: [] }) }
    const two = { memberId: `two-${uuid(2)}`, info: Buffer.alloc(0) }
    expect(assignMembers([two, one], 3)).toEqual(
      new Map([
        [two.memberId, [2]],
        [one.memberId, [0, 1]],
      ]),
    )
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
