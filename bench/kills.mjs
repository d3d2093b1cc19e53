/**
 * kill -9 of one of three nodes, again and again: the seconds until each of its partitions is live on another. Each
 * partition has the same number of pending views, and there are no shared snapshots: the session of the dead node has to
 * run out, and the log is replayed from what is still needed.
 *
 * After each kill all nodes start again with empty data folders: a node that had a partition before rebuilds it from its
 * journal, and a node that starts in its own folder ends the dead one's session. Who starts first has all partitions for
 * a moment, so a journal is of use now and then; what each takeover started from is told.
 *
 * How it fails: with what a node says; samples that are wrong in the end are a result.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { distribution } from './live.mjs'
import { sampleSchemaOf, writeConfig } from './measures.mjs'
import { loadAverage } from './program.mjs'
import { isShared, liveOf, startTogether } from './together.mjs'
import { Appender, checkSamples, createTopics, load, untilRecords, userOfEach } from './topics.mjs'
import { CLOSING_MS, VIEWS_PER_MS, Workload } from './workload.mjs'

const NODES = ['a', 'b', 'c']
const PARTITIONS = 6
/** A node's default, and what is allowed beyond it. */
const SESSION_MS = 10_000
const BEYOND_MS = 5_000
/** Of event time: all views stay pending until the closing events. */
const SPAN_MS = 300_000
const CORES = '0,1'
const COMMITTED_MS = 2_000

export async function measureKills(outer, name, { pending, kills, say }) {
  const world = { ...outer, built: outer.built.withPartitions(PARTITIONS) }
  const topics = [`${name}-views`, `${name}-engagements`]
  const output = `${name}-samples`
  await createTopics(world.built.log, [output], 'LogAppendTime', PARTITIONS)
  const views = pending * PARTITIONS
  const workload = new Workload({ views, paceFactor: (SPAN_MS * VIEWS_PER_MS) / views })
  const answer = await load(world.built, workload, topics)
  const configs = NODES.map((node) => writeConfig(world, `${name}-${node}`, { topics, output, pipeline: name }))
  const before = loadAverage()
  const takeovers = []
  for (let kill = 0; kill < kills; kill++) {
    const together = await startFresh(world, configs)
    takeovers.push(await killOne(together, kill % NODES.length))
    const { seconds, taken } = takeovers.at(-1)
    say(`kill ${kill + 1}: live elsewhere after ${seconds} s: ${JSON.stringify(taken)}`)
  }
  const check = await seal(world, configs, { topics, output, answer, endMs: workload.endMs })
  return { ...figuresOf(takeovers), pendingViewsEach: pending, load: before, check }
}

/** All partitions live, with all there is joined and committed. */
async function startFresh(world, configs) {
  for (const config of configs) rmSync(join(config, 'data'), { recursive: true, force: true })
  const together = await startTogether(
    world,
    configs,
    configs.map(() => CORES),
  )
  await together.until((statuses) => isShared(statuses, PARTITIONS) && statuses.every(({ totals }) => totals.lag === 0))
  await sleep(COMMITTED_MS)
  return together
}

/** Each partition of the killed node: when it was live elsewhere, and what it was rebuilt from. */
async function killOne(together, victim) {
  const killed = together.nodes[victim]
  const lost = liveOf((await together.statuses())[victim])
  const others = together.without(killed)
  const taken = new Map()
  const killedMs = performance.now()
  await killed.child.kill()
  await others.until((statuses) => {
    const seconds = Number(((performance.now() - killedMs) / 1000).toFixed(2))
    for (const one of statuses.flatMap(({ partitions }) => partitions)) {
      const { partition, state, startedFrom: from, recordsReplayed, pendingViews } = one
      if (state !== 'live' || !lost.includes(partition) || taken.has(partition)) continue
      taken.set(partition, { partition, seconds, from, recordsReplayed, pendingViews })
    }
    return taken.size === lost.length
  })
  await others.stop()
  const all = [...taken.values()]
  return { seconds: Math.max(...all.map(({ seconds }) => seconds)), taken: all }
}

/** Seals all that is pending, and checks the samples. */
async function seal(world, configs, { topics, output, answer, endMs }) {
  const together = await startFresh(world, configs)
  const writer = await world.built.log.writer()
  const appender = new Appender(world.built, writer)
  const closing = new Workload({ views: 0, closingUsers: userOfEach(world.built.placeOf, PARTITIONS) })
  for (const { kind, user, timeMs, value } of closing.closingAt(endMs + CLOSING_MS)) {
    appender.add(topics[kind], user, timeMs, value)
  }
  appender.sendAll()
  await appender.drained()
  await writer.close()
  await untilRecords(world.built.log, output, answer.views, together.failed)
  await together.stop()
  return checkSamples(world.built, output, await sampleSchemaOf(world, configs[0]), answer)
}

/** Of each kill its last partition counts. */
export function figuresOf(takeovers) {
  const { p50Ms: p50S, p99Ms: p99S, maxMs: maxS } = distribution(takeovers.map(({ seconds }) => seconds))
  const from = {}
  for (const one of takeovers.flatMap(({ taken }) => taken)) from[one.from] = (from[one.from] ?? 0) + 1
  return { kills: takeovers.length, p50S, p99S, maxS, boundS: (SESSION_MS + BEYOND_MS) / 1000, from, takeovers }
}
