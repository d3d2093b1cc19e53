/**
 * The assigner that the group's members propose to Kafka: the same partition numbers of all topics to the same member
 * (src/cluster/assigner.ts decides which).
 *
 * Traps: `userData` in an assignment is decoded and dropped by kafkajs, so a leader cannot tell members anything; in a
 * member's own metadata it does arrive, and that is where `memberInfo` travels.
 */
import type { PartitionAssigner } from 'kafkajs'
import { assignMembers } from '../../cluster/assigner.ts'
import type { GroupHooks } from './internals.ts'
import { kafkajs } from './patch.ts'

const ASSIGNER = 'postview-ring'
const VERSION = 1
const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/** `agreement` becomes part of the protocol's name: Kafka's coordinator lets only members in that share one. */
export function ringAssigner(agreement: string, memberInfo: () => Buffer, hooks: GroupHooks): PartitionAssigner {
  const name = agreement === '' ? ASSIGNER : `${ASSIGNER}-${agreement}`
  return ({ cluster }) => {
    const partitionsOf = (topic: string) =>
      cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
    const assigner = {
      name,
      version: VERSION,
      protocol: ({ topics }: { topics: string[] }) => ({
        name,
        metadata: MemberMetadata.encode({ version: VERSION, topics, userData: memberInfo() }),
      }),
      assign: async ({ members, topics }: { members: readonly GroupedMember[]; topics: string[] }) => {
        const partitions = new Map(topics.map((topic) => [topic, new Set(partitionsOf(topic))]))
        const count = Math.max(0, ...[...partitions.values()].map((numbers) => numbers.size))
        const told = members.map(({ memberId, memberMetadata }) => ({ memberId, info: infoIn(memberMetadata) }))
        const assigned = assignMembers(told, count)
        return members.map(({ memberId }) => {
          const numbers = assigned.get(memberId)!
          const assignment = Object.fromEntries(
            [...partitions].map(([topic, own]) => [topic, numbers.filter((number) => own.has(number))]),
          )
          return {
            memberId,
            memberAssignment: MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.alloc(0) }),
          }
        })
      },
      /** Not kafkajs's: found by the patched consumer group. */
      hooks,
    }
    return assigner
  }
}

interface GroupedMember {
  readonly memberId: string
  readonly memberMetadata: Buffer
}

function infoIn(metadata: Buffer): Buffer {
  return MemberMetadata.decode(metadata)?.userData ?? Buffer.alloc(0)
}
