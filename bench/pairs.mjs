/**
 * Two built programs in turn on one recorded trace, without a broker: did a change pay?
 *
 *   node bench/pairs.mjs [--views N] [--runs N] [--node PATH] [--flags "..."] [--profile] [PROGRAM_A] [PROGRAM_B]
 *
 * A program is a folder with dist/ and node_modules/; by default this one. With one program, its runs alone. `--flags`
 * are Node's, for the last program only. `--profile` writes bench/results/loop.cpuprofile and prints its tables.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { JOIN_CORE, writeConfig } from './measures.mjs'
import { summarize } from './profile.mjs'
import { loadAverage } from './program.mjs'
import { record } from './recorded.mjs'
import { median, reportProfile, reportThreads } from './report.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LOOP = fileURLToPath(new URL('loop.mjs', import.meta.url))
const RESULTS = fileURLToPath(new URL('results', import.meta.url))

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    views: { type: 'string', default: '700000' },
    runs: { type: 'string', default: '3' },
    node: { type: 'string', default: process.execPath },
    flags: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'string' },
    profile: { type: 'boolean', default: false },
  },
})
const programs = (positionals.length > 0 ? positionals : [ROOT]).map((folder) => resolve(folder))
const flagsOfLast = given.flags.split(' ').filter((flag) => flag !== '')
const folder = mkdtempSync(join(tmpdir(), 'postview-pairs-'))
const say = (text) => process.stdout.write(`${text}\n`)
try {
  const trace = given.trace ?? join(folder, 'trace')
  await record(trace, programs[0], { views: Number(given.views), seed: Number(given.seed) })
  const config = writeConfig({ folder, brokers: 'localhost:1' }, 'pairs', {
    topics: ['views', 'engagements'],
    output: 'samples',
  })
  measure(trace, config)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function measure(trace, config) {
  const results = programs.map(() => [])
  for (let run = 1; run <= Number(given.runs); run++) {
    programs.forEach((program, k) => {
      const load = loadAverage()
      const result = runLoop(program, trace, config, k === programs.length - 1 ? flagsOfLast : [])
      results[k].push(result)
      say(`${'AB'[k]} ${run}: ${line(result)}, load ${load}`)
      if (!result.check.isRight) throw new Error(`the digest of ${program} is wrong: ${JSON.stringify(result.check)}`)
    })
  }
  const [a, b] = results.map((runs) => runs.map((run) => run.cpuSPerMillion))
  if (b !== undefined) say(`B / A, median of pairs: ${median(b.map((cpu, k) => cpu / a[k])).toFixed(3)}`)
  say(reportThreads(results.at(-1).at(-1).threads))
  if (given.profile) profile(trace, config)
}

function line({ cpuSPerMillion, userSPerMillion, seconds, events, collections, fetches, peakBytes, stateBytes }) {
  const { scavenges, majors, ms } = collections
  return [
    `${cpuSPerMillion.toFixed(2)} CPU s / M events (${userSPerMillion.toFixed(2)} user)`,
    `${Math.round(events / seconds).toLocaleString('en-US')} events/s`,
    `${scavenges} young and ${majors} full collections in ${Math.round(ms)} ms`,
    `${Math.round(events / fetches)} events a chunk`,
    `peak ${Math.round(peakBytes / 1e6)} MB, slabs ${Math.round(stateBytes / 1e6)} MB`,
  ].join(', ')
}

function runLoop(program, trace, config, flags) {
  const args = ['-c', String(JOIN_CORE), given.node, ...flags, LOOP, program, trace, config]
  const out = execFileSync('taskset', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(out.trim().split('\n').at(-1))
}

function profile(trace, config) {
  const place = join(folder, 'profile')
  runLoop(programs.at(-1), trace, config, [...flagsOfLast, '--cpu-prof', `--cpu-prof-dir=${place}`])
  const [file] = readdirSync(place)
  mkdirSync(RESULTS, { recursive: true })
  cpSync(join(place, file), join(RESULTS, 'loop.cpuprofile'))
  say(reportProfile(summarize(JSON.parse(readFileSync(join(place, file), 'utf8')))))
}
