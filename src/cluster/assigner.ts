/**
 * Which node has which partition numbers. Pure: from what the members told when they joined (member.ts), so that
 * whichever node leads the group, the result is the same.
 *
 * Invariants:
 * 1. Every partition number has exactly one member, and the answer depends on the set of members and what they told, not
 *    on their order.
 * 2. Balance: of P partitions and N members, P mod N members have ceil(P/N) and the others floor(P/N).
 * 3. Least movement: a member keeps what it has in memory, up to its share; who may have one more is chosen so that the
 *    most stays. So no more moves than what leavers had and what is beyond the shares of those that stay.
 * 4. What moves goes to a member whose journal holds something of it, where one has room; else to the first member on
 *    the ring (consistent hashing), from the partition's own point on, that has room.
 *
 * A member that comes back from a sleep may claim what another has by now: the first of them on the ring is believed, and
 * the node itself finds out whether its state still stands (lastCommits.ts). Changing the ring's hash or points moves
 * partitions between running versions.
 */
import { createHash } from 'node:crypto'
import HashRing from 'hashring'
import { decodeMember } from './member.ts'

/** What a member brings along. */
export interface Claim {
  /** Its name on the ring. */
  readonly name: string
  /** In its memory. */
  readonly owns: readonly number[]
  /** In its journal. */
  readonly holds: readonly number[]
}

interface Member {
  readonly name: string
  readonly digest: string
  readonly owned: number[]
  readonly held: Set<number>
  readonly taken: number[]
  share: number
}

/** Partition numbers of each member by its id, from what each told. */
export function assignMembers(
  members: readonly { readonly memberId: string; readonly info: Buffer }[],
  partitions: number,
): Map<string, number[]> {
  const names = ringNames(members.map(({ memberId }) => memberId))
  const claims = members.map(({ memberId, info }) => {
    const { owns, holds } = decodeMember(info) ?? { owns: [], holds: [] }
    return { name: names.get(memberId)!, owns, holds }
  })
  const assigned = assignPartitions(claims, partitions)
  return new Map(members.map(({ memberId }) => [memberId, assigned.get(names.get(memberId)!)!]))
}

/** Partition numbers of each member, ascending; members without any are in the map too. */
export function assignPartitions(claims: readonly Claim[], partitions: number): Map<string, number[]> {
  const members = claims.map((claim) => memberOf(claim, partitions)).sort((a, b) => (a.digest < b.digest ? -1 : 1))
  if (members.length === 0) return new Map()
  const ring = new Ring(members)
  settleOwners(members, ring, partitions)
  setShares(members, partitions)
  const free = [...keep(members, ring, partitions)]
  // Those that few hold come first, so that they find room there.
  const holders = new Map(free.map((p) => [p, members.filter(({ held }) => held.has(p)).length]))
  free.sort((a, b) => holders.get(a)! - holders.get(b)! || a - b)
  const left = free.filter(
    (p) =>
      !take(
        ring.from(p).filter(({ held }) => held.has(p)),
        p,
      ),
  )
  for (const p of left.sort((a, b) => a - b)) take(ring.from(p), p)
  return new Map(members.map(({ name, taken }) => [name, taken.sort((a, b) => a - b)]))
}

function memberOf({ name, owns, holds }: Claim, partitions: number): Member {
  const owned = [...new Set(owns)].filter((p) => p < partitions)
  return { name, digest: digest(name), owned, held: new Set(holds), taken: [], share: 0 }
}

/** Leaves each partition with one owner at most. */
function settleOwners(members: readonly Member[], ring: Ring, partitions: number): void {
  const claimants: Member[][] = Array.from({ length: partitions }, () => [])
  for (const member of members) for (const p of member.owned) claimants[p].push(member)
  claimants.forEach((several, p) => {
    if (several.length < 2) return
    const first = ring.from(p).find((member) => several.includes(member))
    for (const member of several) if (member !== first) member.owned.splice(member.owned.indexOf(p), 1)
  })
}

/** One more than the others' goes to those that own the most, so that the most stays where it is. */
function setShares(members: readonly Member[], partitions: number): void {
  const floor = Math.floor(partitions / members.length)
  const larger = partitions % members.length
  const owned = new Set(members.flatMap((member) => member.owned))
  const waiting = (member: Member): number => [...member.held].filter((p) => p < partitions && !owned.has(p)).length
  const ranked = members.map((member) => ({ member, owned: member.owned.length, waiting: waiting(member) }))
  ranked.sort((a, b) => b.owned - a.owned || b.waiting - a.waiting || (a.member.digest < b.member.digest ? -1 : 1))
  ranked.forEach(({ member }, i) => {
    member.share = i < larger ? floor + 1 : floor
  })
}

/** Each keeps what it owns, up to its share. Gives what nobody has then. */
function keep(members: readonly Member[], ring: Ring, partitions: number): Set<number> {
  const free = new Set(Array.from({ length: partitions }, (_, p) => p))
  for (const member of members) {
    for (const p of kept(member, members, ring)) {
      member.taken.push(p)
      free.delete(p)
    }
  }
  return free
}

/** Given up first is what another has in its journal and may have, then what the ring would give to others. */
function kept(member: Member, members: readonly Member[], ring: Ring): readonly number[] {
  const { owned, share } = member
  if (owned.length <= share) return owned
  const others = members.filter((other) => other !== member && other.owned.length < other.share)
  const ranked = owned.map((p) => ({
    p,
    isHeld: others.some(({ held }) => held.has(p)) ? 1 : 0,
    rank: ring.from(p).indexOf(member),
  }))
  ranked.sort((a, b) => a.isHeld - b.isHeld || a.rank - b.rank || a.p - b.p)
  return ranked.slice(0, share).map(({ p }) => p)
}

/** The first that has room takes it. */
function take(candidates: readonly Member[], p: number): boolean {
  const member = candidates.find(({ taken, share }) => taken.length < share)
  member?.taken.push(p)
  return member !== undefined
}

class Ring {
  private readonly members: ReadonlyMap<string, Member>
  private readonly ring: HashRing

  constructor(members: readonly Member[]) {
    // Under digests, since the ring reads weights and ports out of what looks like an address.
    this.members = new Map(members.map((member) => [member.digest, member]))
    this.ring = new HashRing([...this.members.keys()])
  }

  /** All members, from the partition's own point on. */
  from(partition: number): readonly Member[] {
    return this.ring.range(`partition-${partition}`, this.members.size).map((point) => this.members.get(point)!)
  }
}

const GENERATED_SUFFIX = /-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * The name under which a member takes part in the ring. Kafka makes member ids of the client's id and a fresh UUID: a
 * node that restarts under its old name has its old place.
 */
export function ringNames(memberIds: readonly string[]): Map<string, string> {
  const names = memberIds.map((id) => id.replace(GENERATED_SUFFIX, ''))
  const isUnique = (name: string) => names.indexOf(name) === names.lastIndexOf(name)
  return new Map(memberIds.map((id, i) => [id, isUnique(names[i]) ? names[i] : id]))
}

function digest(name: string): string {
  return createHash('sha1').update(name).digest('hex')
}
