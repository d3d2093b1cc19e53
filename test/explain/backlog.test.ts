/**
 * What counted out of a backlog is told as counted: a node that reads one may have a thin source far ahead of another,
 * so that an event comes in time which comes late where sources are joined side by side.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Explainer } from '../../src/explain/explain.ts'
import type { Explanation } from '../../src/inspect/explanation.ts'
import { BatchedTopic } from '../../src/sinks/batches.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { type Event, writeWorld } from '../support/pageWorld.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const SECOND = 1_000
const VIEW_MS = 1_700_000_000_000
const USER = 'u'
/** Of these the last is still pending at the end. */
const VIEWS_AT_MS = [0, 200, 30 * SECOND, 60 * SECOND]

let dir: TempDir
let world: InsideWorld
let told: Explanation

beforeAll(async () => {
  dir = await tempDir()
  const time = { alignWithin: '20s', rememberSealed: '10m' }
  const node = { embedded: { partitions: 1 } }
  const configFolder = await writeWorld(dir.path, { name: 'backlog', time, node })
  world = await InsideWorld.open({ configFolder })
  const writer = await world.log.writer()
  const [views, engagements] = world.topics.map((topic) => new BatchedTopic(topic, 'none', writer))
  await writeBacklog(views, engagements)
  await world.start()
  await world.reached('samples', VIEWS_AT_MS.length - 1)
  await write(engagements, click(USER, VIEW_MS + 100, 'v'))
  await world.reached('late', 1)
  await writer.close()
  await world.node.stop()
  told = await new Explainer(await world.explainerOptions()).explain({ sampleId: 'v' })
}, 120_000)

afterAll(async () => {
  await world.close()
  await dir.remove()
})

/**
 * Before any node runs. The user's click lies 15 seconds behind the view by the clicks' own clock; the views go on after
 * 30, which a node does not come to before the clicks are within 20 of that.
 */
async function writeBacklog(views: BatchedTopic, engagements: BatchedTopic): Promise<void> {
  for (const [k, atMs] of VIEWS_AT_MS.entries())
    await write(views, k === 0 ? viewOf('v', USER, VIEW_MS) : viewOf(`other-${k}`, 'other', VIEW_MS + atMs))
  for (let k = 0; k <= 15; k++) await write(engagements, click('other', VIEW_MS + k * SECOND, 'other-1'))
  await write(engagements, click(USER, VIEW_MS + 500, 'v'))
  for (const atMs of [30 * SECOND, 60 * SECOND]) await write(engagements, click('other', VIEW_MS + atMs, 'other-1'))
}

async function write(topic: BatchedTopic, event: Event): Promise<void> {
  const [key, value] = [Buffer.from(event.user_id), Buffer.from(JSON.stringify(event))]
  topic.add(0, VIEW_MS, key, 0, key.length, value, 0, value.length)
  await topic.flush()
}

const viewOf = (id: string, user: string, atMs: number): Event => ({
  view_id: id,
  user_id: user,
  item_id: 'i',
  event_time: atMs,
})
const click = (user: string, atMs: number, id: string): Event => ({
  ...viewOf(id, user, atMs),
  type: 'click',
  value: 1,
})

test('a click that came in time live, and late by the log alone, is told as counted, with why', () => {
  expect(told).toMatchObject({ status: 'sealed', emission: { agrees: false, labels: { click: 1 } } })
  expect(told.engagements).toMatchObject([
    { delayMs: 100, outcome: 'late', bucket: 'late' },
    { delayMs: 500, outcome: 'counted', bucket: 'bound' },
  ])
  expect(told.labels[0]).toMatchObject({ name: 'click', value: 1, delayMs: 500, counted: [1] })
  expect(told.notes).toEqual([expect.stringMatching(/reads a backlog, so that more came in time/)])
})
