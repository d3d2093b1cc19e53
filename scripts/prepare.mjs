/**
 * Builds dist/ in a clone: at `npm ci`, before `npm test` and before `npm pack`. Does nothing where the source is
 * absent (an installed tarball, which carries its dist/).
 *
 * Invariants:
 * 1. Afterwards dist/ holds what src/ is as JavaScript, the page as it is, and nothing else: files of modules that are
 *    gone would be packed.
 * 2. A file is replaced, never missing or half written for a while: nodes and tests may be running from dist/.
 *
 * How it fails: with the compiler's own messages, or npm's where it is missing and cannot be had, and exit code 1.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withCompiler } from './compiler.mjs'
import { keepTranslated, translate } from './translate.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SOURCE = join(ROOT, 'src')
const DIST = join(ROOT, 'dist')
const CODE = /\.(m?)ts$/
const TYPES_ALONE = /\.d\.m?ts$/

function build() {
  const names = readdirSync(SOURCE, { recursive: true }).filter((name) => statSync(join(SOURCE, name)).isFile())
  const code = names
    .filter((name) => CODE.test(name) && !TYPES_ALONE.test(name))
    .map((fileName) => ({ fileName, text: readFileSync(join(SOURCE, fileName), 'utf8') }))
  const built = new Map(code.map(({ fileName, text }) => [fileName.replace(CODE, '.$1js'), translate(text, fileName)]))
  // The page is plain HTML, CSS and JavaScript of the browser.
  for (const name of names) if (!/ts$/.test(name)) built.set(name, readFileSync(join(SOURCE, name)))
  for (const [name, content] of built) place(join(DIST, name), content)
  for (const name of readdirSync(DIST, { recursive: true })) {
    if (!built.has(name) && statSync(join(DIST, name)).isFile()) rmSync(join(DIST, name))
  }
  keepTranslated(code)
}

function place(path, content) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}~`, content)
  renameSync(`${path}~`, path)
}

if (existsSync(SOURCE)) {
  try {
    withCompiler(build)
  } catch (error) {
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}
