/**
 * What a damaged disk and a meddling hand leave of the journal on RocksDB: what it was after some write, or DAMAGED, or
 * an empty one; never anything else.
 */
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JournalError, type JournalStore } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { Random } from '../support/random.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { fingerprint, History, readContents } from './history.ts'
import { compileWriter, runWriter } from './killed.ts'

const SEEDS = 12
const FILES = /\.(sst|blob|log)$|^MANIFEST|^CURRENT$/

const ENDS = ['empty', 'what it was', 'DAMAGED', 'FAILED']

let place: TempDir
/** What the journal was after each write. */
let was: readonly string[] = []
/** Folders of a killed process, so that much of it lies in write-ahead logs: the last one, and one from long before. */
let intact = ''
let older = ''

beforeAll(async () => {
  place = await tempDir()
  intact = join(place.path, 'intact')
  older = join(place.path, 'older')
  await compileWriter(place.path)
  const compiled = place.path
  const first = await runWriter({ compiled, folder: intact, first: 0, killAfter: 700 })
  await cp(intact, older, { recursive: true })
  const history = new History()
  await history.extendTo(first.acknowledged + 2)
  const store = await open(intact)
  const next = history.fingerprints.lastIndexOf(fingerprint(await readContents(await store.partition(0))))
  await store.close()
  const second = await runWriter({ compiled, folder: intact, first: next, killAfter: 800 })
  was = await history.extendTo(second.acknowledged + 2)
})
afterAll(() => place.remove())

function open(folder: string): Promise<JournalStore> {
  return openRocksJournal({ folder, writeBufferBytes: 2 ** 17 })
}

/** What is found in a folder: one of the fingerprints, or a code. */
async function outcome(folder: string): Promise<string> {
  const store = await open(folder)
  try {
    const journal = await store.partition(0)
    const found = fingerprint(await readContents(journal))
    await journal.append(10_000, Buffer.from('new'))
    return found
  } catch (error) {
    return codeOf(error)
  } finally {
    await store.close()
  }
}

function codeOf(error: unknown): string {
  if (error instanceof JournalError) return error.code
  throw error
}

function kindOf(found: string, among = was): string {
  if (!among.includes(found)) return found
  return found === among[0] ? 'empty' : 'what it was'
}

type Meddling = (file: string, random: Random) => Promise<void>

const MEDDLING: Readonly<Record<string, Meddling>> = {
  'a flipped bit': (file, random) =>
    change(file, (bytes) => {
      bytes[random.below(bytes.length)] ^= 1 << random.below(8)
    }),
  'a run of zeros': (file, random) =>
    change(file, (bytes) => {
      const at = random.below(bytes.length)
      bytes.fill(0, at, Math.min(bytes.length, at + 1 + random.below(4096)))
    }),
  'random bytes': (file, random) =>
    change(file, (bytes) => {
      const at = random.below(bytes.length)
      for (let i = at; i < Math.min(bytes.length, at + 64); i++) bytes[i] = random.below(256)
    }),
  'a cut': async (file, random) => truncate(file, random.below((await stat(file)).size + 1)),
  'a file that is gone': (file) => rm(file),
}

async function change(file: string, how: (bytes: Buffer) => void): Promise<void> {
  const bytes = await readFile(file)
  if (bytes.length > 0) how(bytes)
  await writeFile(file, bytes)
}

async function filesOf(folder: string, pattern = FILES): Promise<string[]> {
  return (await readdir(folder)).filter((name) => pattern.test(name)).sort()
}

/** Meddles with a copy and tells what became of it. */
async function kindAfter(
  meddle: (copy: string) => Promise<void>,
  folder = intact,
  among: readonly string[] = was,
): Promise<string> {
  const copy = join(place.path, 'copy')
  await cp(folder, copy, { recursive: true })
  await meddle(copy)
  const kind = kindOf(await outcome(copy), among)
  // A compaction may come upon the damage before any reader, or whoever cleared it. The next start begins anew.
  if (kind === 'DAMAGED' || kind === 'FAILED') expect(kindOf(await outcome(copy), among)).toBe('empty')
  for (const name of await readdir(place.path)) {
    if (name.startsWith('copy')) await rm(join(place.path, name), { recursive: true })
  }
  return kind
}

describe('a journal that was meddled with is what it once was, or empty, or says that it is damaged', () => {
  test('unmeddled, it is what it was last', async () => {
    const copy = join(place.path, 'unmeddled')
    await cp(intact, copy, { recursive: true })
    expect(was.slice(-2)).toContain(await outcome(copy))
  })

  for (const [name, meddle] of Object.entries(MEDDLING)) {
    test(name, async () => {
      const found = new Map<string, number>()
      for (let seed = 1; seed <= SEEDS; seed++) {
        const random = new Random(seed)
        const file = random.pick(await filesOf(intact))
        const kind = await kindAfter((copy) => meddle(join(copy, file), random))
        expect(ENDS, `seed ${seed}, ${file}`).toContain(kind)
        found.set(kind, (found.get(kind) ?? 0) + 1)
      }
      console.info(name, Object.fromEntries(found))
    })
  }

  for (const kinds of ['all', 'withoutSegments'] as const) {
    test(`each write-ahead log that is gone or cut, of writes of the kinds: ${kinds}`, async () => {
      const folder = join(place.path, kinds)
      const history = new History(kinds)
      const run = await runWriter({ compiled: place.path, folder, first: 0, killAfter: 600, kinds })
      const among = await history.extendTo(run.acknowledged + 2)
      const logs = await filesOf(folder, /\.log$/)
      expect(logs.length).toBeGreaterThan(1)
      for (const file of logs) {
        for (const share of [0, 0.3, 0.7, 0.99]) {
          const meddle = async (copy: string): Promise<void> => {
            const path = join(copy, file)
            if (share === 0) await rm(path)
            else await truncate(path, Math.floor((await stat(path)).size * share))
          }
          const kind = await kindAfter(meddle, folder, among)
          expect(ENDS, `${file} of ${logs} cut to ${share}`).toContain(kind)
        }
      }
    })
  }

  test('files of an older copy among the newer', async () => {
    for (const file of await filesOf(older)) {
      const kind = await kindAfter((copy) => cp(join(older, file), join(copy, file)))
      expect(ENDS, file).toContain(kind)
    }
  })

  test('an older copy of the whole folder is what it was then', async () => {
    const copy = join(place.path, 'older-copy')
    await cp(older, copy, { recursive: true })
    expect(kindOf(await outcome(copy))).toBe('what it was')
  })
})
