/**
 * The project as others get it: cloned and installed, with and without development packages, packed, and installed from
 * the package into an empty folder. One copy of the working tree goes through all of it, so the tests run in order.
 *
 * npm takes packages from its cache where it has them (`npm ci` has just filled it), else from its registry.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readersEnvironment } from './support/readersEnvironment.ts'
import { type TempDir, tempDir } from './support/tempDir.ts'

const ROOT = resolve(import.meta.dirname, '..')
/** What a clone does not have. */
const NOT_CLONED = ['.git', '.cache', 'coverage', 'data', 'dist', 'node_modules']
const TIMEOUT_MS = 300_000
/** A registry that answers late or not at all for a moment is asked again, while there is time. */
const PATIENT = ['--fetch-retries=6', '--fetch-timeout=60000']
const NPM_FLAGS = ['--prefer-offline', '--no-audit', '--no-fund', ...PATIENT]
/** A clone's: what is pinned takes every Node that the project does, without a warning. */
const CI_FLAGS = [...NPM_FLAGS, '--engine-strict']

let dir: TempDir
let clone: string
let tarball = ''
beforeAll(async () => {
  dir = await tempDir()
  clone = join(dir.path, 'clone')
  const left = NOT_CLONED.map((name) => join(ROOT, name))
  await cp(ROOT, clone, { recursive: true, filter: (path) => !left.includes(path) && !path.endsWith('.tgz') })
})
afterAll(() => dir.remove())

async function run(cwd: string, command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env: readersEnvironment(), maxBuffer: 64 << 20 })
  return stdout
}

const npm = (cwd: string, ...args: readonly string[]) => run(cwd, 'npm', ...args)

const packageOf = async (folder: string) => JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))

describe('a clone', () => {
  it('is built without development packages too, and has none', { timeout: TIMEOUT_MS }, async () => {
    await npm(clone, 'ci', '--omit=dev', ...CI_FLAGS)
    expect(existsSync(join(clone, 'node_modules/nact'))).toBe(true)
    expect(existsSync(join(clone, 'node_modules/typescript'))).toBe(false)
    expect(await run(clone, process.execPath, 'postview', 'check')).toContain('no problems')
  })

  it('is built by npm ci, and npm run demo shows every sample right', { timeout: TIMEOUT_MS }, async () => {
    await npm(clone, 'ci', ...CI_FLAGS)
    expect(await npm(clone, 'run', 'demo', '--', '--views', '2000')).toMatch(/samples/)
  })

  it('builds what it packs, and packs what is named and no more', { timeout: TIMEOUT_MS }, async () => {
    await rm(join(clone, 'dist'), { recursive: true })
    await npm(clone, 'pack', '--pack-destination', dir.path)
    const { name, version, files } = await packageOf(clone)
    tarball = join(dir.path, `${name}-${version}.tgz`)
    const packed = (await run(dir.path, 'tar', '-tzf', tarball)).trim().split('\n')
    const top = new Set(packed.map((path) => path.split('/')[1]))
    expect([...top].sort()).toEqual([...files, 'package.json'].sort())
    const sources = (await readdir(join(clone, 'src'), { recursive: true })).filter((path) =>
      /(?<!\.d)\.ts$|\.js$/.test(path),
    )
    const built = packed.filter((path) => path.startsWith('package/dist/') && path.endsWith('.js'))
    expect(built).toHaveLength(sources.length)
  })

  it('still runs when development packages are taken away', { timeout: TIMEOUT_MS }, async () => {
    await npm(clone, 'prune', '--omit=dev', ...NPM_FLAGS)
    expect(existsSync(join(clone, 'node_modules/typescript'))).toBe(false)
    expect(await run(clone, process.execPath, 'postview', 'check')).toContain('no problems')
    expect(await run(clone, process.execPath, 'cluster', '--help')).toContain('start')
  })
})

describe('the package', () => {
  it('runs the demonstration in an empty folder', { timeout: TIMEOUT_MS }, async () => {
    expect(existsSync(tarball), 'packed by the test before').toBe(true)
    const empty = join(dir.path, 'empty')
    await mkdir(empty)
    // Without it npm goes up to the next folder that has one, and installs there.
    await writeFile(join(empty, 'package.json'), '{ "private": true }')
    await npm(empty, 'install', tarball, ...NPM_FLAGS)
    expect(await run(empty, 'npx', '--no-install', 'postview', 'demo', '--views', '2000')).toMatch(/samples/)
    expect(await readdir(empty)).toEqual(['node_modules', 'package-lock.json', 'package.json'])
  })

  it('says whose it is and what it needs', async () => {
    const { license, engines, bin, description } = await packageOf(ROOT)
    expect({ license, engines, bin }).toEqual({
      license: 'Apache-2.0',
      engines: { node: '>=20.20' },
      bin: { postview: 'dist/cli/main.js' },
    })
    expect(description).toMatch(/views.*engagements/)
    expect(await readFile(join(ROOT, 'LICENSE'), 'utf8')).toMatch(/Apache License\s+Version 2\.0, January 2004/)
  })

  it('has a lockfile that names no host, so that it installs from any registry', async () => {
    const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { resolved?: string }>
    }
    const entries = Object.entries(packages).filter(([path]) => path !== '')
    expect(entries.length).toBeGreaterThan(100)
    expect(entries.filter(([, entry]) => entry.resolved !== undefined)).toEqual([])
  })

  it('pins what it depends on to exact versions', async () => {
    const { dependencies, devDependencies } = await packageOf(ROOT)
    const versions = Object.values<string>({ ...dependencies, ...devDependencies })
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
  })
})
