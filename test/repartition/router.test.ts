/**
 * The clocks that are told are those that the repartitioner has: what it no longer knows, it takes back. What the topic
 * cannot hold moves none.
 */
import { expect, test } from 'vitest'
import { openSourceReader } from '../../src/codec/source.ts'
import type { Source } from '../../src/config/model.ts'
import { Clocks } from '../../src/join/clocks.ts'
import { ToldClocks } from '../../src/join/toldClocks.ts'
import { RecordBatchBuilder, type RecordHeader } from '../../src/log/recordBatch/builder.ts'
import { readRecordBatches } from '../../src/log/recordBatch/reader.ts'
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

test('an event that the topic cannot hold goes on cut, with the reason, and moves no clock', async () => {
  const source: Source = {
    role: 'views',
    topic: 'views',
    format: { type: 'json' },
    fields: { viewId: ['v'], userId: ['u'], itemId: ['i'], time: { path: ['t'] } },
  }
  const limits = { inflatedBytes: 1 << 20, recordBytes: 1 << 20, items: 1000, depth: 16, stringBytes: 1 << 16 }
  const builder = new RecordBatchBuilder({ compression: 'none' })
  const eventOf = (t: number, pad: string) => Buffer.from(JSON.stringify({ u: 'ann', v: `v${t}`, i: 'i', t, pad }))
  const events = [eventOf(START_MS, ''), eventOf(2 * START_MS, 'x'.repeat(900)), Buffer.from('[]')]
  for (const value of events) builder.add(0, null, 0, -1, value, 0, value.length)
  const place = { topic: 'views', partition: 0, fromOffset: 0, highWatermark: 3, maxInflatedBytes: 1 << 20 }
  const chunk = readRecordBatches(builder.finish().bytes, place)

  const added: { key: string | null; value: Buffer; headers: string[][] }[] = []
  const out = {
    roomBytes: 500,
    refusal: (...[, , keyLength, , , length]: Parameters<BatchedTopic['refusal']>) =>
      keyLength + length > 500 ? 'too large' : undefined,
    add(...[, , key, at, length, value, valueAt, valueLength, headers]: Parameters<BatchedTopic['add']>) {
      added.push({
        key: length < 0 ? null : Buffer.from(key!.subarray(at, at + length)).toString(),
        value: Buffer.from(value!.subarray(valueAt, valueAt + valueLength)),
        headers: headers!.map(([name, bytes]: RecordHeader) => [name, String(bytes)]),
      })
    },
  } as unknown as BatchedTopic
  const readers = [await openSourceReader(source, limits)]
  const router = new Router({ sources: [source], readers, out, partitions: 1, maxClockSkewMs: 1e9, byArrival: false })
  const { lanes, clocks } = world()
  expect(router.route(lanes[0], 0, chunk, clocks, START_MS)).toBe(3)
  expect(clocks.highestMs[0]).toBe(START_MS)
  expect(added[0]).toEqual({ key: 'ann', value: events[0], headers: [['origin', 'views 0 0 json']] })
  expect(added[1].key).toBe('ann')
  expect(added[1].value.length).toBeLessThan(500)
  expect(events[1].subarray(0, added[1].value.length).equals(added[1].value)).toBe(true)
  expect(added[1].headers).toEqual([
    ['refused', 'too large'],
    ['origin', 'views 0 1 json'],
    ['value_bytes', String(events[1].length)],
  ])
  // What cannot be read here is refused once and for all: whoever joins may know a schema that was not there yet.
  expect(added[2]).toMatchObject({ key: null, value: events[2] })
  expect(added[2].headers).toEqual([
    ['refused', expect.stringContaining('object')],
    ['origin', 'views 0 2 json'],
  ])
})
