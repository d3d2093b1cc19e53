/** The clocks that are told are those that the repartitioner has: what it no longer knows, it takes back. */
import { expect, test } from 'vitest'
import { Clocks } from '../../src/join/clocks.ts'
import { ToldClocks } from '../../src/join/toldClocks.ts'
import { Lanes } from '../../src/repartition/lanes.ts'
import { decodeClocks } from '../../src/repartition/origin.ts'
import { Router } from '../../src/repartition/router.ts'
import type { BatchedTopic } from '../../src/sinks/batches.ts'
import { rulesOf } from '../support/pureJoin.ts'

const START_MS = 1_000_000
const STEP_MS = 1_000
const RULES = rulesOf({
  partitions: 1,
  sources: ['views', 'clicks'],
  basis: 'event',
  outOfOrdernessMs: 1_000,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 0,
  maxClockSkewMs: null,
  labels: [{ name: 'click', on: 'click', withinMs: 1, fold: 'any', default: 0 }],
})

/** Two source partitions of one owner, and a joiner that is told their clocks. */
function world() {
  const lanes = new Lanes(['views', 'clicks'].map((topic) => ({ topic, partitions: 1 }))).all
  for (const lane of lanes) lane.isOwned = true
  const clocks = new Clocks(RULES, lanes.length)
  const joiner = new ToldClocks(
    RULES,
    lanes.map(({ name }) => name),
  )
  const out = { add: tell, push() {} } as unknown as BatchedTopic
  const router = new Router({ sources: [], readers: [], out, partitions: 1, maxClockSkewMs: 1e9, byArrival: false })
  function tell(...[, , , , , value]: Parameters<BatchedTopic['add']>): void {
    joiner.tell(decodeClocks(value as Buffer)!)
  }
  return { lanes, clocks, joiner, router }
}

test('a source partition that was left out, and has its first records unread, holds the watermark', () => {
  const { lanes, clocks, joiner, router } = world()
  clocks.record(0, START_MS)
  clocks.heard(0, 0)
  for (const lane of [0, 1]) clocks.atEnd(lane, 100)
  router.tell(lanes, clocks, 0, 100)
  expect(joiner.watermarkMs).toBe(START_MS - RULES.outOfOrdernessMs)

  // Its first records lie there; the other goes on in silence.
  for (let nowMs = STEP_MS; nowMs <= 20 * STEP_MS; nowMs += STEP_MS) {
    clocks.atEnd(0, nowMs)
    clocks.behind(1)
    router.tell(lanes, clocks, 0, nowMs)
  }
  expect(clocks.silenceMs[0]).toBe(20 * STEP_MS)
  expect(joiner.watermarkMs).toBe(START_MS - RULES.outOfOrdernessMs)
  expect(joiner.slowest()).toEqual([['clicks 0', Number.NEGATIVE_INFINITY]])

  clocks.record(1, START_MS + 5 * STEP_MS)
  router.tell(lanes, clocks, 0, 20 * STEP_MS)
  expect(joiner.watermarkMs).toBe(START_MS + 5 * STEP_MS - RULES.outOfOrdernessMs)
})

test('who takes over a source partition takes back what the owner before told of it', () => {
  const { lanes, clocks, joiner, router } = world()
  joiner.tell([
    { name: 'clicks 0', clockMs: Number.POSITIVE_INFINITY },
    { name: 'views 0', clockMs: START_MS },
  ])
  clocks.record(0, START_MS + 10 * STEP_MS)
  router.tell(lanes, clocks, 0, 0)
  expect(joiner.watermarkMs).toBe(START_MS)
})

test('of what others own nothing is told', () => {
  const { lanes, clocks, joiner, router } = world()
  lanes[1].isOwned = false
  joiner.tell([{ name: 'clicks 0', clockMs: START_MS + STEP_MS }])
  clocks.record(0, START_MS + 10 * STEP_MS)
  router.tell(lanes, clocks, 0, 0)
  expect(joiner.watermarkMs).toBe(START_MS + STEP_MS)
})
