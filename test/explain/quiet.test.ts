/** A source that has gone quiet does not make an explanation read the rest of the others. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Explainer, type ExplainerOptions } from '../../src/explain/explain.ts'
import { ENGAGEMENTS, VIEWS } from '../../src/generate/event.ts'
import { InsideWorld } from '../support/insideWorld.ts'

const VIEW_MS = 1_700_000_000_000
const STEP_MS = 10_000
const COUNT = 500
/** So long that a read of the views' topic holds a few of them. */
const SURFACE = 'x'.repeat(20_000)

let world: InsideWorld
let options: ExplainerOptions

beforeAll(async () => {
  world = await InsideWorld.open({ pipeline: { name: 'quiet', node: { embedded: { partitions: 1 } } } })
  const views = Array.from({ length: COUNT }, (_, k) => ({ ...eventOf(k, VIEW_MS + k * STEP_MS), surface: SURFACE }))
  await world.append(VIEWS, ...views)
  await world.append(ENGAGEMENTS, { ...eventOf(0, VIEW_MS + 500), type: 'click', value: 1 })
  const lastMs = VIEW_MS + COUNT * STEP_MS
  const asOf = { offsets: [COUNT, 1], watermarkMs: lastMs, highestMs: [lastMs, VIEW_MS + 500] }
  options = { ...(await world.explainerOptions()), samples: undefined, asOf: async () => asOf }
}, 120_000)

afterAll(() => world.close())

function eventOf(k: number, atMs: number) {
  return { view_id: `v-${k}`, user_id: 'u', item_id: 'i', event_time: atMs }
}

test.each([{ user: 'u', atMs: VIEW_MS }, {}])('it is read as far as it could matter, found by %o', async (clue) => {
  const told = await new Explainer(options).explain({ sampleId: 'v-0', ...clue })
  expect(told).toMatchObject({ status: 'sealed', seal: { by: 'commit' }, labels: [{ name: 'click', value: 1 }, {}] })
  const searched = 'user' in clue ? 0 : COUNT
  expect(told.search.recordsRead - searched).toBeLessThan(COUNT / 5)
})
