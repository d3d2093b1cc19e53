/**
 * The program as a test runs it in child processes: this checkout's src, translated file by file (no type check) into a
 * folder of its own, so that a test never runs what an earlier build left in dist. Where asked for, with a bug put in.
 * Where PROGRAM_IN_TESTS says `bundled` (vitest.config.ts) and no bug is asked for, in a few files (bundle.ts).
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
import { bundled } from './bundle.ts'
import { tempDir } from './tempDir.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SOURCE = join(ROOT, 'src')
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
  if (mutations.length > 0 || process.env.PROGRAM_IN_TESTS !== 'bundled') return translatedProgram(mutations)
  return around(async (dist) => cp(await bundled(), join(dist, 'cli'), { recursive: true }))
}

/** With a file of dist for each of src, for what looks into it. */
export function translatedProgram(mutations: readonly Mutation[] = []): Promise<Program> {
  return around((dist) => translateTo(dist, mutations))
}

/** What the program is beside its code, which `fill` writes. */
async function around(fill: (dist: string) => Promise<void>): Promise<Program> {
  const { path: folder, remove } = await tempDir()
  await fill(join(folder, 'dist'))
  // The page is served as it lies.
  await cp(join(SOURCE, 'page'), join(folder, 'dist/page'), { recursive: true })
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

async function translateTo(dist: string, mutations: readonly Mutation[]): Promise<void> {
  const files = (await readdir(SOURCE, { recursive: true })).filter(
    (name) => /\.m?ts$/.test(name) && !/\.d\.m?ts$/.test(name),
  )
  const waiting = new Set(mutations)
  for (const name of files) {
    let text = await readFile(join(SOURCE, name), 'utf8')
    for (const mutation of mutations) {
      if (mutation.file !== name) continue
      text = mutated(text, mutation)
      waiting.delete(mutation)
    }
    await place(join(dist, name.replace(/ts$/, 'js')), translate(text, name))
  }
  for (const { file } of waiting) throw new Error(`mutation: there is no src/${file}`)
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
