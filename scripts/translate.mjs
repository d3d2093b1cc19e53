/**
 * TypeScript as JavaScript, a file at a time and without a look at the types (`npm run types` has that): dist/ is made
 * so, and what tests run in processes of their own.
 *
 * Owns: the cache of what was translated, by what it was. The compiler is loaded only for what is not there.
 *
 * How it fails: at text that is no TypeScript, with the compiler's own messages.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compiler, compilerVersion } from './compiler.mjs'

const CACHE = fileURLToPath(new URL('../node_modules/.cache/postview-translated', import.meta.url))
/** Names as tsconfig.json has them; the project's files are ES modules all. */
const OPTIONS = {
  target: 'ES2023',
  module: 'ESNext',
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
}

/** The JavaScript of a file's text; its name is for messages. */
export function translate(text, fileName) {
  const name = entryOf(text, fileName)
  const path = join(CACHE, name)
  try {
    return readFileSync(path, 'utf8')
  } catch {
    const output = compile(text, fileName)
    mkdirSync(CACHE, { recursive: true })
    // Tests run side by side: a file is there whole, or not.
    const own = `${path}.${process.pid}`
    writeFileSync(own, output)
    renameSync(own, path)
    return output
  }
}

/** Forgets what was translated, but for these `{ text, fileName }`, and for what is being written right now. */
export function keepTranslated(files) {
  const kept = new Set(files.map(({ text, fileName }) => entryOf(text, fileName)))
  const left = readdirSync(CACHE).filter((name) => name.endsWith('.js') && !kept.has(name))
  for (const name of left) rmSync(join(CACHE, name), { force: true })
}

function entryOf(text, fileName) {
  const key = `${compilerVersion()} ${JSON.stringify(OPTIONS)} ${fileName}\n${text}`
  return `${createHash('sha256').update(key).digest('hex')}.js`
}

function compile(text, fileName) {
  const ts = compiler()
  const compilerOptions = ts.convertCompilerOptionsFromJson(OPTIONS, '').options
  const { outputText, diagnostics } = ts.transpileModule(text, { fileName, compilerOptions, reportDiagnostics: true })
  if (diagnostics.length === 0) return outputText
  const host = { getCanonicalFileName: (path) => path, getCurrentDirectory: () => '', getNewLine: () => '\n' }
  throw new Error(ts.formatDiagnostics(diagnostics, host))
}
