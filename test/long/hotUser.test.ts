/**
 * A hot user: half of all events are one id's. The others' samples are not delayed more than twice, what exceeds the
 * user's share of memory is left to the journal and comes back, and every label is the known one: nothing is sealed early
 * or refused.
 *
 * Delays are measured against the log's own stamps, without and with the hot user in turn, at a rate far below what a
 * node can do, so that what is compared is the join and not a queue; of each the better of two rounds, since what else
 * the machine does only adds to them.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Latency, measureLatency } from '../../bench/live.mjs'
import { type BenchWorld, openBenchWorld } from '../support/benchWorld.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'

const EVENTS_PER_S = 8_000
const SECONDS = 20
const ROUNDS = 2
/** A partition's share is a quarter; a user's is an eighth of that. */
const MEMORY = { state: '16MiB' }
/**
 * Events are appended in bursts of so long (bench/live.mjs), so that a delay below it is the place within a burst: the
 * hot user, of whom half of a burst is, halves the others' and moves their medians (8 and 12 ms where nothing waits).
 * Above it the plain ratio counts. No order of records would say it instead: samples and what moves the watermark lie in
 * topics of their own, which only stamps compare.
 */
const FLOOR_MS = 20

let broker: SharedBroker
let world: BenchWorld
beforeAll(async () => {
  broker = await sharedBroker()
  world = await openBenchWorld(broker.brokers)
})
afterAll(async () => {
  await world?.close()
  await broker?.stop()
})

test('half of all events to one user: nobody else waits twice as long, nothing is lost or sealed early', async () => {
  const plain: Latency[] = []
  const hot: Latency[] = []
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await measureLatency(world, uniqueName('plain'), EVENTS_PER_S, SECONDS, { memory: MEMORY }))
    hot.push(await measureLatency(world, uniqueName('hot'), EVENTS_PER_S, SECONDS, { memory: MEMORY, hotShare: 0.5 }))
  }
  console.log(JSON.stringify({ plain: plain.map(summary), hot: hot.map(summary) }))
  for (const { check, views } of [...plain, ...hot]) expect(check).toMatchObject({ samples: views, isRight: true })
  for (const { viewsSpilled, viewsRestored } of hot.map(summary)) {
    expect(viewsSpilled).toBeGreaterThan(0)
    expect(viewsRestored).toBe(viewsSpilled)
  }
  for (const share of ['p50Ms', 'p99Ms'] as const) {
    const [without, withHot] = [plain, hot].map((rounds) => Math.min(...rounds.map(({ moving }) => moving[share])))
    expect(withHot).toBeLessThanOrEqual(2 * Math.max(FLOOR_MS, without))
  }
})

function summary({ views, moving, idle, status }: Latency) {
  const { partitions } = status
  const sum = (name: 'viewsSpilled' | 'viewsRestored') => partitions.reduce((n, { journal }) => n + journal[name], 0)
  return { views, moving, idle, viewsSpilled: sum('viewsSpilled'), viewsRestored: sum('viewsRestored') }
}
