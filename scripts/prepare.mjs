/**
 * Builds dist/ in a clone: at `npm ci`, before `npm test` and before `npm pack`. Does nothing where the compiler is
 * absent (`npm ci --omit=dev`) or the source is (an installed tarball, which carries its dist/).
 *
 * Invariants:
 * 1. Afterwards dist/ holds what src/ compiles to, the page as it is, and nothing else: files of modules that are gone
 *    would be packed.
 * 2. A file is replaced, never missing for a while: nodes and tests may be running from dist/.
 *
 * How it fails: with the compiler's own messages and exit code 1.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc')
const DIST = join(ROOT, 'dist')

function build() {
  const args = [COMPILER, '-p', join(ROOT, 'tsconfig.build.json'), '--listEmittedFiles']
  const told = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const emitted = new Set(told.split(/\r?\n/).flatMap((line) => /^TSFILE: (.*)$/.exec(line)?.[1] ?? []))
  for (const path of copyPage()) emitted.add(path)
  for (const name of readdirSync(DIST, { recursive: true })) {
    const path = join(DIST, name)
    if (!emitted.has(path.replaceAll('\\', '/')) && statSync(path).isFile()) rmSync(path)
  }
}

/** The page is plain HTML, CSS and JavaScript of the browser; gives where its files went. */
function copyPage() {
  const [from, to] = [join(ROOT, 'src/page'), join(DIST, 'page')]
  mkdirSync(to, { recursive: true })
  return readdirSync(from).map((name) => {
    const path = join(to, name)
    copyFileSync(join(from, name), `${path}~`)
    renameSync(`${path}~`, path)
    return path.replaceAll('\\', '/')
  })
}

if (existsSync(COMPILER) && existsSync(join(ROOT, 'src'))) {
  try {
    build()
  } catch (error) {
    process.stderr.write(`${error.stdout ?? error.message}\n`)
    process.exit(1)
  }
}
