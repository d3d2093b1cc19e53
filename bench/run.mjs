/**
 * `npm run bench`: what Postview costs, on the workload of README.md, against a real broker on the other core.
 *
 *   --full           2,000,000 views and three runs; without it 700,000 and one, in under five minutes
 *   --views N        size of the trace
 *   --runs N         pairs of pass-through and join
 *   --only LIST      of pass, join, json, pending, restart, latency; and takeover, flood, kills, handovers, repartition,
 *                    nodes, curves, which run only where they are named
 *   --node PATH      another Node for what is measured
 *   --versus PATH    a second Node: its joins, in turn with the first's, which are compared with them
 *   --delivery exactly-once   joins that deliver so, in turn with those at least once, and compared with them
 *   --anchors DIR    Flink and Kafka Streams from that folder, in turn with ours on the same trace
 *   --systems LIST   which of them: flink-rocksdb, flink-user, flink-heap, streams (flink-rocksdb,streams)
 *   --profile        one more join under --cpu-prof: tables, and the profile in bench/results
 *   --json FILE      all results
 *   --pending N      pending views of the takeover (1,000,000), of each partition of the kills (100,000)
 *   --kills N        how often a node is killed (20)
 *   --handovers N    how often a node is told to stop, and starts again (20)
 *   --curve LIST     which curves: of those of curves.mjs
 *   --curves-to FILE writes their plots and tables into that Markdown file, each into its section
 *   --rate N         events/s of the latency measure (half of what the join reached), of the hand-overs (2,000)
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startBroker } from '../scripts/broker.mjs'
import { ANCHORS, Anchors } from './anchors.mjs'
import { curvePlots, curveRows, curveSection, HEAD, placed } from './curveReport.mjs'
import { CURVES, measureCurve } from './curves.mjs'
import { measureFlood } from './flooded.mjs'
import { measureHandovers } from './handovers.mjs'
import { measureKills } from './kills.mjs'
import { measureLatency } from './live.mjs'
import { joinStartUp, measureJoin, measurePassThrough, passThroughStartUp } from './measures.mjs'
import { measureNodes } from './nodes.mjs'
import { measurePending } from './pending.mjs'
import { summarize } from './profile.mjs'
import { copyProgram, loadAverage } from './program.mjs'
import { measureRepartition } from './repartition.mjs'
import { median, reportBars, reportProfile, reportRuns, reportSummary, reportThreads, table } from './report.mjs'
import { measureRestart } from './restart.mjs'
import { measureTakeover } from './takeover.mjs'
import { load, openBuilt, userOfEach } from './topics.mjs'
import { Workload } from './workload.mjs'

const MEASURES = ['pass', 'join', 'json', 'pending', 'restart', 'latency']
const NAMED = ['flood', 'takeover', 'kills', 'handovers', 'repartition', 'nodes', 'curves']
const BROKER_CORE = 1
const LIVE_SECONDS = 30
const HANDOVER_RATE = 2_000
const RESULTS = fileURLToPath(new URL('results', import.meta.url))

const { values: given } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    views: { type: 'string' },
    runs: { type: 'string' },
    only: { type: 'string', default: MEASURES.join(',') },
    node: { type: 'string', default: process.execPath },
    versus: { type: 'string' },
    delivery: { type: 'string', default: 'at-least-once' },
    anchors: { type: 'string' },
    systems: { type: 'string', default: 'flink-rocksdb,streams' },
    profile: { type: 'boolean', default: false },
    json: { type: 'string' },
    rate: { type: 'string' },
    pending: { type: 'string' },
    kills: { type: 'string', default: '20' },
    handovers: { type: 'string', default: '20' },
    curve: { type: 'string', default: Object.keys(CURVES).join(',') },
    'curves-to': { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
})
const views = Number(given.views ?? (given.full ? 2_000_000 : 700_000))
const runs = Number(given.runs ?? (given.full ? 3 : 1))
const wanted = new Set(given.only.split(','))
const curves = given.curve.split(',')
const systems = given.anchors === undefined ? [] : given.systems.split(',')
if ([...wanted].some((name) => ![...MEASURES, ...NAMED].includes(name)))
  refuse(`--only knows ${[...MEASURES, ...NAMED]}`)
if (!['at-least-once', 'exactly-once'].includes(given.delivery)) refuse('--delivery is at-least-once or exactly-once')
if (systems.some((name) => !(name in ANCHORS))) refuse(`--systems knows ${Object.keys(ANCHORS)}`)
if (curves.some((name) => !(name in CURVES))) refuse(`--curve knows ${Object.keys(CURVES)}`)
if (!(views > 0) || !(runs > 0)) refuse('--views and --runs are counts')

function refuse(why) {
  process.stderr.write(`bench: ${why}\n`)
  process.exit(2)
}

// So that what still runs is ended.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

const say = (text) => process.stdout.write(`${text}\n`)
// Generator and checks share the broker's core: the other is the measured program's.
execFileSync('taskset', ['-a', '-cp', String(BROKER_CORE), String(process.pid)], { stdio: 'ignore' })
const folder = mkdtempSync(join(tmpdir(), 'postview-bench-'))
const broker = await startBroker({ cpu: String(BROKER_CORE) })
const results = { ...machine(), views, runs: [] }
let built
try {
  const program = copyProgram(join(folder, 'program'))
  built = await openBuilt(program, broker.brokers)
  const world = { folder, program, built, brokers: broker.brokers, node: given.node, startUp: {} }
  await measureAll(world)
  if (given.json !== undefined) {
    mkdirSync(dirname(resolve(given.json)), { recursive: true })
    writeFileSync(given.json, `${JSON.stringify(results, null, 2)}\n`)
  }
} finally {
  await built?.close()
  await broker.stop()
  rmSync(folder, { recursive: true, force: true })
}
const checks = [...results.runs.map(({ result }) => result), results.kills, results.handovers].map(
  (result) => result?.check,
)
const points = Object.values(results.curves ?? {}).flat()
process.exit([...checks, ...points].some((one) => one?.isRight === false) ? 1 : 0)

async function measureAll(world) {
  say(`Node ${results.node}, ${results.cpu}, load ${loadAverage()}`)
  if (wanted.has('pass') || wanted.has('join')) await measurePairs(world)
  if (wanted.has('json')) await measureJson(world)
  if (wanted.has('takeover')) {
    results.takeover = await measureTakeover(world, 'takeover', Number(given.pending ?? 1_000_000))
    say(JSON.stringify(results.takeover, null, 2))
  }
  if (wanted.has('pending')) results.pending = await measurePending(world, 'pending')
  if (wanted.has('restart')) results.restart = await measureRestart(world, 'restart')
  if (wanted.has('latency')) await measureLive(world)
  if (wanted.has('flood')) {
    results.flood = await measureFlood(world, Number(given.rate ?? 10_000))
    say(`flood: ${JSON.stringify(results.flood, null, 1)}`)
  }
  if (wanted.has('kills')) await killNodes(world)
  if (wanted.has('handovers')) await handOver(world)
  if (wanted.has('repartition')) await measureKeyedByItem(world)
  if (wanted.has('nodes')) await measureTwoNodes(world)
  if (wanted.has('curves')) await measureCurves(world)
  say(reportSummary(results))
  say(reportBars(results))
}

async function loaded(world, name, workload, keyedBy) {
  const topics = [`${name}-views`, `${name}-engagements`]
  const closingUsers = userOfEach(world.built.placeOf)
  const started = Date.now()
  const events = new Workload({ seed: Number(given.seed), closingUsers, ...workload })
  const answer = await load(world.built, events, topics, keyedBy)
  say(
    `${name}: ${answer.events} events loaded in ${((Date.now() - started) / 1000).toFixed(0)} s, ${Math.round(answer.valueBytes[0] / answer.records[0])} bytes a view`,
  )
  return { topics, answer }
}

/** In turn, so that what else the machine does falls on both. */
async function measurePairs(world) {
  const input = await loaded(world, 'trace', { views })
  if (wanted.has('pass')) world.startUp.passThrough = await passThroughStartUp(world, 'empty-pass')
  if (wanted.has('join')) world.startUp.join = await joinStartUp(world, 'empty-join')
  const other = given.versus === undefined ? undefined : { ...world, node: given.versus }
  if (other !== undefined) other.startUp = { join: await joinStartUp(other, 'empty-versus') }
  const anchors = systems.length === 0 ? undefined : new Anchors(world, given.anchors)
  results.startUp = world.startUp
  say(`start-up, CPU s: ${JSON.stringify(world.startUp)}`)
  for (let run = 1; run <= runs; run++) {
    if (wanted.has('pass')) keep(`pass-through ${run}`, await measurePassThrough(world, `pass-${run}`, input))
    if (wanted.has('join')) keep(`join ${run}`, await joinOnce(world, `join-${run}`, input))
    if (other !== undefined) keep(`versus ${run}`, await joinOnce(other, `versus-${run}`, input))
    if (given.delivery === 'exactly-once') {
      keep(`exactly-once ${run}`, await joinOnce(world, `exact-${run}`, input, given.delivery))
    }
    for (const name of systems) keep(`${name} ${run}`, await anchors.measure(name, input))
  }
  const passes = runsOf('pass-through')
  const joins = runsOf('join')
  if (passes.length > 0) results.passThrough = medians(passes)
  if (joins.length > 0) results.join = medians(joins)
  if (passes.length > 0 && joins.length > 0) {
    results.join.ratioCpu = median(joins.map((one, k) => one.cpuSPerMillion / passes[k].cpuSPerMillion))
    results.join.ratioRate = median(joins.map((one, k) => one.eventsPerS / passes[k].eventsPerS))
  }
  compare(joins)
  say(reportRuns(results.runs, `${input.answer.events} events`))
  if (joins.length > 0) say(reportThreads(joins.at(-1).threads))
  if (given.profile) await measureProfile(world, input)
}

function joinOnce(world, name, input, delivery) {
  return measureJoin(world, name, input, { startUpS: world.startUp.join, delivery })
}

/** Ours over theirs, pair by pair. */
function compare(joins) {
  const ratioTo = (theirs) => median(joins.map((one, k) => one.cpuSPerMillion / theirs[k].cpuSPerMillion))
  if (joins.length === 0) return
  if (given.versus !== undefined) results.versus = { ratioCpu: ratioTo(runsOf('versus')) }
  if (given.delivery === 'exactly-once') compareDelivery(joins, runsOf('exactly-once'))
  results.anchors = Object.fromEntries(systems.map((name) => [name, { ratioCpu: ratioTo(runsOf(name)) }]))
}

/** Exactly once over at least once, pair by pair. */
function compareDelivery(joins, exact) {
  const ratio = (field) => median(exact.map((one, k) => one[field] / joins[k][field]))
  results.delivery = { ratioCpu: ratio('cpuSPerMillion'), ratioRate: ratio('eventsPerS') }
  const { ratioCpu, ratioRate } = results.delivery
  say(`exactly-once over at-least-once: ${ratioRate.toFixed(2)} of the rate, ${ratioCpu.toFixed(2)} times the CPU`)
}

function keep(name, result) {
  results.runs.push({ name, result })
  say(`${name}: ${result.cpuSPerMillion.toFixed(2)} CPU s / M events, ${Math.round(result.eventsPerS)} events/s`)
}

function runsOf(name) {
  return results.runs.filter((run) => run.name.startsWith(`${name} `)).map((run) => run.result)
}

function medians(runs) {
  const of = (field) => median(runs.map((run) => run[field]))
  return { cpuSPerMillion: of('cpuSPerMillion'), eventsPerS: of('eventsPerS'), peakBytes: of('peakBytes') }
}

async function measureProfile(world, input) {
  const place = join(world.folder, 'profile')
  mkdirSync(place)
  const flags = ['--cpu-prof', `--cpu-prof-dir=${place}`]
  await measureJoin(world, 'join-profiled', input, { startUpS: world.startUp.join ?? 0, flags })
  const [file] = readdirSync(place)
  mkdirSync(RESULTS, { recursive: true })
  cpSync(join(place, file), join(RESULTS, 'join.cpuprofile'))
  results.profile = summarize(JSON.parse(readFileSync(join(place, file), 'utf8')))
  say(reportProfile(results.profile))
}

/** A quarter of the views: text costs more to make and to keep. */
async function measureJson(world) {
  const input = await loaded(world, 'json', { views: Math.ceil(views / 4), format: 'json' })
  const startUpS = await joinStartUp(world, 'empty-json', { format: 'json' })
  const result = await measureJoin(world, 'json-join', input, { format: 'json', startUpS })
  keep('json', result)
  results.json = { ...result, factor: results.join && result.cpuSPerMillion / results.join.cpuSPerMillion }
  say(reportRuns([{ name: 'json', result }], `${input.answer.events} events, JSON without view ids`))
}

async function killNodes(world) {
  const options = { pending: Number(given.pending ?? 100_000), kills: Number(given.kills), say }
  results.kills = await measureKills(world, 'kills', options)
  const { from, check } = results.kills
  say(
    `takeovers by what they started from: ${JSON.stringify(from)}; the samples are ${check.isRight ? 'right' : 'WRONG'}`,
  )
}

async function handOver(world) {
  const options = { times: Number(given.handovers), eventsPerS: Number(given.rate ?? HANDOVER_RATE), say }
  results.handovers = await measureHandovers(world, 'handovers', options)
  say(`the samples are ${results.handovers.check.isRight ? 'right' : 'WRONG'}`)
}

async function measureKeyedByItem(world) {
  const options = { views, runs, keep, loaded: (...input) => loaded(world, ...input) }
  results.repartition = await measureRepartition(world, options)
  say(reportRuns(results.runs, 'sources keyed by user (direct) and by item (repartition)'))
}

async function measureTwoNodes(world) {
  const options = { views, runs, keep, brokerPid: broker.pid, loaded: (...input) => loaded(world, ...input) }
  results.nodes = await measureNodes(world, options)
  say(reportRuns(results.runs, 'one node on one core, two on two that the broker shares'))
}

async function measureCurves(world) {
  results.curves = {}
  const outer = { ...world, startUpS: new Map() }
  for (const name of curves) {
    const points = await measureCurve(outer, name, { runs, say, seed: Number(given.seed) })
    results.curves[name] = points
    say(`${CURVES[name].title}: ${CURVES[name].about}\n${curvePlots(points)}\n${table(HEAD, curveRows(points))}`)
    if (given['curves-to'] !== undefined) writeCurve(given['curves-to'], name, points)
  }
}

function writeCurve(file, name, points) {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '# Curves\n'
  const under = `Node ${results.node}, ${results.startedAt.slice(0, 10)}.`
  writeFileSync(file, placed(before, name, curveSection(CURVES[name], points, under)))
}

async function measureLive(world) {
  const rate = Number(given.rate ?? (results.join ? results.join.eventsPerS / 2 : 20_000))
  const { status, ...latency } = await measureLatency(world, 'live', rate, LIVE_SECONDS)
  results.latency = latency
}

function machine() {
  const node = execFileSync(given.node, ['--version'], { encoding: 'utf8' }).trim()
  return { node, cpu: `${cpus().length} x ${cpus()[0].model}`, startedAt: new Date().toISOString() }
}
