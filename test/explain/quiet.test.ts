/** A source that has gone quiet does not make an explanation read the rest of the others. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Explainer, type ExplainerOptions } from '../../src/explain/explain.ts'
import { BatchedTopic } from '../../src/sinks/batches.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { type Event, writeWorld } from '../support/pageWorld.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const VIEW_MS = 1_700_000_000_000
const STEP_MS = 10_000
const VIEWS = 500
/** So long that a read of the views' topic holds a few of them. */
const SURFACE = 'x'.repeat(20_000)

let dir: TempDir
let world: InsideWorld
let options: ExplainerOptions

beforeAll(async () => {
  dir = await tempDir()
  world = await InsideWorld.open({
    configFolder: await writeWorld(dir.path, { name: 'quiet', node: { embedded: { partitions: 1 } } }),
  })
  const writer = await world.log.writer()
  const [views, engagements] = world.topics.map((topic) => new BatchedTopic(topic, 'none', writer))
  for (let k = 0; k < VIEWS; k++) await write(views, { ...eventOf(k, VIEW_MS + k * STEP_MS), surface: SURFACE })
  await write(engagements, { ...eventOf(0, VIEW_MS + 500), type: 'click', value: 1 })
  await writer.close()
  const lastMs = VIEW_MS + VIEWS * STEP_MS
  const asOf = { offsets: [VIEWS, 1], watermarkMs: lastMs, highestMs: [lastMs, VIEW_MS + 500] }
  options = { ...(await world.explainerOptions()), samples: undefined, asOf: async () => asOf }
}, 120_000)

afterAll(async () => {
  await world.close()
  await dir.remove()
})

function eventOf(k: number, atMs: number) {
  return { view_id: `v-${k}`, user_id: 'u', item_id: 'i', event_time: atMs }
}

async function write(topic: BatchedTopic, event: Event & { readonly surface?: string }): Promise<void> {
  const [key, value] = [Buffer.from(event.user_id), Buffer.from(JSON.stringify(event))]
  topic.add(0, VIEW_MS, key, 0, key.length, value, 0, value.length)
  await topic.flush()
}

test.each([{ user: 'u', atMs: VIEW_MS }, {}])('it is read as far as it could matter, found by %o', async (clue) => {
  const told = await new Explainer(options).explain({ sampleId: 'v-0', ...clue })
  expect(told).toMatchObject({ status: 'sealed', seal: { by: 'commit' }, labels: [{ name: 'click', value: 1 }, {}] })
  const searched = 'user' in clue ? 0 : VIEWS
  expect(told.search.recordsRead - searched).toBeLessThan(VIEWS / 5)
})
