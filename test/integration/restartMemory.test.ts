/**
 * State beyond memory: users move to the journal and back, over a restart too, and every sample is right; a run whose
 * journal cannot be read is found wrong.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { JournalStore } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { checkOutcome, type Outcome } from '../support/crashCheck.ts'
import { LONGEST_WINDOW_MS, PARTITIONS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import { journalWithoutReads } from '../support/journal.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'

const STEPS = 80
const LIVES = 3
const CLOSING_AFTER_MS = LONGEST_WINDOW_MS * 5

let dir: TempDir
let world: InProcessWorld

beforeEach(async () => {
  dir = await tempDir()
  world = await InProcessWorld.open(dir.path)
})

afterEach(async () => {
  await world.close()
  await dir.remove()
})

interface Moved {
  stored: number
  loaded: number
  segmentsRead: number
  replayed: number
}

async function run(wrap: (journal: JournalStore) => JournalStore, moved: Moved): Promise<Outcome> {
  const journal = wrap(await openRocksJournal({ folder: join(dir.path, 'data/journal') }))
  const traffic = new Traffic(11)
  for (let life = 0; life < LIVES; life++) {
    const node = await world.start({ journal, isJournalOn: true, state: '128KiB' })
    for (const { recovered } of node.partitions) moved.segmentsRead += recovered.segmentsRead
    for (let k = 0; k < STEPS; k++) {
      await world.send(traffic.step())
      if (k % 4 === 3) await world.joined()
    }
    await world.joined()
    if (life === LIVES - 1) {
      await world.send(traffic.rest())
      await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + CLOSING_AFTER_MS))
      await world.joined()
      expect(world.count('pending')).toBe(PARTITIONS)
    }
    for (const { store, rates } of node.partitions) {
      moved.stored += store.counts.viewsStored
      moved.loaded += store.counts.viewsLoaded
      moved.replayed += rates.recordsReplayed
    }
    await world.stop()
  }
  await journal.close()
  return checkOutcome(world)
}

it('joins rightly what does not fit memory, over restarts that read the journal and not the log', async () => {
  const moved = { stored: 0, loaded: 0, segmentsRead: 0, replayed: 0 }
  const outcome = await run((journal) => journal, moved)
  expect(outcome.samples).toBeGreaterThan(3_000)
  expect(moved.stored).toBeGreaterThan(1_000)
  expect(moved.loaded).toBeGreaterThan(1_000)
  expect(moved.segmentsRead).toBeGreaterThan(20)
  expect(moved.replayed).toBe(0)
})

it('is found wrong when the journal is written and not read', async () => {
  const moved = { stored: 0, loaded: 0, segmentsRead: 0, replayed: 0 }
  await expect(run(journalWithoutReads, moved)).rejects.toThrow()
})
