/** A view that came late is late after a restart of its user's actor too, also where there is no journal to say so. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EventBatch, VIEW } from '../../src/join/event.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { type Event, post } from '../support/pageWorld.ts'
import { until } from '../support/until.ts'

const START_MS = 1_700_000_000_000
/** The time of the view that crashes its actor, once. */
const CRASH_MS = START_MS + 1_001

let world: InsideWorld
beforeAll(async () => {
  const node = { embedded: { partitions: 1 }, journal: false }
  world = await InsideWorld.open({ pipeline: { name: 'late', node, time: { idleAfter: '10m' } } })
})
afterAll(() => world.close())

function view(id: string, user: string, atMs: number): Event {
  return { view_id: id, user_id: user, item_id: 'i', event_time: atMs }
}

async function samples(): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>()
  const [{ topic, partition, low, high }] = await world.log.ends(['late-samples'])
  for await (const chunk of world.log.readRange(topic, partition, low, high)) {
    for (let i = 0; i < chunk.count; i++) {
      const text = chunk.bytes.toString('utf8', chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
      const sample = JSON.parse(text) as { sample_id: string; late_view: boolean }
      found.set(sample.sample_id, sample.late_view)
    }
  }
  return found
}

test('it is rebuilt from the log as it was', async () => {
  let crashes = 0
  const server = await world.serve({
    beforeRecord: ({ kind, timeMs }: EventBatch, i) => {
      if (kind[i] === VIEW && timeMs[i] === CRASH_MS && ++crashes === 1) throw new Error('a fault of the test')
    },
  })
  const send = (...views: Event[]): Promise<void> => post(server.url, 'late-views', views)
  await send(view('first', 'other', START_MS + 1_000))
  const { clocks } = world.node.partitions[0].state
  await until('a watermark', () => clocks.watermarkMs > START_MS)
  await send(view('late', 'u', START_MS + 500))
  await world.reached('lateViews', 1)
  await send(view('crash', 'u', CRASH_MS))
  await send(view('last', 'other', START_MS + 60_000))
  await world.reached('samples', 3)
  await server.close()
  await world.node.stop()
  expect(crashes).toBe(2)
  expect(await samples()).toEqual(
    new Map([
      ['late', true],
      ['first', false],
      ['crash', false],
    ]),
  )
})
