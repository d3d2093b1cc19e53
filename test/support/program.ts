/**
 * The program as a test runs it in child processes: this checkout's src, translated file by file (no type check) into a
 * folder of its own, so that a test never runs what an earlier build left in dist. Where asked for, with a bug put in.
 *
 * Invariant: a mutation that does not match its file exactly once is an error: a seeded bug that was never seeded would
 * be "caught" by nothing.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'
import { tempDir } from './tempDir.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What was translated already, by what it was: two dozen tests a run begin with the same files. */
const CACHE = join(ROOT, 'node_modules/.cache/postview-translated')
/** What the program reads beside its own code. */
const BESIDE = ['package.json', 'schemas', 'config']

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
}

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
    await place(join(folder, 'dist', name.replace(/ts$/, 'js')), await translated(text, name))
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

async function translated(text: string, fileName: string): Promise<string> {
  const key = createHash('sha256')
    .update(`${ts.version} ${JSON.stringify(OPTIONS)} ${fileName}\n${text}`)
    .digest('hex')
  const path = join(CACHE, `${key}.js`)
  const known = await readFile(path, 'utf8').catch(() => undefined)
  if (known !== undefined) return known
  const { outputText } = ts.transpileModule(text, { fileName, compilerOptions: OPTIONS })
  // Tests run side by side: a file is there whole, or not.
  const own = `${path}.${process.pid}`
  await place(own, outputText)
  await rename(own, path)
  return outputText
}
