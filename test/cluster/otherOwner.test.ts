/**
 * A partition that comes back to a node whose journal goes further than what it committed: another node joined those
 * records in between, and found otherwise what hangs on the moment of reading. What that one committed holds. And a
 * decision that was written down by one who had lost the partition, when its successor had read back what there was.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deadHeaders } from '../../src/actors/deadLetter.ts'
import { Node } from '../../src/cluster/node.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import { type Log, LogError } from '../../src/log/port.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import type { Event } from '../support/pageWorld.ts'
import { proxied } from '../support/proxied.ts'
import { until } from '../support/until.ts'

const START_MS = 1_700_000_000_000
const [VIEWS, ENGAGEMENTS] = [0, 1]
const LABELS = { click: { on: 'click', within: '10s' } }
const TIME = { outOfOrderness: '200ms', allowedLateness: '100ms', idleAfter: '300ms' }

let world: InsideWorld
beforeAll(async () => {
  const node = { embedded: { partitions: 1 }, commitEvery: '1h' }
  world = await InsideWorld.open({ pipeline: { name: 'other', node, time: TIME, pipeline: { labels: LABELS } } })
})
afterAll(() => world.close())

/** A log that takes nobody's commits any more once `isCut` says so. */
function cutOff(isCut: () => boolean): Log {
  return proxied(world.log, {
    reader: (options) => {
      const reader = world.log.reader(options)
      return proxied(reader, {
        commit: async (entries) => {
          if (isCut()) throw new LogError('NOT_OWNER', 'the session is over')
          await reader.commit(entries)
        },
      })
    },
  })
}

async function start(log: Log, journal: JournalStore): Promise<Node> {
  const { config, readers } = world
  world.node = new Node({ config, id: 'node-1', log, readers, logger: { info() {}, warn() {}, error() {} }, journal })
  await Promise.race([world.node.start(), world.node.failed])
  await until('a live partition', () => world.node.partitions.some(({ isLive }) => isLive))
  return world.node
}

function event(id: string, user: string, atMs: number, type?: string): Event {
  return { view_id: id, user_id: user, item_id: 'i', event_time: START_MS + atMs, type }
}

/** By sample id: whether its view came late. */
async function lateViews(): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>()
  const [{ topic, partition, low, high }] = await world.log.ends(['other-samples'])
  for await (const chunk of world.log.readRange(topic, partition, low, high)) {
    for (let i = 0; i < chunk.count; i++) {
      const text = chunk.bytes.toString('utf8', chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
      const { sample_id, late_view } = JSON.parse(text) as { sample_id: string; late_view: boolean }
      found.set(sample_id, late_view)
    }
  }
  return found
}

test('what another owner took in time is not late again by the journal of one who never committed it', async () => {
  const journal = openMemoryJournal()
  let isCut = false
  const cut = cutOff(() => isCut)
  const first = await start(cut, journal)
  await world.append(ENGAGEMENTS, event('e', 'other', 5_000, 'click'))
  const { clocks } = first.partitions[0].state
  await until('a watermark by the engagements alone', () => clocks.watermarkMs > START_MS + 2_000)
  await world.append(VIEWS, event('v', 'u', 0))
  await world.reached('lateViews', 1)
  isCut = true
  await first.stop()

  // The views are read first here, while the engagements are unread and hold the watermark back.
  const second = await start(world.log, openMemoryJournal())
  await world.reached('pending', 1)
  await world.reached('engagements', 1)
  expect(world.count('lateViews')).toBe(0)
  await second.stop()

  const third = await start(world.log, journal)
  expect(third.partitions[0].recovered.refused).toBeUndefined()
  expect(world.count('lateViews')).toBe(0)
  await world.append(VIEWS, event('end', 'other', 60_000))
  await world.append(ENGAGEMENTS, event('end', 'other', 60_000, 'click'))
  await world.reached('samples', 1)
  await third.stop()
  expect(await lateViews()).toEqual(new Map([['v', false]]))
})

/** As one does who has not heard yet that the partition is another's. */
async function takenOut(offset: number): Promise<void> {
  const letter = { source: VIEWS, offset, reason: 'aheadOfClock', decided: true, key: null, value: null }
  const builder = new RecordBatchBuilder({ compression: 'none' })
  builder.add(
    START_MS,
    null,
    0,
    -1,
    null,
    0,
    -1,
    deadHeaders(world.config.pipeline.sources[VIEWS].topic, 0, 'zombie', letter),
  )
  const writer = await world.log.writer()
  await writer.append(world.config.pipeline.sideOutputs.deadLetters, 0, builder.finish())
  await writer.close()
}

test('what an owner took out of the join that never committed is joined where its successor had joined it', async () => {
  const [{ high }] = await world.log.ends([world.config.pipeline.sources[VIEWS].topic])
  const first = await start(world.log, openMemoryJournal())
  await world.append(VIEWS, event('joined', 'u', 70_000))
  // And the one that closed the test before.
  await world.reached('pending', 2)
  await first.stop()
  await takenOut(high)

  const second = await start(world.log, openMemoryJournal())
  await world.append(VIEWS, event('end of it', 'other', 160_000))
  await world.append(ENGAGEMENTS, event('end of it', 'other', 160_000, 'click'))
  await world.reached('samples', 3)
  await second.stop()
  expect([...(await lateViews()).keys()]).toContain('joined')
})
