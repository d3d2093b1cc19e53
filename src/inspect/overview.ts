/**
 * GET /overview: what the page shows, of the whole cluster: each node's status, ledger and last minutes, and those that
 * do not answer or are gone. GET /overview/delays: the engagements' delays, all nodes together.
 *
 * Invariants:
 * 1. However many pages are open, the cluster is asked once a FRESH_MS.
 * 2. A node that is asked by a node answers for itself alone (`local=true`).
 * 3. A node that has left is told as gone for REMEMBERED_MS, so that nobody takes a smaller cluster for a whole one.
 *
 * How it fails: what one node does not answer is told with the reason, and the others' answers stand.
 */
import type { FastifyInstance } from 'fastify'
import type { ClusterState } from '../cluster/map.ts'
import { type DelaysReport, type DelaysSnapshot, delaysReport } from '../delays/report.ts'
import { PENDING } from '../join/ledger.ts'
import type { Clock } from '../time/clock.ts'
import type { DelaysAnswer } from './delays.ts'
import type { History } from './history.ts'
import { type LedgerReport, ledgerReport } from './ledger.ts'
import { isLocal, type LocalQuery, type Others, type Silent } from './others.ts'
import type { NodeStatus, Surroundings } from './status.ts'
import { statusOf } from './status.ts'
import type { NodeView } from './view.ts'

/** One node, by itself. */
export interface NodeOverview {
  readonly status: NodeStatus
  readonly ledger: LedgerReport
  readonly history: History
  readonly time: { readonly outOfOrdernessMs: number; readonly idleAfterMs: number }
}

/** Of all nodes together, but for those that are silent. */
export type ClusterDelays = DelaysReport & { readonly silent: readonly Silent[] }

export interface ClusterOverview {
  /** The node that was asked. */
  readonly node: string
  readonly atMs: number
  readonly group: string
  readonly pipeline: string
  readonly partitionCount: number
  /** A rebalance is under way. */
  readonly isMoving: boolean
  readonly nodes: readonly OverviewNode[]
}

export interface OverviewNode {
  readonly id: string
  readonly url: string
  /** `silent`: in the group, and does not answer; `gone`: no longer in the group. */
  readonly state: 'answers' | 'silent' | 'gone'
  readonly reason: string | null
  /** As the group has them. */
  readonly partitions: readonly number[]
  readonly overview: NodeOverview | null
}

export interface OverviewOptions {
  readonly node: NodeView
  readonly others: Others
  readonly clock: Clock
  readonly surroundings: () => Surroundings
  readonly history: () => History
}

const FRESH_MS = 900
const ASK_LIMIT_MS = 1500
const REMEMBERED_MS = 10 * 60_000
const REMEMBERED_MOST = 256
const OVERVIEW_COST = 2

interface Member {
  readonly id: string
  readonly url: string
  readonly partitions: readonly number[]
}

export function addOverview(app: FastifyInstance, options: OverviewOptions): void {
  const cluster = new ClusterWatch(options)
  const config = { cost: OVERVIEW_COST }
  app.get<{ Querystring: LocalQuery }>('/overview', { config }, async ({ query }) =>
    isLocal(query) ? nodeOverview(options) : cluster.read(),
  )
  app.get('/overview/delays', { config }, async (_, reply) => {
    const report = await cluster.delays()
    return report ?? reply.code(404).send({ error: 'delays are not watched here: delays.horizon in node.yaml is 0' })
  })
}

function nodeOverview({ node, surroundings, history }: OverviewOptions): NodeOverview {
  const { outOfOrdernessMs, idleAfterMs } = node.config.pipeline.time
  return {
    status: statusOf(node, surroundings()),
    ledger: ledgerReport(new Map(node.partitions.map((p) => [p.index, p.state.settled]))),
    history: history(),
    time: { outOfOrdernessMs, idleAfterMs },
  }
}

class ClusterWatch {
  private readonly options: OverviewOptions
  /** Who was in the group, and when last. */
  private readonly seen = new Map<string, { readonly member: Member; readonly atMs: number }>()
  private last: { readonly atMs: number; readonly answer: Promise<ClusterOverview> } | undefined

  constructor(options: OverviewOptions) {
    this.options = options
  }

  read(): Promise<ClusterOverview> {
    const nowMs = this.options.clock.monotonicMs()
    if (this.last === undefined || nowMs - this.last.atMs >= FRESH_MS) {
      this.last = { atMs: nowMs, answer: this.look() }
      this.last.answer.catch(() => {
        this.last = undefined
      })
    }
    return this.last.answer
  }

  /** Undefined where no node watches them. */
  async delays(): Promise<ClusterDelays | undefined> {
    const { node } = this.options
    const own = node.delays === undefined ? [] : [ownSnapshot(node)]
    const { answers, silent } = await this.options.others.each<DelaysAnswer>('/delays', ASK_LIMIT_MS)
    const snapshots = [...own, ...answers.map(({ snapshot }) => snapshot)]
    return snapshots.length === 0 ? undefined : { ...delaysReport(snapshots), silent }
  }

  private async look(): Promise<ClusterOverview> {
    const { node, clock } = this.options
    const { members, isMoving } = await this.members()
    const nodes = await Promise.all(members.map((member) => this.nodeOf(member)))
    return {
      node: node.id,
      atMs: clock.wallMs(),
      group: node.config.node.group,
      pipeline: node.config.pipeline.name,
      partitionCount: node.partitionCount,
      isMoving,
      nodes: [...nodes, ...this.gone(members)].sort((a, b) => (a.id < b.id ? -1 : 1)),
    }
  }

  /** This node is one of them, even where the group does not say so (yet). */
  private async members(): Promise<{ members: readonly Member[]; isMoving: boolean }> {
    const { node, surroundings } = this.options
    const known = await node.map.read().catch(
      (): Pick<ClusterState, 'members' | 'isMoving'> => ({
        members: [],
        isMoving: true,
      }),
    )
    const others = known.members.filter(({ id }) => id !== node.id)
    const own = { id: node.id, url: surroundings().url, partitions: node.partitions.map(({ index }) => index) }
    return { members: [own, ...others], isMoving: known.isMoving }
  }

  private async nodeOf(member: Member): Promise<OverviewNode> {
    const { id, url, partitions } = member
    const { node, clock } = this.options
    this.seen.delete(id)
    this.seen.set(id, { member, atMs: clock.monotonicMs() })
    const told = { id, url, partitions }
    if (id === node.id) return { ...told, state: 'answers', reason: null, overview: nodeOverview(this.options) }
    try {
      const overview = await this.options.others.ask<NodeOverview>(member, '/overview', ASK_LIMIT_MS)
      return { ...told, state: 'answers', reason: null, overview }
    } catch (error) {
      return { ...told, state: 'silent', reason: (error as Error).message, overview: null }
    }
  }

  private gone(members: readonly Member[]): OverviewNode[] {
    const nowMs = this.options.clock.monotonicMs()
    const gone: OverviewNode[] = []
    for (const [id, { member, atMs }] of this.seen) {
      const isOld = nowMs - atMs > REMEMBERED_MS || this.seen.size > REMEMBERED_MOST
      if (members.some((one) => one.id === id)) continue
      if (isOld) this.seen.delete(id)
      else gone.push({ ...member, partitions: [], state: 'gone', reason: 'no longer in the group', overview: null })
    }
    return gone
  }
}

function ownSnapshot(node: NodeView): DelaysSnapshot {
  const sum = (of: (partition: NodeView['partitions'][number]) => number): number =>
    node.partitions.reduce((total, partition) => total + of(partition), 0)
  return node.delays!.snapshot(
    node.id,
    sum(({ state }) => state.settled[PENDING]),
    sum(({ state }) => state.arena.usedBytes),
  )
}
