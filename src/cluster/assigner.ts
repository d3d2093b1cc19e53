/**
 * Which node has which partition numbers: consistent hashing with bounded loads. Pure.
 *
 * Invariants:
 * 1. Every partition number has exactly one member, and the answer depends on the set of members alone, not on their
 *    order: whichever node leads the group, the result is the same.
 * 2. No member has more than ceil(partitions / members).
 * 3. A partition goes to the first member on the ring, from its own point on, that still has room: so a join or leave
 *    moves what it must and little more. Changing the ring's hash or points moves partitions between running versions.
 */
import { createHash } from 'node:crypto'
import HashRing from 'hashring'

/** Partition numbers of each member, ascending; members without any are in the map too. */
export function assignPartitions(members: readonly string[], partitions: number): Map<string, number[]> {
  const assigned = new Map<string, number[]>([...members].sort().map((member) => [member, []]))
  if (assigned.size === 0) return assigned
  const bound = Math.ceil(partitions / assigned.size)
  // Under digests, since the ring reads weights and ports out of what looks like an address.
  const memberOf = new Map([...assigned.keys()].map((member) => [digest(member), member]))
  const ring = new HashRing([...memberOf.keys()])
  for (let partition = 0; partition < partitions; partition++) {
    const candidates = ring
      .range(`partition-${partition}`, assigned.size)
      .map((point) => assigned.get(memberOf.get(point)!)!)
    candidates.find((taken) => taken.length < bound)!.push(partition)
  }
  return assigned
}

const GENERATED_SUFFIX = /-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * The name under which a member takes part in the ring. Kafka makes member ids of the client's id and a fresh UUID: a
 * node that restarts under its old name gets its old partitions, and finds their state on its disk.
 */
export function ringNames(memberIds: readonly string[]): Map<string, string> {
  const names = memberIds.map((id) => id.replace(GENERATED_SUFFIX, ''))
  const isUnique = (name: string) => names.indexOf(name) === names.lastIndexOf(name)
  return new Map(memberIds.map((id, i) => [id, isUnique(names[i]) ? names[i] : id]))
}

function digest(name: string): string {
  return createHash('sha1').update(name).digest('hex')
}
