/**
 * The program as a test runs it in child processes: this checkout's src, translated file by file (no type check) into a
 * folder of its own, so that a test never runs what an earlier build left in dist. Where asked for, with a bug put in.
 *
 * Invariant: a mutation that does not match its file exactly once is an error: a seeded bug that was never seeded would
 * be "caught" by nothing.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { translate } from '../../scripts/translate.mjs'
import { tempDir } from './tempDir.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What the program reads beside its own code. */
const BESIDE = ['package.json', 'schemas', 'config']

export interface Mutation {
  /** Below src. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Program {
  /** Holds cluster.js, dist and what else the program needs. */
  readonly folder: string
  /** Runs `postview ARGS` to its end. */
  run(args: readonly string[]): Promise<string>
  remove(): Promise<void>
}

export async function buildProgram(mutations: readonly Mutation[] = []): Promise<Program> {
  const { path: folder, remove } = await tempDir()
  const source = join(ROOT, 'src')
  const files = (await readdir(source, { recursive: true })).filter(
    (name) => /\.m?ts$/.test(name) && !/\.d\.m?ts$/.test(name),
  )
  const waiting = new Set(mutations)
  for (const name of files) {
    let text = await readFile(join(source, name), 'utf8')
    for (const mutation of mutations) {
      if (mutation.file !== name) continue
      text = mutated(text, mutation)
      waiting.delete(mutation)
    }
    await place(join(folder, 'dist', name.replace(/ts$/, 'js')), translate(text, name))
  }
  for (const { file } of waiting) throw new Error(`mutation: there is no src/${file}`)
  // The page is served as it lies.
  await cp(join(source, 'page'), join(folder, 'dist/page'), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const name of [...BESIDE, 'cluster.js']) await cp(join(ROOT, name), join(folder, name), { recursive: true })
  return {
    folder,
    remove,
    async run(args) {
      const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'dist/cli/main.js'), ...args])
      return stdout
    },
  }
}

function mutated(text: string, { file, find, replace }: Mutation): string {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`mutation: src/${file} has ${parts.length - 1} times: ${find}`)
  return parts.join(replace)
}

async function place(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}
