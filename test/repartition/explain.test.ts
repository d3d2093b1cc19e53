/**
 * Explaining samples of a repartitioned pipeline: from the consolidated topic and its told clocks, by a node that runs and
 * from the log alone, equal to what was emitted; also where its sources lie in it far apart in time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rulesOf } from '../../src/cluster/rules.ts'
import { committedAsOf } from '../../src/explain/asOf.ts'
import { EventLog } from '../../src/explain/eventLog.ts'
import type { Explainer } from '../../src/explain/explain.ts'
import { openExplainer } from '../../src/explain/open.ts'
import type { Explanation } from '../../src/inspect/explanation.ts'
import { type ControlServer, startControlServer } from '../../src/inspect/server.ts'
import type { DeadLetterRow, GivenUp, NewestAnswer } from '../../src/inspect/sideOutputs.ts'
import { REFUSED } from '../../src/join/event.ts'
import { toldClocksOf } from '../../src/repartition/clocks.ts'
import { joinReaders } from '../../src/repartition/open.ts'
import { renderExplanation } from '../../src/show/explanation.ts'
import { PARTITIONS, RepartitionWorld, type SentEvent, type SentPlace, T } from './world.ts'

const VIEWS = 9_000
const EVERY_MS = 400
const END_MS = VIEWS * EVERY_MS + 60_000
/** Clocks are told at the latest when all of a round is written on. */
const ROUND = VIEWS / 10
const USERS = 40
const ITEMS = 30
/** Later than its window is long: outside. */
const OUTSIDE_AFTER_MS = 11_000
const SILENT = { warn() {}, error() {} }

/** Every third view has a click in time, every seventh one too late. */
const hasClick = (k: number): boolean => k % 3 === 0
const hasLateClick = (k: number): boolean => k % 7 === 0
const viewOf = (k: number): SentEvent => ({
  source: 'views',
  v: `v${k}`,
  u: `user ${k % USERS}`,
  i: `item ${k % ITEMS}`,
  t: T + k * EVERY_MS,
})
const clickOf = (k: number, afterMs: number): SentEvent => ({
  ...viewOf(k),
  source: 'clicks',
  t: T + k * EVERY_MS + afterMs,
})

let world: RepartitionWorld
let server: ControlServer
let explainer: Explainer
let viewPlaces: SentPlace[]
const clickPlaces = new Map<string, SentPlace>()

beforeAll(async () => {
  world = await RepartitionWorld.open()
  await world.start()
  server = await startControlServer({
    node: world.node,
    inside: { node: world.node },
    readers: world.sources,
    // Any free port: a developer may have a node running.
    control: { ...world.config.node.control, port: 0 },
    dataDir: world.config.node.dataDir,
    version: '1',
    logger: SILENT,
  })
  const all = Array.from({ length: VIEWS }, (_, k) => k)
  // Clocks of all source partitions begin; then the views of an hour come before any click of it.
  await world.close(-60_000)
  await world.reached('records', 2 * PARTITIONS)
  viewPlaces = []
  for (let from = 0; from < VIEWS; from += ROUND) {
    viewPlaces.push(...(await world.send(all.slice(from, from + ROUND).map(viewOf))))
    await world.reached('records', 2 * PARTITIONS + from + ROUND)
  }
  // That of the clicks too, before they are ahead.
  await world.toldAgain()
  const clicks = all
    .flatMap((k) => [
      ...(hasClick(k) ? [clickOf(k, 2_000)] : []),
      ...(hasLateClick(k) ? [clickOf(k, OUTSIDE_AFTER_MS)] : []),
    ])
    .sort((a, b) => a.t - b.t)
  const places = await world.send(clicks)
  for (const [n, { v, t }] of clicks.entries()) clickPlaces.set(`${v} ${t}`, places[n])
  await world.close(END_MS)
  await world.reached('samples', PARTITIONS + VIEWS)
  const { log, config, sources } = world
  const asOf = (partition: number) => committedAsOf(log, config.node.group, ['all'], partition)
  explainer = await openExplainer({ config, log, sources, asOf, nowMs: () => performance.now() })
  for (let partition = 0; partition < PARTITIONS; partition++) {
    while (((await asOf(partition))?.watermarkMs ?? 0) < T + END_MS - 1_000) await sleep(20)
  }
}, 120_000)
afterAll(async () => {
  await server?.close()
  await world?.stop()
  await world?.remove()
})

const placeOfClick = (k: number, afterMs: number): SentPlace => clickPlaces.get(`v${k} ${T + k * EVERY_MS + afterMs}`)!

function check(told: Explanation, k: number): void {
  expect(told).toMatchObject({ sampleId: `v${k}`, status: 'sealed', emission: { agrees: true, node: 'node-1' } })
  expect(told.labels).toMatchObject([
    { name: 'click', value: hasClick(k) ? 1 : 0, delayMs: hasClick(k) ? 2_000 : null },
  ])
  expect(told.view).toMatchObject({ topic: 'all', userId: `user ${k % USERS}`, source: viewPlaces[k], lateView: false })
  const mine = told.engagements.filter(({ viewId }) => viewId === `v${k}`)
  const expected = [
    ...(hasClick(k) ? [['counted', placeOfClick(k, 2_000)]] : []),
    ...(hasLateClick(k) ? [['outside', placeOfClick(k, OUTSIDE_AFTER_MS)]] : []),
  ]
  expect(mine.map(({ outcome, source }) => [outcome, source])).toEqual(expected)
  expect(told.seal).toMatchObject({ by: 'clock', record: { topic: 'all', timeMs: told.seal!.watermarkMs } })
  expect(told.seal!.watermarkMs).toBeGreaterThan(told.view!.deadlineMs)
}

describe('a sample of a repartitioned pipeline', () => {
  test('is explained from the log as it was emitted, with the places of its sources', { timeout: 60_000 }, async () => {
    for (const k of [0, 21, 1_000, 4_200, 4_201, 8_610, VIEWS - 1]) {
      const told = await explainer.explain({ sampleId: `v${k}`, user: `user ${k % USERS}`, atMs: T + k * EVERY_MS })
      check(told, k)
      expect(told.search.by).toBe('userAndTime')
      expect(told.notes).toEqual([])
    }
  })

  test('is found by its id alone', async () => {
    const told = await explainer.explain({ sampleId: 'v8988' })
    check(told, 8_988)
    expect(told.search.by).toBe('scan')
  })

  test('is read from where all of its sources were before it: below lies nothing later, and what it needs is above', async () => {
    const { log, config, sources } = world
    const rules = rulesOf(config)
    const makeClocks = await toldClocksOf(log, config.pipeline, rules)
    const [reader] = joinReaders(config.pipeline, sources)
    for (const { partition, low, high } of await log.ends(['all'])) {
      const events = new EventLog({ log, topic: 'all', partition, reader, basis: 'event', makeClocks })
      const atMs = T + 0.8 * VIEWS * EVERY_MS
      const from = await events.offsetBefore(atMs, rules.outOfOrdernessMs, low, high)
      expect(from).toBeGreaterThan(low)
      for await (const batch of events.read(low, from)) {
        for (let i = 0; i < batch.count; i++)
          if (batch.kind[i] < REFUSED) expect(batch.timeMs[i]).toBeLessThanOrEqual(atMs)
      }
    }
  })

  test('is explained by a node, and read by people with where things were produced', async () => {
    const told = (await (
      await fetch(`${server.url}/explain/v4200?user=user%200&at=${T + 4_200 * EVERY_MS}`)
    ).json()) as Explanation
    check(told, 4_200)
    const text = renderExplanation(told, { colour: false, width: 200 } as never)
    const { topic, partition, offset } = viewPlaces[4_200]
    expect(text).toContain(`produced to ${topic}/${partition}/${offset}`)
    const click = placeOfClick(4_200, 2_000)
    expect(text).toContain(`[clicks/${click.partition}/${click.offset}]`)
    expect(text).toContain('tells how far the sources were read')
  })

  test('is pending while no clock has passed it', async () => {
    const told = await explainer.explain({ sampleId: `closing views 1 ${END_MS}`, user: 'closing', atMs: T + END_MS })
    expect(told).toMatchObject({ status: 'pending', seal: null, emission: null })
  })
})

describe('what became no sample', () => {
  test('is told with where it was produced', async () => {
    const { records } = (await (await fetch(`${server.url}/late`)).json()) as NewestAnswer<GivenUp>
    const [newest] = records
    const place = clickPlaces.get(`${newest.event.v} ${newest.event.t}`)
    expect(newest).toMatchObject({ topic: 'all', reason: 'outside', source: place })
    expect(Object.keys(newest.event).sort()).toEqual(['i', 't', 'u', 'v'])
    const [bad] = await world.send([{ source: 'clicks', i: 'item 1', t: T }])
    await world.reached('refused', 1)
    await world.node.partitions.reduce((all, one) => all.then(() => one.flushed()), Promise.resolve())
    const dead = (await (await fetch(`${server.url}/dead`)).json()) as NewestAnswer<DeadLetterRow>
    expect(dead.records).toMatchObject([{ topic: 'all', source: bad }])
  })
})
