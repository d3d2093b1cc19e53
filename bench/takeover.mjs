/**
 * Takeover: one partition with a million pending views, given to a node with an empty data folder. Seconds from its
 * assignment to live, with a shared snapshot and without (the log is replayed then), the speed of replay against that of
 * live joining, and the longest that taking a snapshot kept a batch waiting.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode, writeConfig } from './measures.mjs'
import { cpuSeconds, loadAverage } from './program.mjs'
import { load } from './topics.mjs'
import { Workload } from './workload.mjs'

const USERS = 100_000
const LOOK_MS = 100
const STATE = '8GiB'

export async function measureTakeover(world, name, views) {
  const topics = [`${name}-views`, `${name}-engagements`]
  const { events } = await load(world.built.withPartitions(1), new Workload({ views, users: USERS }), topics)
  const folder = join(world.folder, `${name}-share`)
  const snapshots = { to: 'folder', folder, every: '2s', memory: '256MiB' }
  const config = (node, isShared) =>
    writeConfig(world, `${name}-${node}`, {
      topics,
      output: `${name}-samples`,
      within: '30d',
      memory: { state: STATE, actors: '2GiB' },
      pipeline: name,
      more: isShared ? { snapshots } : {},
    })
  const first = startNode(world, config('first', true))
  const taken = first.child.line('"a shared snapshot is published"')
  const { control } = await first.started
  const status = await joined(first, control, events)
  const live = { records: status.recordsJoined, seconds: status.joinSeconds }
  const snapshot = await lastSnapshot(first, control, await taken)
  await first.child.stop()
  const shared = await takeover(world, config('shared', true))
  if (shared.from !== 'snapshot') throw new Error(`the shared snapshot was not used: ${JSON.stringify(shared)}`)
  const replayed = await takeover(world, config('replayed', false))
  return { events, views, live, snapshot, shared, replayed, load: loadAverage() }
}

/** Waits until all is joined; the join's own time is what the process took of its core meanwhile. */
async function joined({ child }, control, events) {
  const before = cpuSeconds(child.pid)
  const startedMs = performance.now()
  for (;;) {
    const { totals } = await (await fetch(`${control}/status`)).json()
    if (totals.recordsJoined >= events) {
      const joinSeconds = (performance.now() - startedMs) / 1000
      return { recordsJoined: totals.recordsJoined, joinSeconds, cpuS: cpuSeconds(child.pid) - before }
    }
    await Promise.race([sleep(LOOK_MS), child.failed])
  }
}

/** One of the whole state; the longest stall of all. */
async function lastSnapshot({ child }, control, first) {
  let longestStallMs = first.longestStallMs
  let last = first
  for (const untilMs = performance.now() + 15_000; performance.now() < untilMs; ) {
    const { partitions } = await (await fetch(`${control}/status`)).json()
    const [{ snapshot, pendingViews }] = partitions
    if (snapshot !== null) {
      longestStallMs = Math.max(longestStallMs, snapshot.longestStallMs)
      last = snapshot
      if (snapshot.views >= pendingViews) break
    }
    await Promise.race([sleep(LOOK_MS), child.failed])
  }
  return { ...last, longestStallMs }
}

async function takeover(world, config) {
  const node = startNode(world, config)
  const [assigned, live] = await Promise.all([node.assigned, node.child.line('"partition live"')])
  const cpuS = cpuSeconds(node.child.pid)
  await node.started
  await node.child.stop()
  const { from, recordsReplayed, usersLoaded, tookMs } = live
  return { seconds: (live.time - assigned.time) / 1000, tookMs, from, recordsReplayed, usersLoaded, cpuS }
}
