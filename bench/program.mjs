/**
 * The programs that are measured, as child processes on a core of their own, and what the kernel says of them.
 *
 * Owns: each child until it is stopped. `stop` is clean (SIGTERM); a child that does not end in time is killed, and so is
 * what still runs when this process ends.
 * How it fails: a child that ends by itself rejects `failed` with the end of what it printed.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const STOP_LIMIT_MS = 20_000
const KEPT_LINES = 30
const TICKS_PER_S = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** A copy of the built program: a build in the middle of a run changes nothing. */
export function copyProgram(folder) {
  mkdirSync(folder, { recursive: true })
  for (const name of ['dist', 'package.json', 'cluster.js', 'schemas']) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  }
  for (const name of ['passThrough.mjs']) cpSync(join(ROOT, 'bench', name), join(folder, 'bench', name))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

const running = new Set()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Child {
  constructor({ node, core, args, env = {} }) {
    this.lines = []
    this.waiting = []
    this.child = spawn('taskset', ['-c', String(core), node, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    running.add(this.child)
    this.isOver = false
    this.exited = new Promise((resolve) => this.child.once('close', (code) => resolve(code)))
    this.failed = this.exited.then((code) => {
      this.isOver = true
      running.delete(this.child)
      if (!this.isStopping) throw new Error(`${args[0]} ended by itself (${code}):\n${this.lines.join('\n')}`)
      return new Promise(() => {})
    })
    this.failed.catch(() => {})
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface(stream).on('line', (line) => this.heard(line))
    }
  }

  /** taskset becomes the program that it starts. */
  get pid() {
    return this.child.pid
  }

  heard(line) {
    this.lines.push(line)
    if (this.lines.length > KEPT_LINES) this.lines.shift()
    for (const { text, resolve } of this.waiting) if (line.includes(text)) resolve(JSON.parse(line))
  }

  /** The first line that has the text, parsed. Ask before it is printed. */
  line(text) {
    return Promise.race([new Promise((resolve) => this.waiting.push({ text, resolve })), this.failed])
  }

  /** As the kernel or a power cut ends it. */
  async kill() {
    this.isStopping = true
    if (!this.isOver) this.child.kill('SIGKILL')
    await this.exited
  }

  async stop() {
    this.isStopping = true
    if (this.isOver) return
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.exited
    clearTimeout(timer)
  }
}

/** CPU seconds, user and system, of the whole process with all its threads. */
export function cpuSeconds(pid) {
  const fields = statFields(`/proc/${pid}/stat`)
  return (fields[11] + fields[12]) / TICKS_PER_S
}

/** CPU seconds by the names of threads. */
export function cpuByThread(pid) {
  const seconds = new Map()
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`
    const name = Number(thread) === pid ? 'main' : readFileSync(`${folder}/comm`, 'utf8').trim()
    const fields = statFields(`${folder}/stat`)
    seconds.set(name, (seconds.get(name) ?? 0) + (fields[11] + fields[12]) / TICKS_PER_S)
  }
  return Object.fromEntries([...seconds].sort((a, b) => b[1] - a[1]))
}

/** What follows the name, which may hold blanks; the first field is the process's state. */
function statFields(path) {
  const text = readFileSync(path, 'latin1')
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
}

/** Bytes of VmRSS, VmHWM, RssAnon, ... */
export function memoryOf(pid, field) {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(found[1]) * 1024
}

export function loadAverage() {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0])
}
