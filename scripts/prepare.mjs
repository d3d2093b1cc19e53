/**
 * Builds dist/ in a clone: at `npm ci`, before `npm test` and before `npm pack`. Does nothing where the compiler is
 * absent (`npm ci --omit=dev`) or the source is (an installed tarball, which carries its dist/).
 *
 * Invariants:
 * 1. Afterwards dist/ holds what src/ compiles to and nothing else: files of modules that are gone would be packed.
 * 2. A file is replaced, never missing for a while: nodes and tests may be running from dist/.
 *
 * How it fails: with the compiler's own messages and exit code 1.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc')
const DIST = join(ROOT, 'dist')

function build() {
  const args = [COMPILER, '-p', join(ROOT, 'tsconfig.build.json'), '--listEmittedFiles']
  const told = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const emitted = new Set(told.split(/\r?\n/).flatMap((line) => /^TSFILE: (.*)$/.exec(line)?.[1] ?? []))
  for (const name of readdirSync(DIST, { recursive: true })) {
    const path = join(DIST, name)
    if (!emitted.has(path.replaceAll('\\', '/')) && statSync(path).isFile()) rmSync(path)
  }
}

if (existsSync(COMPILER) && existsSync(join(ROOT, 'src'))) {
  try {
    build()
  } catch (error) {
    process.stderr.write(`${error.stdout ?? error.message}\n`)
    process.exit(1)
  }
}
