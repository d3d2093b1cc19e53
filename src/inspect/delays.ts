/** GET /delays: what this node has observed of engagements' delays, to be added to other nodes', and its own report. */
import type { FastifyInstance } from 'fastify'
import { type DelaysReport, type DelaysSnapshot, delaysReport } from '../delays/report.ts'
import { PENDING } from '../join/ledger.ts'
import type { NodeView } from './view.ts'

export interface DelaysAnswer {
  readonly snapshot: DelaysSnapshot
  readonly report: DelaysReport
}

export function addDelays(app: FastifyInstance, node: NodeView): void {
  app.get('/delays', async (_, reply) => {
    const { delays } = node
    if (delays === undefined) {
      return reply.code(404).send({ error: 'delays are not watched here: delays.horizon in node.yaml is 0' })
    }
    const sum = (of: (partition: NodeView['partitions'][number]) => number): number =>
      node.partitions.reduce((total, partition) => total + of(partition), 0)
    const pendingViews = sum((partition) => partition.state.ledger[PENDING])
    const stateBytes = sum((partition) => partition.state.arena.usedBytes)
    const snapshot = delays.snapshot(node.id, pendingViews, stateBytes)
    return { snapshot, report: delaysReport([snapshot]) } satisfies DelaysAnswer
  })
}
