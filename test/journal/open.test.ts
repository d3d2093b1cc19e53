/** How the journal on RocksDB opens where it cannot simply open. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JournalStore } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { compileWriter } from './killed.ts'

let place: TempDir
let folder = ''
beforeEach(async () => {
  place = await tempDir()
  folder = join(place.path, 'journal')
})
afterEach(() => place.remove())

async function filled(): Promise<void> {
  const store = await openRocksJournal({ folder })
  await (await store.partition(0)).append(1, Buffer.from('one'))
  await store.close()
}

async function segmentsOf(store: JournalStore): Promise<string[]> {
  const found: string[] = []
  for await (const { bytes } of (await store.partition(0)).segments()) found.push(bytes.toString())
  return found
}

test('a folder that this process has open is LOCKED, and free when it is closed', async () => {
  const first = await openRocksJournal({ folder })
  await expect(openRocksJournal({ folder })).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringContaining(folder),
  })
  await (await first.partition(0)).append(1, Buffer.from('one'))
  await first.close()
  const second = await openRocksJournal({ folder })
  expect(await segmentsOf(second)).toEqual(['one'])
  await second.close()
})

test('a folder that another process has open is LOCKED, and unharmed', async () => {
  await compileWriter(place.path)
  const child = spawn(process.execPath, [join(place.path, 'test/journal/writer.js'), folder, '0', 'all'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  await once(child.stdout, 'data')
  child.stdout.resume()
  await expect(openRocksJournal({ folder })).rejects.toMatchObject({ code: 'LOCKED' })
  child.kill('SIGKILL')
  await closed
  const store = await openRocksJournal({ folder })
  expect(store.movedAside).toBe(0)
  expect((await segmentsOf(store)).length).toBeGreaterThan(0)
  await store.close()
})

test('a damaged folder is moved aside with a warning, of several the last one is kept', async () => {
  const warnings: unknown[] = []
  const logger = { warn: (fields: Record<string, unknown>) => void warnings.push(fields) }
  for (let round = 1; round <= 3; round++) {
    await filled()
    for (const name of await readdir(folder)) if (name.startsWith('MANIFEST')) await truncate(join(folder, name), 7)
    const store = await openRocksJournal({ folder, logger })
    expect(store.movedAside).toBe(1)
    expect(await segmentsOf(store)).toEqual([])
    await store.close()
    expect((await readdir(place.path)).sort()).toEqual(['journal', `journal.damaged-${round}`])
  }
  expect(warnings.length).toBe(3)
  expect(warnings[2]).toMatchObject({ folder, aside: `${folder}.damaged-3` })
})

test('a folder in which an earlier run found damage is moved aside before anything is asked of it', async () => {
  await filled()
  await writeFile(join(folder, 'DAMAGED'), '')
  const store = await openRocksJournal({ folder })
  expect([store.movedAside, await segmentsOf(store)]).toEqual([1, []])
  await store.close()
})

test('what is no folder is left alone, and said so', async () => {
  await writeFile(folder, 'precious')
  await expect(openRocksJournal({ folder })).rejects.toMatchObject({
    code: 'FAILED',
    message: expect.stringContaining(folder),
  })
  expect(await readdir(place.path)).toEqual(['journal'])
})

test('a folder is made with its parents, and may hold other files', async () => {
  folder = join(place.path, 'a/b/journal')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'README'), 'not ours')
  await filled()
  const store = await openRocksJournal({ folder })
  expect(await segmentsOf(store)).toEqual(['one'])
  await store.close()
})
