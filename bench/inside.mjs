/**
 * What looking inside costs: 100,000 live actors and a backlog at full speed, alone and with one shell that asks for a
 * user ten times a second, in turn; and how long an explanation takes on the same log.
 *
 *   node bench/inside.mjs [--views 1000000] [--users 120000] [--runs 2]
 *
 * The embedded log, so that one process is all that there is; each run starts from a copy of the same data folder. Answers
 * count from the moment on at which 100,000 actors live.
 */
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { cpuSeconds } from './program.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ASK_EVERY_MS = 100
const FULL_ACTORS = 100_000
const ANSWERS = 2_000
const { values: given } = parseArgs({
  options: {
    views: { type: 'string', default: '1000000' },
    users: { type: 'string', default: '120000' },
    runs: { type: 'string', default: '2' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'postview-inside-'))
const configFolder = join(folder, 'config')
cpSync(join(ROOT, 'config'), configFolder, { recursive: true })
cpSync(join(ROOT, 'schemas'), join(folder, 'schemas'), { recursive: true })

try {
  const { records } = await generate()
  const results = { alone: [], asked: [] }
  for (let run = 0; run < Number(given.runs); run++) {
    for (const kind of run % 2 === 0 ? ['alone', 'asked'] : ['asked', 'alone']) {
      const result = await joinAll(`${kind}-${run}`, records, kind === 'asked')
      results[kind].push(result)
      process.stdout.write(`${kind}: ${JSON.stringify(result)}\n`)
    }
  }
  const mean = (list) => list.reduce((sum, { joinS }) => sum + joinS, 0) / list.length
  const slower = (mean(results.asked) / mean(results.alone) - 1) * 100
  const answers = results.asked.flatMap(({ answerMs }) => answerMs)
  process.stdout.write(`joining is ${slower.toFixed(1)} % slower when asked; answers: ${spread(answers)}\n`)
  await explainSome()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function environment(data) {
  // Answers are counted, not refusals.
  const control = { POSTVIEW_CONTROL_PORT: '0', POSTVIEW_CONTROL_REQUESTS_PER_S: '1000000' }
  return { ...process.env, ...control, POSTVIEW_DATA_DIR: data, POSTVIEW_LOG_LEVEL: 'warn' }
}

async function postview(data, ...words) {
  const options = { cwd: folder, env: environment(data), maxBuffer: 1 << 28 }
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'postview.js'), ...words], options)
  return stdout
}

/** A topic of each source, with all within one window, so that every user stays live. */
async function generate() {
  const data = join(folder, 'data')
  mkdirSync(data)
  const size = ['--views', given.views, '--users', given.users, '--span', '8m']
  const out = await postview(data, 'generate', '--config', configFolder, ...size)
  process.stdout.write(out)
  const numbers = [...out.replaceAll(',', '').matchAll(/(\d+) (?:views|engagements|copies)/g)].map(([, n]) => Number(n))
  return { records: numbers.reduce((sum, n) => sum + n, 0) }
}

async function joinAll(name, records, isAsked) {
  const data = join(folder, name)
  cpSync(join(folder, 'data'), data, { recursive: true })
  const child = spawn(process.execPath, [join(ROOT, 'cluster.js'), 'start', '--config', configFolder], {
    cwd: folder,
    env: environment(data),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  try {
    const url = await addressIn(data)
    const answerMs = []
    let isOver = false
    let status
    const isFull = () => status?.totals.liveActors >= FULL_ACTORS
    const asking = isAsked ? ask(url, answerMs, isFull, () => isOver) : Promise.resolve()
    do {
      await sleep(250)
      status = await (await fetch(`${url}/status`)).json()
    } while (status.totals.recordsJoined < records)
    isOver = true
    await asking
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const sums = [...metrics.matchAll(/^postview_batch_seconds_sum\{.*\} ([\d.e+-]+)$/gm)]
    const joinS = sums.reduce((sum, [, seconds]) => sum + Number(seconds), 0)
    if (!isAsked) process.stdout.write(`${await costOfAnswers(child.pid, url)}\n`)
    return { joinS, liveActors: status.totals.liveActors, answerMs, asked: answerMs.length }
  } finally {
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGTERM')
    await ended
    if (name === 'alone-0') writeFileSync(join(folder, 'explained'), data)
    else rmSync(data, { recursive: true, force: true })
  }
}

async function addressIn(data) {
  for (;;) {
    await sleep(50)
    try {
      const [file] = readdirSync(join(data, 'nodes')).filter((one) => one.endsWith('.json'))
      return JSON.parse(readFileSync(join(data, 'nodes', file), 'utf8')).url
    } catch {
      // It is not there yet.
    }
  }
}

async function ask(url, answerMs, isFull, isOver) {
  for (let k = 0; !isOver(); k++) {
    const startedMs = performance.now()
    const answer = await fetch(`${url}/users/user-${(k * 7919) % Number(given.users)}`).catch(() => undefined)
    if (answer?.ok) {
      await answer.json()
      if (isFull()) answerMs.push(Math.round((performance.now() - startedMs) * 10) / 10)
    }
    await sleep(Math.max(0, ASK_EVERY_MS - (performance.now() - startedMs)))
  }
}

/** What answers cost the node in CPU, all else at rest: told from noise where the difference of two joins is not. */
async function costOfAnswers(pid, url) {
  const before = cpuSeconds(pid)
  const startedMs = performance.now()
  for (let k = 0; k < ANSWERS; k++) await (await fetch(`${url}/users/user-${(k * 7919) % Number(given.users)}`)).json()
  const tookMs = performance.now() - startedMs
  const between = cpuSeconds(pid)
  await sleep(tookMs)
  const cpuMs = ((between - before - (cpuSeconds(pid) - between)) * 1000) / ANSWERS
  const share = (cpuMs / ASK_EVERY_MS) * 100
  return `an answer costs the node ${cpuMs.toFixed(2)} ms of CPU: ten a second are ${share.toFixed(2)} % of a core`
}

function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  return `${sorted.length} asked, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${sorted.at(-1)} ms`
}

/** With the node stopped: by searching for the id, and with user and time said. */
async function explainSome() {
  const data = readFileSync(join(folder, 'explained'), 'utf8')
  const views = Number(given.views)
  for (const k of [views - 10, Math.floor(views / 2), 10]) {
    const id = `view-${k}`
    const found = JSON.parse(await postview(data, 'explain', id, '--config', configFolder, '--json'))
    const { userId, timeMs } = found.view
    const where = ['--user', userId, '--at', String(timeMs)]
    const told = JSON.parse(await postview(data, 'explain', id, ...where, '--config', configFolder, '--json'))
    process.stdout.write(
      `explain ${id} (${found.status}): searched ${found.search.recordsRead} records in ${found.search.tookMs} ms; ` +
        `with user and time ${told.search.recordsRead} records in ${told.search.tookMs} ms\n`,
    )
  }
}
