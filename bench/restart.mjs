/**
 * How long a node with a million pending views takes from its start until every partition is live again, after kill -9:
 * what it has in its journal, and from the log only what the journal had not yet.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode, writeConfig } from './measures.mjs'
import { memoryOf } from './program.mjs'
import { load } from './topics.mjs'
import { Workload } from './workload.mjs'

const PENDING_VIEWS = 1_000_000
/** Event time that runs slower: a million views lie within a window. */
const PACE = 0.3
const LOOK_MS = 100
const COMMITTED_MS = 3_000

export async function measureRestart(world, name) {
  const topics = [`${name}-views`, `${name}-engagements`]
  const answer = await load(world.built, new Workload({ views: PENDING_VIEWS, paceFactor: PACE }), topics)
  const config = writeConfig(world, name, { topics, output: `${name}-samples` })
  const first = startNode(world, config)
  const { control } = await first.started
  await until(first, control, ({ totals }) => totals.recordsJoined >= answer.events)
  await sleep(COMMITTED_MS)
  await first.child.kill()
  const startedMs = Date.now()
  const second = startNode(world, config)
  const status = await until(second, (await second.started).control, ({ partitions }) => {
    return partitions.length > 0 && partitions.every(({ state }) => state === 'live')
  })
  const seconds = (Date.now() - startedMs) / 1000
  const result = { seconds, pendingViews: status.totals.pendingViews, rssBytes: memoryOf(second.child.pid, 'VmRSS') }
  await second.child.stop()
  return result
}

async function until(node, control, isReached) {
  for (;;) {
    const status = await (await fetch(`${control}/status`)).json()
    if (isReached(status)) return status
    await Promise.race([sleep(LOOK_MS), node.child.failed])
  }
}
