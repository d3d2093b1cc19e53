/**
 * Where the TypeScript compiler lies: among the project's packages, or, where those of development were left away
 * (`npm ci --omit=dev`), borrowed: brought by npm into a folder of its own for as long as a build takes. It is not among
 * the packages that every installation has, as it is larger than all of them and the packed program does not need it.
 *
 * Invariant: what is borrowed is what package-lock.json pins, by its version and its checksum.
 *
 * How it fails: with npm's own message where the registry does not have it, or not these bytes.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const NAME = 'typescript'
const PLACE = `node_modules/${NAME}`
const LOCK = new URL('../package-lock.json', import.meta.url)
const FLAGS = ['--prefer-offline', '--no-audit', '--no-fund']

let required = createRequire(import.meta.url)

/** The compiler, or the version of it alone: loading it takes a second. */
export const compiler = () => required(NAME)
export const compilerVersion = () => required(`${NAME}/package.json`).version

/** Does what is given with a compiler at hand. */
export function withCompiler(use) {
  if (isHere()) return use()
  const folder = mkdtempSync(join(tmpdir(), 'postview-compiler-'))
  try {
    borrow(folder)
    return use()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function isHere() {
  try {
    return required.resolve(NAME) !== ''
  } catch {
    return false
  }
}

function borrow(folder) {
  const { dev, ...pinned } = JSON.parse(readFileSync(LOCK, 'utf8')).packages[PLACE]
  const root = { dependencies: { [NAME]: pinned.version } }
  const lock = { lockfileVersion: 3, packages: { '': root, [PLACE]: pinned } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, ...root }))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
  // The npm that this runs under, where there is one: another in the path may not know its settings.
  const { npm_execpath } = process.env
  const [command, ...before] = npm_execpath === undefined ? ['npm'] : [process.execPath, npm_execpath]
  try {
    execFileSync(command, [...before, 'ci', ...FLAGS], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch {
    throw new Error(
      `${NAME} ${pinned.version}, which src/ is built with, is neither installed nor to be had, see above`,
    )
  }
  required = createRequire(join(folder, 'package.json'))
}
