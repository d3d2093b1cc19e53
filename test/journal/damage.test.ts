/**
 * What a killed process, a damaged disk and a meddling hand leave of the journal on RocksDB: what it was after some
 * write, or DAMAGED, or an empty one; never anything else.
 */
import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JournalError, type JournalStore } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { Random } from '../support/random.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { emptyContents, fingerprint, readContents, write } from './history.ts'

const WRITES = 1500
const EMPTY = fingerprint(emptyContents())
const MEANT = /\.(sst|blob|log)$|^MANIFEST|^CURRENT$/
const SEEDS = 60

let place: TempDir
/** What the journal was after each write, and copies of its folder as they were: clean, killed, and long before. */
const was = new Set<string>([EMPTY])
let intact = ''
let older = ''
let opened = 0

beforeAll(async () => {
  place = await tempDir()
  intact = join(place.path, 'intact')
  older = join(place.path, 'older')
  const folder = join(place.path, 'written')
  const store = await openRocksJournal({ folder, writeBufferBytes: 2 ** 17 })
  const journal = await store.partition(0)
  const contents = emptyContents()
  for (let number = 0; number < WRITES; number++) {
    await write(number)(journal, contents)
    was.add(fingerprint(contents))
    if (number === WRITES / 2) await cp(folder, older, { recursive: true })
  }
  // Copied while it is open: as a killed process leaves it, with much of it in the write-ahead logs.
  await cp(folder, intact, { recursive: true })
  await store.close()
})
afterAll(() => place.remove())

async function open(folder: string): Promise<JournalStore> {
  return openRocksJournal({ folder, writeBufferBytes: 2 ** 17 })
}

/** How a folder that was meddled with is found: its fingerprint, or a code. Whatever it is, it can be written to after. */
async function outcome(folder: string): Promise<string> {
  const store = await open(folder)
  try {
    if (store.movedAside > 0) opened++
    const journal = await store.partition(0).catch(codeOf)
    if (typeof journal === 'string') return journal
    const found = await readContents(journal).then(fingerprint, codeOf)
    const cleared = await journal.clear().then(() => journal.append(1, Buffer.from('new')).then(() => 'OK'), codeOf)
    expect(['OK', 'FAILED']).toContain(cleared)
    return found
  } finally {
    await store.close()
  }
}

function codeOf(error: unknown): string {
  if (error instanceof JournalError) return error.code
  throw error
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

describe('a journal that was meddled with is what it once was, or says so', () => {
  test('unmeddled, it is what it was last', async () => {
    const folder = join(place.path, 'copy')
    await cp(intact, folder, { recursive: true })
    console.info(await readdir(folder))
    expect(await outcome(folder)).toBe([...was].at(-1))
  })

  for (const [name, meddle] of Object.entries(MEDDLING)) {
    test(name, async () => {
      const found = new Map<string, number>()
      for (let seed = 1; seed <= SEEDS; seed++) {
        const random = new Random(seed)
        const folder = join(place.path, `${name} ${seed}`)
        await cp(intact, folder, { recursive: true })
        const file = random.pick((await readdir(folder)).filter((entry) => (process.env.ONLY ? new RegExp(process.env.ONLY) : MEANT).test(entry)).sort())
        await meddle(join(folder, file), random)
        const end = await outcome(folder)
        const kind = was.has(end) ? (end === EMPTY ? 'empty' : 'as it was') : end
        expect(['empty', 'as it was', 'DAMAGED'], `seed ${seed}, ${file}`).toContain(kind)
        found.set(kind, (found.get(kind) ?? 0) + 1)
        await rm(folder, { recursive: true })
      }
      console.info(name, found)
    })
  }
})
void older; void mkdir
