/**
 * A real `node cluster start` as a child process: started, told to stop, killed.
 *
 * Runs with V8's flags of NODE_FLAGS_IN_TESTS (vitest.config.ts).
 *
 * Owns: the child, its log lines, its control address. `lines` has what it logged, for a test that fails.
 * How it fails: `ready` rejects with the end of the log when the process ends before it has started.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { endsWithUs } from './orphans.ts'

const KEPT_LINES = 200

export class NodeProcess {
  readonly lines: string[] = []
  /** Resolves with the control server's address when the node has its first assignment. */
  readonly ready: Promise<string>
  /** Resolves with the exit code, null where a signal ended it, once all that it said has been read. */
  readonly exited: Promise<number | null>
  private readonly child: ChildProcess
  private isOver = false

  /** `onLine` is told every line of the log; kept here are the last ones. `env` is added to this process's own. */
  constructor(
    program: string,
    configFolder: string,
    id = 'node-1',
    onLine: (line: string) => void = () => {},
    env: Readonly<Record<string, string>> = {},
    further: readonly string[] = [],
  ) {
    const flags = (process.env.NODE_FLAGS_IN_TESTS ?? '').split(' ').filter((flag) => flag !== '')
    const args = [...flags, join(program, 'cluster.js'), 'start', '--config', configFolder, '--id', id, ...further]
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    endsWithUs(this.child)
    this.exited = new Promise((resolve) => {
      // Nobody else has its pipes: nodes below a parent write to that one's own.
      this.child.once('close', resolve)
    })
    this.child.once('exit', () => {
      this.isOver = true
    })
    this.ready = new Promise((resolve, reject) => {
      const heard = (line: string): void => {
        onLine(line)
        this.lines.push(line)
        if (this.lines.length > KEPT_LINES) this.lines.shift()
        if (line.includes('"node started"')) resolve((JSON.parse(line) as { control: string }).control)
      }
      for (const stream of [this.child.stdout!, this.child.stderr!]) createInterface(stream).on('line', heard)
      this.child.once('close', () => reject(new Error(`the node ended before it was ready:\n${this.tail()}`)))
    })
    this.ready.catch(() => {})
  }

  get isRunning(): boolean {
    return !this.isOver
  }

  /** The signal that ended it, where one did. */
  get endedBy(): NodeJS.Signals | null {
    return this.child.signalCode
  }

  get pid(): number {
    return this.child.pid!
  }

  /** Freezes and thaws the process, or asks it to end. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }

  /** SIGTERM; resolves with the exit code. */
  async terminate(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exited
  }

  tail(): string {
    return this.lines.slice(-15).join('\n')
  }
}
