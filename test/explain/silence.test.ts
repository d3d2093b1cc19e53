/** What a silent source's clock gave up is told as given up, though by the log alone it came in time. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Explainer } from '../../src/explain/explain.ts'
import type { Explanation } from '../../src/inspect/explanation.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { post } from '../support/pageWorld.ts'

let world: InsideWorld
let told: Explanation

beforeAll(async () => {
  world = await InsideWorld.open({ pipeline: { name: 'silence', node: { embedded: { partitions: 1 } } } })
  const server = await world.serve()
  const view = { view_id: 'v', user_id: 'u', item_id: 'i', event_time: Date.now() }
  await post(server.url, world.topics[0], [view])
  // Sealed by time that passes: no record comes.
  await world.reached('samples', 1)
  const event_time = view.event_time + 500
  await post(server.url, world.topics[1], [{ ...view, event_time, type: 'click', value: 1 }])
  await world.reached('late', 1)
  await server.close()
  await world.node.stop()
  told = await new Explainer(await world.explainerOptions()).explain({ sampleId: 'v' })
}, 120_000)

afterAll(() => world.close())

test('a click that came when silence had sealed its view is told as late, with what the log alone would say', () => {
  expect(told).toMatchObject({ status: 'sealed', emission: { agrees: false, labels: { click: 0 } } })
  expect(told.labels[0]).toMatchObject({ name: 'click', value: 0, delayMs: null, counted: [] })
  expect(told.engagements).toMatchObject([{ type: 'click', outcome: 'late', bucket: 'late' }])
  expect(told.engagements[0].reason).toMatch(
    /^was given up live \(late\).*By the log alone: 500ms after the view: counts/,
  )
  expect(told.notes).toEqual([expect.stringMatching(/clock of a silent or empty source had moved on/)])
})
