/**
 * Who is in a group and what each has, from the coordinator's description of it.
 *
 * Trap: unless the group is stable, Kafka describes its members without metadata and without assignments; so then
 * nothing is told of them, rather than that they own nothing.
 */
import type { GroupDescription, MemberDescription } from 'kafkajs'
import type { GroupMember, GroupView } from '../port.ts'
import { kafkajs } from './patch.ts'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

export function groupView({ state, members }: GroupDescription): GroupView {
  if (state === 'Empty' || state === 'Dead') return { state: 'empty', members: [] }
  if (state !== 'Stable') return { state: 'moving', members: [] }
  return { state: 'stable', members: members.map(memberOf) }
}

function memberOf({ memberId, memberMetadata, memberAssignment }: MemberDescription): GroupMember {
  // One of another program may have told nothing that can be read.
  const metadata = memberMetadata.length > 0 ? MemberMetadata.decode(memberMetadata) : null
  const assigned = memberAssignment.length > 0 ? MemberAssignment.decode(memberAssignment) : null
  const numbers = Object.values(assigned?.assignment ?? {}).flat()
  return {
    memberId,
    info: metadata?.userData ?? Buffer.alloc(0),
    partitions: [...new Set(numbers)].sort((a, b) => a - b),
  }
}
