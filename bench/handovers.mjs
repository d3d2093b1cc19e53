/**
 * Hand-over in order, under load: one of three nodes is told to stop (SIGTERM), and starts again, one node after the
 * other. Until its partitions are live elsewhere, from the signal; until those that it is given are live on it, from the
 * moment at which they no longer were on another; and the longest time without samples, though some were due all the
 * time, of any partition.
 *
 * A node starts with an empty data folder, and there are no shared snapshots: whoever takes over replays the log.
 *
 * How it fails: with what a node says; samples that are wrong in the end are a result.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { allSealed, distribution, produce } from './live.mjs'
import { LiveEvents } from './liveEvents.mjs'
import { sampleSchemaOf, writeConfig } from './measures.mjs'
import { loadAverage } from './program.mjs'
import { isShared, liveOf, startTogether } from './together.mjs'
import { checkSamples, createTopics } from './topics.mjs'

const NODES = ['a', 'b', 'c']
const PARTITIONS = 6
const CORES = ['0,1', '0,1', '0,1']
const WITHIN_MS = 10_000
const BOUND_MS = 1_000
/** The first samples come then, and from then on all the time. */
const WARM_UP_MS = WITHIN_MS + 10_000
/** Between two of them, so that a gap is of one alone. */
const PEACE_MS = 4_000
const LOOK_MS = 20
export const BOUND_S = 5

export async function measureHandovers(outer, name, { times, eventsPerS, say }) {
  const world = { ...outer, built: outer.built.withPartitions(PARTITIONS) }
  const topics = [`${name}-views`, `${name}-engagements`]
  const output = `${name}-samples`
  await createTopics(world.built.log, [...topics, output], 'LogAppendTime', PARTITIONS)
  const time = { outOfOrderness: `${BOUND_MS}ms`, idleAfter: '1s' }
  const settings = { topics, output, pipeline: name, within: `${WITHIN_MS}ms`, time }
  const configs = NODES.map((node) => writeConfig(world, `${name}-${node}`, settings))
  const load = loadAverage()
  const together = await startTogether(world, configs, CORES)
  const events = new LiveEvents({ withinMs: WITHIN_MS, boundMs: BOUND_MS })
  let isOver = false
  const sending = produce(world, topics, events, eventsPerS, () => isOver)
  const moves = []
  try {
    await Promise.race([sleep(WARM_UP_MS), together.failed, sending])
    for (let time = 0; time < times; time++) {
      for (const move of [drainOne, startOne]) {
        moves.push(await move(together, time % NODES.length))
        const { what, seconds, taken } = moves.at(-1)
        say(`${what} ${time + 1}: live elsewhere after ${seconds} s: ${JSON.stringify(taken)}`)
      }
    }
    await settled(together)
  } finally {
    isOver = true
    await sending
  }
  await allSealed(world, output, events.views, together.failed)
  await together.stop()
  const check = await checkSamples(world.built, output, await sampleSchemaOf(world, configs[0]), events.answer)
  return { eventsPerS, load, check, ...figuresOf(moves, await stampsOf(world.built, output)) }
}

/** All partitions live and shared, and peace for a while. */
async function settled(together) {
  await together.until((statuses) => isShared(statuses, PARTITIONS))
  await Promise.race([sleep(PEACE_MS), together.failed])
}

async function drainOne(together, victim) {
  await settled(together)
  const moving = liveOf((await together.statuses())[victim])
  const others = together.without(victim)
  const fromMs = Date.now()
  const stopped = together.drain(victim)
  const taken = await untilTaken(others, moving, () => fromMs)
  await stopped
  return moveOf('SIGTERM', fromMs, taken)
}

/** Which partitions move is known when they have: of each that another had, when it was last seen live there. */
async function startOne(together, starting) {
  const others = together.without(starting)
  await settled(others)
  const fromMs = Date.now()
  const lastLiveMs = new Map()
  let isStarted = false
  const started = together.startAnew(starting).then(() => {
    isStarted = true
  })
  while (!isStarted) {
    const atMs = Date.now()
    for (const partition of (await others.statuses()).flatMap(liveOf)) lastLiveMs.set(partition, atMs)
    await sleep(LOOK_MS)
  }
  await started
  const moving = async () => {
    const kept = new Set((await others.statuses()).flatMap(({ partitions }) => partitions.map((one) => one.partition)))
    return Array.from({ length: PARTITIONS }, (_, partition) => partition).filter((partition) => !kept.has(partition))
  }
  await together.until((statuses) => statuses[starting].partitions.length > 0)
  const taken = await untilTaken(together.only(starting), await moving(), (partition) => lastLiveMs.get(partition))
  return moveOf('start', fromMs, taken)
}

/** Until each of the partitions is live on one of these; the seconds of each. */
async function untilTaken(nodes, moving, sinceMs) {
  const taken = new Map()
  await nodes.until((statuses) => {
    for (const partition of statuses.flatMap(liveOf)) {
      if (!moving.includes(partition) || taken.has(partition)) continue
      taken.set(partition, Number(((Date.now() - sinceMs(partition)) / 1000).toFixed(2)))
    }
    return taken.size === moving.length
  }, LOOK_MS)
  return taken
}

function moveOf(what, fromMs, taken) {
  const toMs = Date.now()
  return { what, fromMs, toMs, seconds: Math.max(...taken.values()), taken: Object.fromEntries(taken) }
}

/** Per partition, when each sample was durable. */
async function stampsOf({ log }, topic) {
  const stamps = Array.from({ length: PARTITIONS }, () => [])
  for (const { partition, low, high } of await log.ends([topic])) {
    for await (const chunk of log.readRange(topic, partition, low, high)) {
      for (let i = 0; i < chunk.count; i++) stamps[partition].push(chunk.stampMs[i])
    }
  }
  return stamps
}

/** Of each move its last partition counts, and the longest gap of any. */
export function figuresOf(moves, stamps) {
  const told = moves.map((move) => ({ ...move, gapS: longestGapS(move, stamps) }))
  const of = (what) => {
    const these = told.filter((move) => move.what === what)
    return {
      count: these.length,
      live: spreadOf(these.map(({ seconds }) => seconds)),
      gap: spreadOf(these.map(({ gapS }) => gapS)),
    }
  }
  return { drained: of('SIGTERM'), started: of('start'), boundS: BOUND_S, moves: told }
}

function spreadOf(seconds) {
  const { p50Ms: p50S, p99Ms: p99S, maxMs: maxS } = distribution([...seconds])
  return { p50S, p99S, maxS }
}

/** Between two samples that follow each other in a partition, where a part of it lies in the move. */
function longestGapS({ fromMs, toMs }, stamps) {
  let longestMs = 0
  for (const own of stamps) {
    for (let i = 1; i < own.length; i++) {
      if (own[i] >= fromMs && own[i - 1] <= toMs) longestMs = Math.max(longestMs, own[i] - own[i - 1])
    }
  }
  return longestMs / 1000
}
