/** What a process leaves of the journal that is killed, or whose disk is full, while it writes. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { Random } from '../support/random.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { fingerprint, History, readContents } from './history.ts'
import { compileWriter, runWriter } from './killed.ts'

const KILLS = 12
const SEED = 20_261_121

let place: TempDir
let compiled = ''
beforeAll(async () => {
  place = await tempDir()
  compiled = place.path
  await compileWriter(compiled)
})
afterAll(() => place.remove())

async function fingerprintOf(folder: string): Promise<string> {
  const store = await openRocksJournal({ folder })
  try {
    expect(store.movedAside).toBe(0)
    return fingerprint(await readContents(await store.partition(0)))
  } finally {
    await store.close()
  }
}

test('a process that is killed loses no write that was acknowledged, and no part of one', async () => {
  const random = new Random(SEED)
  const folder = join(place.path, 'killed')
  const history = new History()
  let next = 0
  for (let kill = 1; kill <= KILLS; kill++) {
    const killAfter = 1 + random.below(kill % 3 === 0 ? 20 : 600)
    const run = await runWriter({ compiled, folder, first: next, killAfter })
    expect(run.exitCode, `seed ${SEED}, kill ${kill}: ${run.said}`).toBeNull()
    expect(run.acknowledged).toBeGreaterThanOrEqual(next)
    const was = await history.extendTo(run.acknowledged + 2)
    const found = was.lastIndexOf(await fingerprintOf(folder))
    expect(found, `seed ${SEED}, kill ${kill}, last write ${run.acknowledged}`).toBeGreaterThan(run.acknowledged)
    next = found
  }
  console.info(`${KILLS} kills while ${next} writes were made, seed ${SEED}`)
})

test('a full disk fails the write and every call after it, and what was acknowledged is there at the next start', async () => {
  const folder = join(place.path, 'full')
  // Files of at most 200 blocks, and an error instead of a signal where one would grow beyond.
  const shell = "trap '' XFSZ; ulimit -f 200"
  const run = await runWriter({ compiled, folder, first: 0, killAfter: Number.POSITIVE_INFINITY, shell })
  expect(run.said).toEqual(['FAILED', 'FAILED'])
  expect(run.exitCode).toBe(0)
  expect(run.acknowledged).toBeGreaterThan(0)
  const was = await new History().extendTo(run.acknowledged + 2)
  expect(was.lastIndexOf(await fingerprintOf(folder))).toBeGreaterThan(run.acknowledged)
})
