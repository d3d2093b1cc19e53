/**
 * What came too late live is told as too late: however much event time of a thin source one read of the log holds, an
 * explanation joins sources side by side, as a node does that keeps up.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Explainer, type ExplainerOptions } from '../../src/explain/explain.ts'
import type { ControlServer } from '../../src/inspect/server.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { type Event, post } from '../support/pageWorld.ts'

const STEP_MS = 10_000
const MINUTE = 60_000
const START_MS = 1_700_000_000_000
const VIEW_MS = START_MS + MINUTE
const USER = 'u'
/** So long that one read of the views' topic holds two minutes of them. */
const SURFACE = 'x'.repeat(20_000)

let world: InsideWorld
let server: ControlServer
let options: ExplainerOptions
let sent = 0

beforeAll(async () => {
  world = await InsideWorld.open({ env: { POSTVIEW_EMBEDDED_PARTITIONS: '1' } })
  server = await world.serve()
  for (let atMs = START_MS; atMs <= VIEW_MS + 14 * MINUTE; atMs += STEP_MS) {
    await send('views', atMs === VIEW_MS ? view('v', USER, atMs) : view(`other-${atMs}`, 'other', atMs))
    await send('engagements', click('other', atMs, `other-${atMs}`))
    // In its window, and a minute after the view was sealed.
    if (atMs === VIEW_MS + 11 * MINUTE) await send('engagements', click(USER, VIEW_MS + 9 * MINUTE, 'v'))
  }
  await server.close()
  await world.node.stop()
  options = await world.explainerOptions()
}, 120_000)

afterAll(() => world.close())

function view(id: string, user: string, atMs: number): Event {
  const more = { position: 1, surface: SURFACE, device: 'phone', country: 'DE', scores: [] }
  return { view_id: id, user_id: user, item_id: 'i', event_time: atMs, ...more }
}

function click(user: string, atMs: number, id: string): Event {
  return { view_id: id, user_id: user, item_id: 'i', event_time: atMs, type: 'click', value: 1 }
}

/** One at a time, each joined before the next comes. */
async function send(topic: string, event: Event): Promise<void> {
  await post(server.url, topic, [event])
  await world.reached('records', ++sent)
}

test('a click that came after the seal is late by the log alone, as it was live', async () => {
  const told = await new Explainer(options).explain({ sampleId: 'v' })
  expect(told).toMatchObject({ status: 'sealed', emission: { agrees: true, labels: { click: 0 } }, notes: [] })
  expect(told.labels[0]).toMatchObject({ name: 'click', value: 0, counted: [] })
  expect(told.engagements).toMatchObject([{ type: 'click', outcome: 'late', bucket: 'late' }])
})

test('where samples go to files there is nothing to compare with, and it is late all the same', async () => {
  const told = await new Explainer({ ...options, samples: undefined }).explain({ sampleId: 'v' })
  expect(told.labels[0]).toMatchObject({ name: 'click', value: 0, counted: [] })
  // It came a window, 15 s and then 40 s after the view, by a clock that is 5 s behind.
  expect(told.engagements[0].reason).toMatch(/sealed already: the watermark was 40.0s past its deadline$/)
})
