/**
 * The program as a few files instead of a thousand: half of what a node costs that is killed after seconds is to load its
 * modules. What it depends on is in it too, but for what is compiled or taken by its path.
 *
 * Owns: the cache of bundles, by what went into them.
 * Invariant: what is bundled is src as it is now.
 * How it fails: with the bundler's own messages.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SOURCE = join(ROOT, 'src')
const CACHE = join(ROOT, 'node_modules/.cache/postview-bundled')
/** Addons, what lies beside its own WebAssembly, and what src/ takes parts of by their path: of these there must be one copy. */
const LEFT_OUT = /^(kafkajs|nact|rocksdb-native|lz4-napi|@bokuweb\/|@node-rs\/)/

/** A folder of JavaScript, `main.js` in it, that stands for dist/cli. */
export async function bundled(): Promise<string> {
  const folder = join(CACHE, await keyOfSources())
  if (existsSync(folder)) return folder
  await mkdir(CACHE, { recursive: true })
  const building = await mkdtemp(join(CACHE, 'building-'))
  await writeBundle(building)
  // Another test may have been first: its bundle is the same.
  await rename(building, folder).catch(() => rm(building, { recursive: true, force: true }))
  await forgetOthers(folder)
  return folder
}

async function keyOfSources(): Promise<string> {
  const hash = createHash('sha256').update(await readFile(join(ROOT, 'package-lock.json')))
  for (const name of (await readdir(SOURCE, { recursive: true })).sort()) {
    if (name.endsWith('.ts')) hash.update(`\n${name}\n`).update(await readFile(join(SOURCE, name)))
  }
  return hash.update(await readFile(fileURLToPath(import.meta.url))).digest('hex')
}

async function writeBundle(folder: string): Promise<void> {
  const input = join(SOURCE, 'cli/main.ts')
  const bundle = await rolldown({ input, platform: 'node', external: LEFT_OUT, logLevel: 'silent' })
  try {
    await bundle.write({ dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' })
  } finally {
    await bundle.close()
  }
}

/** Bundles of what src was before; those being written now are left. */
async function forgetOthers(folder: string): Promise<void> {
  for (const name of await readdir(CACHE)) {
    const other = join(CACHE, name)
    if (other !== folder && !name.startsWith('building-')) await rm(other, { recursive: true, force: true })
  }
}
