/**
 * The other nodes: asked for what they own, so that any node answers for all.
 *
 * Invariant: a node that is asked by a node answers for itself alone (`local=true`), so that no question goes round. They
 * ask each other with the token of their configuration.
 *
 * How it fails: `owner` rejects with an AskError; `each` names who did not answer, and gives what the others said.
 */
import { AskError, ask, type ClusterMember } from '../cluster/map.ts'
import type { ControlConfig } from '../config/model.ts'
import { askingHeaders } from './access.ts'
import type { NodeView } from './view.ts'

export interface Silent {
  readonly node: string
  readonly reason: string
}

export interface Told<T> {
  readonly answers: readonly T[]
  readonly silent: readonly Silent[]
}

export class Others {
  private readonly node: Pick<NodeView, 'id' | 'map' | 'partitions'>
  private readonly headers: Readonly<Record<string, string>>

  constructor(node: Pick<NodeView, 'id' | 'map' | 'partitions'>, control: Pick<ControlConfig, 'tokens'>) {
    this.node = node
    this.headers = askingHeaders(control)
  }

  /** The node that has the partition; undefined: this one. */
  async owner(partition: number): Promise<ClusterMember | undefined> {
    if (this.node.partitions.some(({ index }) => index === partition)) return undefined
    const { members, isMoving } = await this.node.map.read()
    const owner = members.find(({ partitions }) => partitions.includes(partition))
    if (owner !== undefined && owner.id !== this.node.id) return owner
    const why = isMoving ? 'a rebalance is under way' : 'no node has it'
    throw new AskError(`nobody is known to own partition ${partition}: ${why}; ask again in a moment`, 503)
  }

  ask<T>(member: Pick<ClusterMember, 'id' | 'url'>, path: string, timeoutMs?: number): Promise<T> {
    return ask<T>(member, localPath(path), { headers: this.headers, timeoutMs })
  }

  /** Asks every other node. */
  async each<T>(path: string, timeoutMs?: number): Promise<Told<T>> {
    let members: readonly ClusterMember[]
    try {
      members = (await this.node.map.read()).members.filter(({ id }) => id !== this.node.id)
    } catch (error) {
      return { answers: [], silent: [{ node: 'the others', reason: (error as Error).message }] }
    }
    const asked = await Promise.allSettled(members.map((member) => this.ask<T>(member, path, timeoutMs)))
    const silent: Silent[] = []
    const answers = asked.flatMap((one, i) => {
      if (one.status === 'fulfilled') return [one.value]
      silent.push({ node: members[i].id, reason: (one.reason as Error).message })
      return []
    })
    return { answers, silent }
  }
}

function localPath(path: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}local=true`
}

/** A query as every route of the inside takes it. */
export interface LocalQuery {
  readonly local?: string
}

export function isLocal({ local }: LocalQuery): boolean {
  return local === 'true'
}
