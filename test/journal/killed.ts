/** Starts the writer (writer.ts) in a process of its own and kills it. */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { compileTo } from '../support/compiled.ts'
import type { Kinds } from './history.ts'

const ROOT = resolve(import.meta.dirname, '../..')

export interface WriterRun {
  /** The number of the last write that was acknowledged; one less than the first where none was. */
  readonly acknowledged: number
  /** What it printed besides, and its exit code, null where it was killed. */
  readonly said: readonly string[]
  readonly exitCode: number | null
}

export async function compileWriter(folder: string): Promise<void> {
  const sources = (await readdir(join(ROOT, 'src/journal'))).filter((name) => /(?<!\.d)\.ts$/.test(name))
  const files = sources.map((name) => `src/journal/${name}`)
  await compileTo(folder, [...files, 'test/journal/history.ts', 'test/journal/writer.ts'])
}

export interface WriterOptions {
  /** Where it was compiled to. */
  readonly compiled: string
  readonly folder: string
  readonly first: number
  /** It is killed when it has acknowledged so many writes. */
  readonly killAfter: number
  readonly kinds?: Kinds
  /** Commands of the shell to begin with. */
  readonly shell?: string
}

export async function runWriter(options: WriterOptions): Promise<WriterRun> {
  const { compiled, folder, first, killAfter, kinds = 'all', shell } = options
  const command = [process.execPath, join(compiled, 'test/journal/writer.js'), folder, String(first), kinds]
  const [program, ...given] = shell === undefined ? command : ['/bin/sh', '-c', `${shell}; exec "$@"`, 'sh', ...command]
  const child = spawn(program, given, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((done, fail) => child.once('close', done).once('error', fail))
  let acknowledged = first - 1
  const said: string[] = []
  let rest = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (/^\d+$/.test(line)) acknowledged = Number(line)
      else said.push(line)
    }
    if (acknowledged - first + 1 >= killAfter) child.kill('SIGKILL')
  })
  const exitCode = await ended
  return { acknowledged, said, exitCode }
}
