/**
 * Several nodes on one machine: a parent process with one child a node.
 *
 * Owns: the children, from their start to their end, and what they print. It joins nothing itself.
 *
 * Invariants:
 * 1. A child that crashed is started again (restarts.ts); one that ended with 0 was drained on purpose and is not. Wrong
 *    use (2) would end the same way each time: all end, with 2.
 * 2. SIGTERM and SIGINT go on to the children, and so does a second one (stopSignals.ts), which ends them at once; the
 *    parent ends when all have, with 0 when each ended with 0.
 * 3. Children lead process groups of their own, so that Ctrl-C in a terminal reaches the parent alone; and they end when
 *    the parent is gone, however it went, since their channel to it closes (process.ts).
 *
 * How it fails: a node that crashes over and over is given up, loudly, while the others go on; the parent then ends with
 * 1. Children that do not end within STOP_LIMIT_MS are killed, and it ends with 1.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../time/clock.ts'
import type { Logger } from './node.ts'
import { nodeSettings } from './processSettings.ts'
import { RESTARTS_VARIABLE, Restarts } from './restarts.ts'
import { StopSignals } from './stopSignals.ts'

/** Above a node's own limit (process.ts): a child that keeps to its own is never killed. */
const STOP_LIMIT_MS = 15_000
const WRONG_USE = 2
const PROGRAM = fileURLToPath(new URL('../cli/main.js', import.meta.url))

export interface ChildSpec {
  readonly id: string
  /** Of the program. */
  readonly args: readonly string[]
  /** Over the parent's own environment. */
  readonly env: NodeJS.ProcessEnv
}

export interface ParentOptions {
  readonly children: readonly ChildSpec[]
  readonly logger: Logger
  readonly program?: string
  readonly stdout?: Writable
  readonly stderr?: Writable
}

interface Child {
  readonly spec: ChildSpec
  readonly restarts: Restarts
  process: ChildProcess | undefined
  startedMs: number
  waiting: NodeJS.Timeout | undefined
  /** Its last exit code once it will not be started again. */
  endedWith: number | undefined
}

/** Resolves with the exit code when all children have ended for good. */
export function runNodes(options: ParentOptions): Promise<number> {
  return new Parent(options).run()
}

class Parent {
  private readonly options: ParentOptions
  private readonly children: readonly Child[]
  private isStopping = false
  private wasKilled = false
  private finish: (code: number) => void = () => {}

  constructor(options: ParentOptions) {
    this.options = options
    this.children = options.children.map((spec) => ({
      spec,
      restarts: new Restarts(),
      process: undefined,
      startedMs: 0,
      waiting: undefined,
      endedWith: undefined,
    }))
  }

  run(): Promise<number> {
    const done = new Promise<number>((resolve) => {
      this.finish = resolve
    })
    const signals = new StopSignals(systemClock)
    const onSignal = (): void => {
      const heard = signals.heard()
      if (heard === 'first') this.stop()
      else if (heard === 'second') this.tellToStop()
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
    for (const child of this.children) this.start(child)
    return done.finally(() => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, onSignal)
    })
  }

  private start(child: Child): void {
    const { spec, restarts } = child
    const { program = PROGRAM, stdout = process.stdout, stderr = process.stderr } = this.options
    child.waiting = undefined
    child.startedMs = performance.now()
    const { execArgv, env } = nodeSettings(process)
    const started = fork(program, [...spec.args], {
      execArgv: [...execArgv],
      env: { ...env, ...spec.env, [RESTARTS_VARIABLE]: String(restarts.count) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    })
    child.process = started
    relay(started.stdout!, stdout, spec.id)
    relay(started.stderr!, stderr, spec.id)
    started.once('error', (error) =>
      this.options.logger.error({ node: spec.id, error: error.message }, 'a node failed'),
    )
    // `close` comes after its last words have been passed on, also where it could not be started at all.
    started.once('close', (code, signal) => this.ended(child, code ?? signal ?? 1))
  }

  private ended(child: Child, how: number | NodeJS.Signals): void {
    const { id } = child.spec
    const { logger } = this.options
    child.process = undefined
    // Told to stop before it could hear it: nothing had begun.
    const isUnbegun = this.isStopping && how === 'SIGTERM'
    const code = typeof how === 'number' ? how : isUnbegun ? 0 : 1
    if (this.isStopping || code === 0) {
      child.endedWith = code
      logger.info({ node: id, ended: how }, 'a node has ended')
    } else if (code === WRONG_USE) {
      child.endedWith = code
      this.stop()
    } else this.crashed(child, how)
    this.finishIfAllEnded()
  }

  private crashed(child: Child, how: number | NodeJS.Signals): void {
    const { restarts, spec } = child
    const { logger } = this.options
    const waitMs = restarts.crashed(performance.now() - child.startedMs)
    if (waitMs === null) {
      child.endedWith = 1
      logger.error({ node: spec.id, ended: how, restarts: restarts.count }, 'a node crashes over and over: given up')
      return
    }
    logger.error({ node: spec.id, ended: how, restarts: restarts.count, waitMs }, 'a node crashed: it is started again')
    child.waiting = setTimeout(() => this.start(child), waitMs)
  }

  private stop(): void {
    if (this.isStopping) return
    this.isStopping = true
    for (const child of this.children) {
      if (child.waiting !== undefined) {
        clearTimeout(child.waiting)
        child.endedWith = 1
      }
    }
    this.tellToStop()
    setTimeout(() => this.killAll(), STOP_LIMIT_MS).unref()
    this.finishIfAllEnded()
  }

  private tellToStop(): void {
    for (const child of this.children) child.process?.kill('SIGTERM')
  }

  private killAll(): void {
    for (const child of this.children) {
      if (child.process === undefined) continue
      this.wasKilled = true
      this.options.logger.error({ node: child.spec.id, waitedMs: STOP_LIMIT_MS }, 'a node did not end: it is killed')
      child.process.kill('SIGKILL')
    }
  }

  private finishIfAllEnded(): void {
    const codes = this.children.map(({ endedWith }) => endedWith)
    if (codes.includes(undefined)) return
    if (codes.includes(WRONG_USE)) this.finish(WRONG_USE)
    else this.finish(this.wasKilled || codes.some((code) => code !== 0) ? 1 : 0)
  }
}

/** Line by line, so that lines of several nodes do not run into each other. A log line names its node itself. */
function relay(from: Readable, to: Writable, id: string): void {
  createInterface({ input: from }).on('line', (line) => {
    to.write(line.startsWith('{') ? `${line}\n` : `[${id}] ${line}\n`)
  })
}
