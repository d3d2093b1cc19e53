/**
 * Nodes of one group, started together: what they hold between them, and waiting for it.
 *
 * Owns: its nodes until `stop`. How it fails: a node that ends by itself rejects whoever waits.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode } from './measures.mjs'

const LOOK_MS = 50

/** A node for each configuration folder, on that core; resolves when all have started. */
export async function startTogether(world, configs, cores) {
  const together = new Together(configs.map((config, k) => ({ world, config, core: cores[k], id: `node-${k + 1}` })))
  await Promise.all(together.nodes.map(start))
  return together
}

async function start(node) {
  const { child, started } = startNode(node.world, node.config, { core: node.core, id: node.id })
  node.child = child
  node.control = (await started).control
}

export class Together {
  constructor(nodes) {
    this.nodes = nodes
  }

  /** The others, without that one. */
  without(index) {
    return new Together(this.nodes.filter((_, k) => k !== index))
  }

  /** That one alone. */
  only(index) {
    return new Together([this.nodes[index]])
  }

  /** SIGTERM; resolves when it has ended. */
  drain(index) {
    return this.nodes[index].child.stop()
  }

  kill(index) {
    return this.nodes[index].child.kill()
  }

  /** After its end, as a node that has nothing. */
  async startAnew(index) {
    rmSync(join(this.nodes[index].config, 'data'), { recursive: true, force: true })
    await start(this.nodes[index])
  }

  /** The next line of each that has the text. */
  lines(text) {
    return Promise.all(this.nodes.map(({ child }) => child.line(text)))
  }

  statuses() {
    const ask = async ({ control }) => (await fetch(`${control}/status`)).json()
    const failed = this.nodes.map(({ child }) => child.failed)
    return Promise.race([Promise.all(this.nodes.map(ask)), ...failed])
  }

  /** Looks until the statuses are as they should be; gives them. */
  async until(isReached, everyMs = LOOK_MS) {
    for (;;) {
      const statuses = await this.statuses()
      if (isReached(statuses)) return statuses
      await Promise.race([sleep(everyMs), ...this.nodes.map(({ child }) => child.failed)])
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
