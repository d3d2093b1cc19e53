/**
 * kill -9 of one of three nodes, one after the other, again and again: the seconds until each of its partitions is live on
 * another. Each partition has the same number of pending views, and there are no shared snapshots: the session of the dead
 * node has to run out, and the log is replayed from what is still needed.
 *
 * The killed node starts again once its partitions are live elsewhere, and with an empty data folder: in its own it would
 * end the dead one's session, and the journal of partitions that it took over from others would spare it their replay.
 * Where a journal was of use all the same (at first, when who starts first has all partitions for a moment) is told.
 *
 * How it fails: with what a node says; samples that are wrong in the end are a result.
 */
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
const CORES = ['0,1', '0,1', '0,1']
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
  const together = await startTogether(world, configs, CORES)
  const takeovers = []
  for (let kill = 0; kill < kills; kill++) {
    await settled(together)
    takeovers.push(await killOne(together, kill % NODES.length))
    const { seconds, assigned, taken } = takeovers.at(-1)
    say(`kill ${kill + 1}: assigned after ${assigned} s, live elsewhere after ${seconds} s: ${JSON.stringify(taken)}`)
  }
  await settled(together)
  await seal(world, together, { topics, output, answer, endMs: workload.endMs })
  await together.stop()
  const check = await checkSamples(world.built, output, await sampleSchemaOf(world, configs[0]), answer)
  return { ...figuresOf(takeovers), pendingViewsEach: pending, load: before, check }
}

/** All partitions live, with all there is joined and committed. */
async function settled(together) {
  await together.until((statuses) => isShared(statuses, PARTITIONS) && statuses.every(({ totals }) => totals.lag === 0))
  await sleep(COMMITTED_MS)
}

/**
 * Of the killed node: when its partitions were given to others, when each was live there, and what it was rebuilt from.
 * It is started again, with nothing.
 */
async function killOne(together, victim) {
  const lost = liveOf((await together.statuses())[victim])
  const others = together.without(victim)
  const killedMs = Date.now()
  const since = (ms) => Number(((ms - killedMs) / 1000).toFixed(2))
  const assigned = others.lines('"partitions assigned"')
  await together.kill(victim)
  const taken = new Map()
  await others.until((statuses) => {
    for (const one of statuses.flatMap(({ partitions }) => partitions)) {
      const { partition, state, startedFrom: from, recordsReplayed, pendingViews } = one
      if (state !== 'live' || !lost.includes(partition) || taken.has(partition)) continue
      taken.set(partition, { partition, seconds: since(Date.now()), from, recordsReplayed, pendingViews })
    }
    return taken.size === lost.length
  })
  const all = [...taken.values()]
  const assignedMs = Math.max(...(await assigned).map(({ time }) => time))
  await together.startAnew(victim)
  return { seconds: Math.max(...all.map(({ seconds }) => seconds)), assigned: since(assignedMs), taken: all }
}

/** Seals all that is pending. */
async function seal({ built }, together, { topics, output, answer, endMs }) {
  const writer = await built.log.writer()
  const appender = new Appender(built, writer)
  const closing = new Workload({ views: 0, closingUsers: userOfEach(built.placeOf, PARTITIONS) })
  for (const { kind, user, timeMs, value } of closing.closingAt(endMs + CLOSING_MS)) {
    appender.add(topics[kind], user, timeMs, value)
  }
  appender.sendAll()
  await appender.drained()
  await writer.close()
  await untilRecords(built.log, output, answer.views, together.failed)
}

/** Of each kill its last partition counts. */
export function figuresOf(takeovers) {
  const { p50Ms: p50S, p99Ms: p99S, maxMs: maxS } = distribution(takeovers.map(({ seconds }) => seconds))
  const from = {}
  for (const one of takeovers.flatMap(({ taken }) => taken)) from[one.from] = (from[one.from] ?? 0) + 1
  return { kills: takeovers.length, p50S, p99S, maxS, boundS: (SESSION_MS + BEYOND_MS) / 1000, from, takeovers }
}
