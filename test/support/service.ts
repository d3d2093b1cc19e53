/**
 * A command that starts a node and runs until it is told to stop, through a shell and whatever else stands between
 * (npm): the whole process group is signalled, as Ctrl-C in a terminal does.
 *
 * How it fails: `ready` rejects with what was said when the command ends before the node has started.
 */
import { type ChildProcess, spawn } from 'node:child_process'

const STARTED = /^\{.*"control":"([^"]+)".*"node started".*$/m

export class Service {
  /** What it has said. */
  text = ''
  /** Resolves with the control server's address. */
  readonly ready: Promise<string>
  private readonly child: ChildProcess
  private readonly closed: Promise<void>

  constructor(command: string, cwd: string, env: NodeJS.ProcessEnv) {
    this.child = spawn('sh', ['-c', command], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    this.closed = new Promise((resolve) => this.child.once('close', () => resolve()))
    this.ready = new Promise((resolve, reject) => {
      const heard = (data: Buffer): void => {
        this.text += data.toString()
        const started = STARTED.exec(this.text)
        if (started !== null) resolve(started[1])
      }
      this.child.stdout!.on('data', heard)
      this.child.stderr!.on('data', heard)
      this.child.once('close', () => reject(new Error(`${command} ended before the node started:\n${this.text}`)))
    })
  }

  /** SIGINT to all of it; resolves when nothing of it is left that could write. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) process.kill(-this.child.pid!, 'SIGINT')
    await this.closed
  }
}
