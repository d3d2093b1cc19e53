/**
 * Nodes of one group, started together: what they hold between them, and waiting for it.
 *
 * Owns: its nodes until `stop`. How it fails: a node that ends by itself rejects whoever waits.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode } from './measures.mjs'

const LOOK_MS = 50

/** A node for each configuration folder, on that core; resolves when all have started. */
export async function startTogether(world, configs, cores) {
  const nodes = configs.map((config, k) => startNode(world, config, { core: cores[k], id: `node-${k + 1}` }))
  const started = await Promise.all(nodes.map((node) => node.started))
  return new Together(nodes.map(({ child }, k) => ({ child, control: started[k].control })))
}

export class Together {
  constructor(nodes) {
    this.nodes = nodes
  }

  /** The others, without it. */
  without(node) {
    return new Together(this.nodes.filter((one) => one !== node))
  }

  statuses() {
    const ask = async ({ control }) => (await fetch(`${control}/status`)).json()
    const failed = this.nodes.map(({ child }) => child.failed)
    return Promise.race([Promise.all(this.nodes.map(ask)), ...failed])
  }

  /** Looks until the statuses are as they should be; gives them. */
  async until(isReached) {
    for (;;) {
      const statuses = await this.statuses()
      if (isReached(statuses)) return statuses
      await Promise.race([sleep(LOOK_MS), ...this.nodes.map(({ child }) => child.failed)])
    }
  }

  get failed() {
    return Promise.race(this.nodes.map(({ child }) => child.failed))
  }

  async stop() {
    await Promise.all(this.nodes.map(({ child }) => child.stop()))
  }
}

/** Whether all partitions are live, and no node has more than one above another. */
export function isShared(statuses, partitions) {
  const counts = statuses.map((status) => liveOf(status).length)
  const sum = counts.reduce((all, count) => all + count, 0)
  return sum === partitions && Math.max(...counts) - Math.min(...counts) <= 1
}

/** The numbers of a node's live partitions. */
export function liveOf({ partitions }) {
  return partitions.filter(({ state }) => state === 'live').map(({ partition }) => partition)
}

export function joinedBy(statuses) {
  return statuses.reduce((sum, { totals }) => sum + totals.recordsJoined, 0)
}
