/**
 * Looking inside a node: what the shell and the page ask for beside status and metrics. All GET, all read-only; each noun
 * is a file that adds its routes here.
 *
 * Any node answers for all: what another node owns is asked of it (others.ts).
 */
import type { FastifyInstance } from 'fastify'
import type { Node } from '../cluster/node.ts'
import type { SourceReader } from '../codec/port.ts'
import type { Clock } from '../time/clock.ts'
import { addConfigRoute } from './config.ts'
import { addExplainRoutes } from './explain.ts'
import type { Others } from './others.ts'
import { addPartitionRoutes } from './partitions.ts'
import { addSideOutputRoutes } from './sideOutputs.ts'
import type { Surroundings } from './status.ts'
import { addTailRoute } from './tail.ts'
import { addUserRoutes } from './users.ts'

export interface Inside {
  readonly node: Node
  /** Of the sources, in their order. */
  readonly readers: readonly SourceReader[]
  readonly clock: Clock
  readonly surroundings: () => Surroundings
  readonly others: Others
}

export function addInsideRoutes(app: FastifyInstance, inside: Inside): void {
  addPartitionRoutes(app, inside)
  addUserRoutes(app, inside)
  addExplainRoutes(app, inside)
  addTailRoute(app, inside)
  addSideOutputRoutes(app, inside)
  addConfigRoute(app, inside)
}
