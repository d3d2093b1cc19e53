/**
 * GET /ledger: of this node's partitions; GET /ledger/cluster: of all partitions: of what nodes have joined by now where they answer, else of what was
 * committed last, so that no partition is left out.
 */
import type { FastifyInstance } from 'fastify'
import { LEDGER_FIELDS } from '../join/ledger.ts'
import { type CommittedLedgers, committedLedgers, type LostOf } from './committedLedgers.ts'
import { type LedgerReport, ledgerReport } from './ledger.ts'
import type { Others, Silent } from './others.ts'
import type { NodeView } from './view.ts'

export interface ClusterLedger extends LedgerReport {
  /** Where each partition's counts are from: a node's id, or `commit`. */
  readonly sources: readonly { readonly partition: number; readonly from: string }[]
  /** Partitions of which nothing is known: never committed, and no node has them. */
  readonly unknown: readonly number[]
  /** Events that recovery needed and that the log had no longer: accepted as lost, and declared with each commit since. */
  readonly lost: readonly LostOf[]
  readonly silent: readonly Silent[]
}

const LEDGER_COST = 5

export function addLedgerRoutes(app: FastifyInstance, node: NodeView, others: Others): void {
  const own = () => node.partitions.map(({ index, state }) => [index, state.settled] as const)
  app.get('/ledger', async () => ({ node: node.id, ...ledgerReport(new Map(own())) }))
  app.get('/ledger/cluster', { config: { cost: LEDGER_COST } }, async (): Promise<ClusterLedger> => {
    const committed = await committedLedgers(node.log, node.config.node.group, node.topics)
    const { answers, silent } = await others.each<LedgerReport & { readonly node: string }>('/ledger')
    const told = answers.map((answer) => ({
      node: answer.node,
      ledgers: answer.partitions.map((p) => [p.partition, LEDGER_FIELDS.map((field) => p[field])] as const),
    }))
    return clusterLedger(node.partitionCount, committed, [...told, { node: node.id, ledgers: own() }], silent)
  })
}

export function clusterLedger(
  partitionCount: number,
  { ledgers: committed, lost }: CommittedLedgers,
  nodes: readonly { readonly node: string; readonly ledgers: readonly (readonly [number, ArrayLike<number>])[] }[],
  silent: readonly Silent[],
): ClusterLedger {
  const ledgers = new Map<number, ArrayLike<number>>(committed)
  const from = new Map([...committed.keys()].map((partition) => [partition, 'commit']))
  for (const { node, ledgers: own } of nodes) {
    for (const [partition, ledger] of own) {
      ledgers.set(partition, ledger)
      from.set(partition, node)
    }
  }
  const all = Array.from({ length: partitionCount }, (_, partition) => partition)
  return {
    ...ledgerReport(ledgers),
    sources: [...from]
      .map(([partition, source]) => ({ partition, from: source }))
      .sort((a, b) => a.partition - b.partition),
    unknown: all.filter((partition) => !ledgers.has(partition)),
    lost,
    silent,
  }
}
