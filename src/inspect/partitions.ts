/**
 * GET /partitions, of the whole cluster; GET /partitions/N, one in detail: its status, its ledger, who restarted and why,
 * what waits in its mailboxes.
 */
import type { FastifyInstance } from 'fastify'
import type { Partition } from '../actors/partition.ts'
import { AskError } from '../cluster/map.ts'
import type { LedgerField } from '../join/ledger.ts'
import { ledgerToJson } from '../join/ledger.ts'
import type { Inside } from './inside.ts'
import { isLocal, type LocalQuery, type Silent } from './others.ts'
import { type PartitionStatus, statusOf } from './status.ts'
import type { Restart } from './userAnswer.ts'

export interface PartitionsAnswer {
  readonly node: string
  readonly partitionCount: number
  readonly partitions: readonly (PartitionStatus & { readonly node: string })[]
  readonly silent: readonly Silent[]
}

export interface PartitionAnswer extends PartitionStatus {
  readonly node: string
  readonly ledger: Record<LedgerField, number>
  /** Actors that are being restarted: what comes for them waits in their mailboxes. */
  readonly mailboxes: { readonly busyActors: number; readonly messages: number }
  /** Timers set, and when the soonest is due. */
  readonly timers: { readonly count: number; readonly soonestMs: number | null }
  /** The newest first. */
  readonly restartNotes: readonly Restart[]
}

const DETAIL_COST = 2

export function addPartitionRoutes(app: FastifyInstance, inside: Inside): void {
  const { node, others } = inside
  app.get<{ Querystring: LocalQuery }>('/partitions', { config: { cost: DETAIL_COST } }, async ({ query }) => {
    const own: PartitionsAnswer = {
      node: node.id,
      partitionCount: node.partitionCount,
      partitions: statusOf(node, inside.surroundings()).partitions.map((p) => ({ ...p, node: node.id })),
      silent: [],
    }
    if (isLocal(query)) return own
    const { answers, silent } = await others.each<PartitionsAnswer>('/partitions')
    const partitions = [own, ...answers].flatMap((answer) => answer.partitions)
    return { ...own, partitions: partitions.sort((a, b) => a.partition - b.partition), silent }
  })
  app.get<{ Params: { partition: string }; Querystring: LocalQuery }>(
    '/partitions/:partition',
    async (request, reply) => {
      const index = Number(request.params.partition)
      if (!/^\d{1,6}$/.test(request.params.partition) || index >= node.partitionCount) {
        const last = node.partitionCount - 1
        return reply
          .code(404)
          .send({ error: `there is no partition ${request.params.partition}: they are 0 to ${last}` })
      }
      const partition = node.partitions.find((each) => each.index === index)
      if (partition !== undefined) return partitionAnswer(partition, inside)
      if (isLocal(request.query))
        return reply.code(503).send({ error: `node ${node.id} does not have partition ${index}` })
      return asked(reply, async () => {
        const owner = (await others.owner(index))!
        return others.ask<PartitionAnswer>(owner, `/partitions/${index}`)
      })
    },
  )
}

function partitionAnswer(partition: Partition, { node, surroundings }: Inside): PartitionAnswer {
  const status = statusOf(node, surroundings()).partitions.find((each) => each.partition === partition.index)!
  const { state, users } = partition
  const { soonestMs } = state.timers
  return {
    ...status,
    node: node.id,
    ledger: ledgerToJson(state.settled),
    mailboxes: users.mailboxes,
    timers: { count: state.timers.size, soonestMs: Number.isFinite(soonestMs) ? soonestMs : null },
    restartNotes: restartsOf(partition, node.topics).reverse(),
  }
}

/** Oldest first. */
export function restartsOf({ restarter, index }: Partition, topics: readonly string[]): Restart[] {
  return restarter.notes.map(({ user, atMs, error, culprit, quarantined }) => ({
    user,
    atMs,
    error,
    culprit: culprit === undefined ? null : { topic: topics[culprit.source], partition: index, offset: culprit.offset },
    quarantined,
  }))
}

/** Of another node: what it says, or why it does not, as this node's own answer. */
export async function asked<T>(
  reply: { code(status: number): { send(body: unknown): unknown } },
  ask: () => Promise<T>,
): Promise<T | unknown> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof AskError)) throw error
    return reply.code(error.status ?? 502).send({ error: error.message })
  }
}
