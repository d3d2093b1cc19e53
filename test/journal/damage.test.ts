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
import { fingerprint, fingerprints, readContents } from './history.ts'
import { compileWriter, runWriter } from './killed.ts'

const SEEDS = 20
const FILES = /\.(sst|blob|log)$|^MANIFEST|^CURRENT$/

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
  const first = await runWriter(place.path, intact, 0, 700)
  await cp(intact, older, { recursive: true })
  const store = await open(intact)
  was = await fingerprints(first.acknowledged + 2)
  const next = was.lastIndexOf(fingerprint(await readContents(await store.partition(0))))
  await store.close()
  const second = await runWriter(place.path, intact, next, 800)
  was = await fingerprints(second.acknowledged + 2)
})
afterAll(() => place.remove())

function open(folder: string): Promise<JournalStore> {
  return openRocksJournal({ folder, writeBufferBytes: 2 ** 17 })
}

/** What is found in a folder: one of the fingerprints, or a code. Whatever it is, it can be begun anew. */
async function outcome(folder: string): Promise<string> {
  const store = await open(folder)
  try {
    const journal = await store.partition(0)
    const found = await readContents(journal).then(fingerprint, codeOf)
    const again = await journal.clear().then(() => journal.append(1, Buffer.from('new')).then(() => 'OK'), codeOf)
    expect(['OK', 'FAILED']).toContain(again)
    return found
  } finally {
    await store.close()
  }
}

function codeOf(error: unknown): string {
  if (error instanceof JournalError) return error.code
  throw error
}

function kindOf(found: string): string {
  if (!was.includes(found)) return found
  return found === was[0] ? 'empty' : 'what it was'
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
async function kindAfter(meddle: (copy: string) => Promise<void>): Promise<string> {
  const copy = join(place.path, 'copy')
  await cp(intact, copy, { recursive: true })
  await meddle(copy)
  const kind = kindOf(await outcome(copy))
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
        expect(['empty', 'what it was', 'DAMAGED'], `seed ${seed}, ${file}`).toContain(kind)
        found.set(kind, (found.get(kind) ?? 0) + 1)
      }
      console.info(name, Object.fromEntries(found))
    })
  }

  test('each write-ahead log that is gone, or older than the others', async () => {
    for (const file of await filesOf(intact, /\.log$/)) {
      for (const share of [0, 0.5, 0.99]) {
        const kind = await kindAfter(async (copy) => {
          const path = join(copy, file)
          if (share === 0) await rm(path)
          else await truncate(path, Math.floor((await stat(path)).size * share))
        })
        expect(['empty', 'what it was', 'DAMAGED'], `${file} ${share}`).toContain(kind)
      }
    }
  })

  test('files of an older copy among the newer', async () => {
    for (const file of await filesOf(older)) {
      const kind = await kindAfter((copy) => cp(join(older, file), join(copy, file)))
      expect(['empty', 'what it was', 'DAMAGED'], file).toContain(kind)
    }
  })

  test('an older copy of the whole folder is what it was then', async () => {
    const copy = join(place.path, 'older-copy')
    await cp(older, copy, { recursive: true })
    expect(kindOf(await outcome(copy))).toBe('what it was')
  })
})
