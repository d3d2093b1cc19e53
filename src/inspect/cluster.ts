/**
 * The cluster as this node sees it: GET /cluster, the map; GET /owner?user=ID, who owns a user. Read-only.
 *
 * Invariant: a map in motion is told as such (`isMoving`), with what was known before; never as what is.
 *
 * How it fails: 503 where the group's coordinator does not answer, or nothing is known yet.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ClusterMember, ClusterState } from '../cluster/map.ts'
import type { NodeView } from './view.ts'

/** Kafka's own limit of what a node joins by is beyond it; what is longer is no id. */
const MAX_ID_LENGTH = 64 * 1024

export interface ClusterAnswer extends Omit<ClusterState, 'members'> {
  /** The node that was asked. */
  readonly node: string
  readonly members: readonly MemberAnswer[]
}

export type MemberAnswer = Pick<ClusterMember, 'id' | 'url' | 'version' | 'fingerprint' | 'partitions'>

export interface OwnerAnswer {
  readonly partition: number
  readonly owner: MemberAnswer | null
  /** Whether it is the node that was asked. */
  readonly isHere: boolean
  readonly isMoving: boolean
}

export function addClusterRoutes(app: FastifyInstance, node: NodeView): void {
  app.get('/cluster', (_, reply) =>
    answered(reply, async (): Promise<ClusterAnswer> => {
      const state = await node.map.read()
      return { ...state, node: node.id, members: state.members.map(memberAnswer) }
    }),
  )
  app.get<{ Querystring: { user?: string } }>('/owner', async (request, reply) => {
    const { user } = request.query
    if (typeof user !== 'string' || user === '' || user.length > MAX_ID_LENGTH) {
      return reply.code(400).send({ error: 'ask for /owner?user=ID' })
    }
    return answered(reply, async (): Promise<OwnerAnswer> => {
      const { partition, owner, isMoving } = await node.map.ownerOf(user)
      const isHere = owner?.id === node.id
      return { partition, owner: owner === undefined ? null : memberAnswer(owner), isHere, isMoving }
    })
  })
}

async function answered<T>(reply: FastifyReply, answer: () => Promise<T>): Promise<T | FastifyReply> {
  try {
    return await answer()
  } catch (error) {
    return reply.code(503).send({ error: (error as Error).message })
  }
}

function memberAnswer({ id, url, version, fingerprint, partitions }: ClusterMember): MemberAnswer {
  return { id, url, version, fingerprint, partitions }
}
