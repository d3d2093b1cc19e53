/**
 * How the join scales: rate, CPU and peak memory against one property of the workload at a time, the others as they are
 * otherwise: 200,000 views by 100,000 users, 50,000 of them pending at a time, 4 partitions.
 *
 * Each point has topics of its own and a node of its own, started empty; what a node costs on empty topics is subtracted.
 * Compilation is not: a point of twice the events costs less an event.
 *
 * How it fails: with what a node says; a wrong digest is a result.
 */
import { joinStartUp, measureJoin } from './measures.mjs'
import { median } from './report.mjs'
import { load, userOfEach } from './topics.mjs'
import { ENGAGEMENTS, VIEWS as VIEW_RECORDS, VIEWS_PER_MS, WINDOW_MS, Workload } from './workload.mjs'

const VIEWS = 200_000
const PENDING = 50_000
/** Beyond the pending ones, so that some are sealed on the way. */
const SPARE = 1.02
const EVENTS = 290_000
/** What the views of one point may take on the topic. */
const POINT_BYTES = 6e8
/** A view without scores; each takes four bytes. */
const BARE_VIEW_BYTES = 69
const SCORE_BYTES = 4
const TIGHT = { state: '64MiB' }

const pendingViews = (pending) => ({ pending, views: Math.max(VIEWS, Math.ceil(pending * SPARE)) })

/** Each with its points: what the table calls them, and what they are of. */
export const CURVES = {
  pending: {
    title: 'Pending views',
    about: 'Views within the window at a time; `memory.state` is 512 MiB, which 1.8 million of them fill',
    points: [10_000, 100_000, 1_000_000, 3_000_000].map((n) => [n, pendingViews(n)]),
  },
  beyond: {
    title: 'Pending views, with little memory',
    about: 'The same with `memory.state: 64MiB`, which 230,000 of them fill: users idle longest move to the journal',
    points: [50_000, 100_000, 200_000, 300_000, 450_000].map((n) => [n, { ...pendingViews(n), memory: TIGHT }]),
  },
  users: {
    title: 'Users',
    about: 'From how many users views are drawn (skewed, so not all of them come)',
    points: [1_000, 10_000, 100_000, 1_000_000].map((users) => [users, { users }]),
  },
  size: {
    title: 'View size',
    about: 'Bytes of a view; 20,000 are pending, and the larger they are the fewer there are',
    points: [100, 300, 1_000, 3_000, 10_240].map((bytes) => [bytes, sized(bytes)]),
  },
  engagements: {
    title: 'Engagements a view',
    about: 'How many a view has; about as many events in all',
    points: [0.1, 0.44, 1, 2, 3].map((n) => [n, { engagements: n, views: Math.ceil(EVENTS / (1 + n)) }]),
  },
  partitions: {
    title: 'Partitions',
    about: 'Of each topic, all of one node',
    points: [1, 4, 16, 64].map((partitions) => [partitions, { partitions }]),
  },
  skew: {
    title: 'Skew',
    about: 'The share of all events that one user has, beside the others',
    points: [0, 0.01, 0.1, 0.25, 0.5].map((hotShare) => [hotShare, { hotShare }]),
  },
}

function sized(bytes) {
  return {
    scores: Math.round((bytes - BARE_VIEW_BYTES) / SCORE_BYTES),
    pending: 20_000,
    views: Math.min(VIEWS, Math.floor(POINT_BYTES / bytes)),
  }
}

/** A curve, its points in turn as often as `runs` says. `say` is told each run. */
export async function measureCurve(outer, name, { runs, say, seed }) {
  const { points } = CURVES[name]
  const measured = points.map(([x]) => ({ x, runs: [] }))
  const inputs = new Map()
  for (let run = 1; run <= runs; run++) {
    for (const [k, [x, point]] of points.entries()) {
      const id = `${name}-${k}`
      const world = { ...outer, built: outer.built.withPartitions(point.partitions ?? outer.built.partitions) }
      if (!inputs.has(id)) inputs.set(id, await filled(world, id, { seed, ...point }))
      const input = inputs.get(id)
      const startUpS = await startUpOf(world, outer.startUpS)
      const result = await measureJoin(world, `${id}-${run}`, input, { startUpS, memory: point.memory })
      measured[k].runs.push(result)
      const { cpuSPerMillion, eventsPerS, check } = result
      const told = `${cpuSPerMillion.toFixed(2)} CPU s / M events, ${Math.round(eventsPerS)} events/s`
      say(`${name} ${x}: ${told}, ${input.answer.events} events, digest ${check.isRight ? 'right' : 'WRONG'}`)
    }
  }
  return measured.map(({ x, runs }, k) => pointOf(x, runs, inputs.get(`${name}-${k}`).answer))
}

async function filled(world, id, { pending = PENDING, partitions, memory, ...workload }) {
  const topics = [`${id}-views`, `${id}-engagements`]
  const closingUsers = userOfEach(world.built.placeOf, world.built.partitions)
  const paceFactor = (VIEWS_PER_MS * WINDOW_MS) / pending
  const answer = await load(world.built, new Workload({ views: VIEWS, closingUsers, paceFactor, ...workload }), topics)
  return { topics, answer }
}

/** By the number of partitions; measured once. */
async function startUpOf(world, known) {
  const { partitions } = world.built
  if (!known.has(partitions)) known.set(partitions, await joinStartUp(world, `empty-of-${partitions}`))
  return known.get(partitions)
}

function pointOf(x, runs, { events, keys, valueBytes }) {
  const of = (field) => median(runs.map((run) => run[field]))
  const bytes = valueBytes[VIEW_RECORDS] + valueBytes[ENGAGEMENTS]
  const eventsPerS = of('eventsPerS')
  return {
    x,
    events,
    keys,
    eventsPerS,
    bytesPerS: (bytes / events) * eventsPerS,
    cpuSPerMillion: of('cpuSPerMillion'),
    peakBytes: of('peakBytes'),
    load: Math.max(...runs.map(({ load }) => load)),
    isRight: runs.every(({ check }) => check.isRight),
  }
}
