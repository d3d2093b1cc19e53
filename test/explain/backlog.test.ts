/**
 * What counted out of a backlog is told as counted: a node that reads one may have a thin source far ahead of another,
 * so that an event comes in time which comes late where sources are joined side by side.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Explainer } from '../../src/explain/explain.ts'
import { ENGAGEMENTS, VIEWS } from '../../src/generate/event.ts'
import type { Explanation } from '../../src/inspect/explanation.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import type { Event } from '../support/pageWorld.ts'

const SECOND = 1_000
const VIEW_MS = 1_700_000_000_000
const USER = 'u'
/** Of these the last is still pending at the end. */
const VIEWS_AT_MS = [0, 200, 30 * SECOND, 60 * SECOND]

let world: InsideWorld
let told: Explanation

beforeAll(async () => {
  const time = { alignWithin: '20s', rememberSealed: '10m' }
  const node = { embedded: { partitions: 1 } }
  world = await InsideWorld.open({ pipeline: { name: 'backlog', time, node } })
  await writeBacklog()
  await world.start()
  await world.reached('samples', VIEWS_AT_MS.length - 1)
  await world.append(ENGAGEMENTS, click(USER, VIEW_MS + 100, 'v'))
  await world.reached('late', 1)
  await world.node.stop()
  told = await new Explainer(await world.explainerOptions()).explain({ sampleId: 'v' })
}, 120_000)

afterAll(() => world.close())

/**
 * Before any node runs. The user's click lies 15 seconds behind the view by the clicks' own clock; the views go on after
 * 30, which a node does not come to before the clicks are within 20 of that.
 */
async function writeBacklog(): Promise<void> {
  const views = VIEWS_AT_MS.map((atMs, k) =>
    k === 0 ? viewOf('v', USER, VIEW_MS) : viewOf(`other-${k}`, 'other', VIEW_MS + atMs),
  )
  const others = (...seconds: number[]) => seconds.map((at) => click('other', VIEW_MS + at * SECOND, 'other-1'))
  await world.append(VIEWS, ...views)
  const before = Array.from({ length: 16 }, (_, second) => second)
  await world.append(ENGAGEMENTS, ...others(...before), click(USER, VIEW_MS + 500, 'v'), ...others(30, 60))
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
