/**
 * Random histories of a partition (test/support/histories.ts): however its lives end, and whatever is done in between to
 * its journal and to its commits, all samples and the ledger come out as of one life.
 *
 * POSTVIEW_HISTORIES: `FROM-TO` of seeds, for a longer look.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { HISTORY_HARMS, History, type HistoryOptions, openPipeline, type Pipeline } from '../support/histories.ts'
import { checkHistory } from '../support/historyCheck.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const [FROM, TO] = (process.env.POSTVIEW_HISTORIES ?? '1-8').split('-').map(Number)
const SEEDS = Array.from({ length: TO - FROM + 1 }, (_, k) => FROM + k)
const TIMEOUT_MS = 60_000 + SEEDS.length * 10_000

let dir: TempDir
let pipeline: Pipeline
beforeAll(async () => {
  dir = await tempDir()
  pipeline = await openPipeline(dir.path)
})
afterAll(() => dir.remove())

async function look(seeds: readonly number[], options: Omit<HistoryOptions, keyof Pipeline | 'seed' | 'lives'>) {
  const seen = { samples: 0, repeated: 0, stored: 0, loaded: 0, shared: { starts: 0, users: 0, passedOver: 0 } }
  for (const seed of seeds) {
    const history = new History({ ...pipeline, ...options, seed, lives: 6 })
    try {
      await history.run()
      const { samples, repeated } = await checkHistory(history)
      seen.samples += samples
      seen.repeated += repeated
    } catch (error) {
      throw new Error(`seed ${seed}:\n${history.told.join('\n')}`, { cause: error })
    }
    seen.stored += history.storedUsers
    seen.loaded += history.loadedUsers
    seen.shared.starts += history.shared.starts
    seen.shared.users += history.shared.users
    seen.shared.passedOver += history.shared.passedOver
    expect([...history.shared.troubles]).toEqual([])
    expect(history.log.notGivenBack).toBe(0)
  }
  return seen
}

it('kills, lost journals, older journals and commits taken back change nothing', { timeout: TIMEOUT_MS }, async () => {
  const seen = await look(SEEDS, { harms: HISTORY_HARMS })
  expect(seen.samples).toBeGreaterThan(SEEDS.length * 100)
  expect(seen.repeated).toBeGreaterThan(SEEDS.length)
  expect(seen.stored).toBeGreaterThan(SEEDS.length * 20)
  expect(seen.loaded).toBeGreaterThan(SEEDS.length * 20)
})

// Each was wrong once: a stored user that had been loaded again was believed though the commit had gone back.
it.each([2018, 2036])('state that is ahead of the commit is not believed (seed %i)', async (seed) => {
  await look([seed], { harms: ['rolled back', 'older', 'none'] })
})

// The same: a user that left memory while segments were read was taken to hold what lay in those behind.
it('a start that ends among its segments leaves users behind that hold what was read (seed 33)', async () => {
  await look([33], { harms: HISTORY_HARMS })
})

it('an older journal that ends below what is needed asks for nothing that retention took', async () => {
  await look([1, 2, 3], { harms: ['older', 'no journal', 'none'], isRetentionShort: true })
})

it('shared snapshots, whole and damaged, with journals lost and commits taken back, change nothing', {
  timeout: TIMEOUT_MS,
}, async () => {
  const seen = await look(SEEDS, { harms: [...HISTORY_HARMS, 'deleted', 'no journal'], isShared: true })
  expect(seen.shared.starts).toBeGreaterThan(SEEDS.length)
  expect(seen.shared.users).toBeGreaterThan(SEEDS.length * 5)
  expect(seen.shared.passedOver).toBeGreaterThan(0)
})
