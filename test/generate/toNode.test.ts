/** Generated history, posted to a node that has been silent: its sources move on together, and no label is lost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { planGeneration } from '../../src/generate/plan.ts'
import { runGeneration } from '../../src/generate/run.ts'
import { ServerTarget } from '../../src/generate/toServer.ts'
import type { ControlServer } from '../../src/inspect/server.ts'
import { InsideWorld } from '../support/insideWorld.ts'

const VIEWS = 3_000

let world: InsideWorld
let server: ControlServer

beforeAll(async () => {
  world = await InsideWorld.open()
  server = await world.serve()
}, 60_000)

afterAll(async () => {
  await server.close()
  await world.close()
})

test('events of the past are joined with their views', { timeout: 60_000 }, async () => {
  const { pipeline } = world.config
  // Its sources are idle by then.
  await sleep(pipeline.time.idleAfterMs + 500)
  const wishes = {
    views: VIEWS,
    users: 100,
    seed: 3,
    spanMs: 20 * 60_000,
    engagementRate: 0.5,
    duplicates: 0,
    repeats: 0,
  }
  const plan = planGeneration(pipeline, wishes, Date.now())
  const target = new ServerTarget(server.url, pipeline, 3, world.config.node.embedded.partitions, sleep)
  let positives = 0
  await runGeneration(plan, target, {
    close: true,
    nowMs: () => performance.now(),
    sleep,
    onAnswer: ({ isClosing, labels }) => {
      if (!isClosing) for (const value of labels.values()) if (value !== null && Number(value) !== 0) positives++
      return undefined
    },
    onProgress: () => {},
  })
  await target.close()
  await world.reached('samples', VIEWS)
  expect(positives).toBeGreaterThan(VIEWS / 10)
  expect(world.count('bound')).toBeGreaterThanOrEqual(positives)
  expect(world.count('late')).toBe(0)
})
