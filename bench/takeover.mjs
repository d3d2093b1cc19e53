/**
 * Takeover: one partition with a million pending views, given to a node with an empty data folder. Seconds from its
 * assignment to live, with a shared snapshot and without (the log is replayed then), the speed of replay against that of
 * live joining, and the longest that taking a snapshot kept a batch waiting.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode, writeConfig } from './measures.mjs'
import { cpuSeconds, loadAverage } from './program.mjs'
import { Appender } from './topics.mjs'
import { Workload } from './workload.mjs'

const { parse, stringify } = createRequire(import.meta.url)('yaml')

const USERS = 100_000
const LOOK_MS = 100
const STATE = '8GiB'

export async function measureTakeover(world, name, views) {
  const topics = [`${name}-views`, `${name}-engagements`]
  const events = await fill(world, topics, views)
  const folder = join(world.folder, `${name}-share`)
  const config = (node, snapshots) => {
    const options = { topics, output: `${name}-samples`, within: '30d', memory: { state: STATE, actors: '2GiB' } }
    const written = writeConfig(world, `${name}-${node}`, options)
    const [pipelineFile, nodeFile] = ['pipeline.yaml', 'node.yaml'].map((file) => join(written, file))
    // One pipeline and one group, whatever the node's folder is.
    const sideOutputs = { late: `${name}-late`, orphans: `${name}-orphans`, deadLetters: `${name}-dead` }
    writeFileSync(pipelineFile, stringify({ ...parse(readFileSync(pipelineFile, 'utf8')), name, sideOutputs }))
    const given = parse(readFileSync(nodeFile, 'utf8'))
    given.kafka.group = name
    if (snapshots) given.snapshots = { to: 'folder', folder, every: '2s', memory: '256MiB' }
    writeFileSync(nodeFile, stringify(given))
    return written
  }
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

async function fill(world, topics, views) {
  const { built } = world
  const settings = { 'message.timestamp.type': 'CreateTime', 'cleanup.policy': 'delete', 'retention.ms': '-1' }
  await built.log.createTopics(topics.map((topic) => ({ topic, partitions: 1, settings })))
  const placeOf = (user) => ({ key: Buffer.from(String(user)), partition: 0 })
  const writer = await built.log.writer()
  const appender = new Appender({ ...built, placeOf }, writer)
  let events = 0
  for (const { kind, user, timeMs, value } of new Workload({ views, users: USERS }).events()) {
    appender.add(topics[kind], user, timeMs, value)
    events++
    if (appender.isFull) await appender.drained()
  }
  appender.sendAll()
  await appender.drained()
  await writer.close()
  return events
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
