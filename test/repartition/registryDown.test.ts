/** A registry that does not answer for a while holds up those whose records need it, and ends nothing. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SourceReader } from '../../src/codec/port.ts'
import type { ReaderEvents } from '../../src/log/port.ts'
import { proxied } from '../support/proxied.ts'
import { until } from '../support/until.ts'
import { PARTITIONS, RepartitionWorld, T } from './world.ts'

const NUMBERS = Array.from({ length: PARTITIONS }, (_, number) => number)
const VIEW = { source: 'views', v: 'v1', u: 'u1', i: 'i1', t: T + 1_000 } as const
const CLICK = { source: 'clicks', v: 'v1', u: 'u1', i: 'i1', t: T + 2_000 } as const

let world: RepartitionWorld
beforeEach(async () => {
  world = await RepartitionWorld.open()
})
afterEach(() => world.remove())

/** What the repartitioner asks of the views' reader: its chunks are of the source's own topic. */
function preparing(own: () => Promise<void> | undefined): void {
  const reader = world.sources[0] as { -readonly [K in keyof SourceReader]: SourceReader[K] }
  const prepare = reader.prepare.bind(reader)
  reader.prepare = (chunk) => (chunk.topic === 'views' ? own() : undefined) ?? prepare(chunk)
}

/** A registry that does not answer until it is told to. */
function silent(): { answer(): void; asked(): boolean } {
  let answer = (): void => {}
  let isAsked = false
  let missing: Promise<void> | undefined = new Promise((resolve) => {
    answer = () => {
      missing = undefined
      resolve()
    }
  })
  preparing(() => {
    isAsked = true
    return missing
  })
  return { answer, asked: () => isAsked }
}

/** What the group tells the repartitioner, to be told by the test. */
async function startHearing(): Promise<ReaderEvents> {
  let events: ReaderEvents | undefined
  const log = proxied(world.log, {
    reader: (options) => {
      events = options
      return world.log.reader(options)
    },
  })
  await world.start(undefined, log)
  return events!
}

const lanes = () => world.repartitioner.view.lanes

test('a chunk whose schema cannot be asked for is tried again, and nothing is lost', { timeout: 30_000 }, async () => {
  let refused = 0
  preparing(() => (refused < 3 ? Promise.reject(new Error(`registry: no answer (${++refused})`)) : undefined))
  await world.send([VIEW])
  await world.start()
  await world.reached('views', 1)
  expect(refused).toBe(3)
  await world.stop()
})

test('other source partitions go on meanwhile, and a stop does not wait', { timeout: 30_000 }, async () => {
  const { asked } = silent()
  await world.send([VIEW])
  await world.start()
  await until('the view to be waited for', asked)
  const taken = () => lanes().filter(({ position }) => position > 0)
  await world.send([CLICK])
  await until('the click to be written', () => taken().length > 0)
  expect(taken().map(({ topic }) => topic)).toEqual(['clicks'])
  await world.stop()
})

test('nor does a rebalance, and what stays goes on where it was', { timeout: 30_000 }, async () => {
  const { answer, asked } = silent()
  const events = await startHearing()
  const [place] = await world.send([VIEW])
  await until('the view to be waited for', asked)
  await events.onRevoking(NUMBERS)
  const starts = await events.onAssigned(NUMBERS)
  // It waits in hand: it is not to be fetched again.
  expect(starts).toContainEqual({ topic: 'views', partition: place.partition, offset: 1 })
  answer()
  await world.reached('views', 1)
  await world.stop()
})

test('what was waited for and has gone to another is forgotten, also where it comes back', {
  timeout: 30_000,
}, async () => {
  const { answer, asked } = silent()
  const events = await startHearing()
  const [place] = await world.send([VIEW])
  await until('the view to be waited for', asked)
  await events.onRevoking(NUMBERS)
  await events.onAssigned(NUMBERS.filter((number) => number !== place.partition))
  expect(lanes().some(({ partition }) => partition === place.partition)).toBe(false)
  await events.onRevoking(NUMBERS)
  const starts = await events.onAssigned(NUMBERS)
  expect(starts).toContainEqual({ topic: 'views', partition: place.partition, offset: 0 })
  // As the reader would: it is fetched again from there.
  for await (const chunk of world.log.readRange('views', place.partition, 0, 1)) events.onChunk(chunk)
  answer()
  await world.reached('views', 1)
  expect(world.repartitioner.records).toBe(1)
  await world.stop()
})
