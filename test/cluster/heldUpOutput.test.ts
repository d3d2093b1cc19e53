/** The leader of one output partition is away: the others are committed meanwhile, and that one once it is back. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Node } from '../../src/cluster/node.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { proxied } from '../support/proxied.ts'
import { until } from '../support/until.ts'

const HELD_UP = 2
const OTHERS = [0, 1, 3]

let world: InsideWorld
let node: Node
/** The leader is back. */
let back: () => void

beforeEach(async () => {
  world = await InsideWorld.open()
  const { config, readers, log: real } = world
  const away = new Promise<void>((resolve) => {
    back = resolve
  })
  const log = proxied(real, {
    writer: async () => {
      const writer = await real.writer()
      return proxied(writer, {
        append: async (topic, partition, batch) => {
          if (partition === HELD_UP) await away
          return writer.append(topic, partition, batch)
        },
      })
    },
  })
  const logger = { info() {}, warn() {}, error() {} }
  node = new Node({ config, id: 'node-1', log, readers, logger, journal: openMemoryJournal() })
  world.node = node
  await Promise.race([node.start(), node.failed])
  await until('four live partitions', () => node.partitions.filter(({ isLive }) => isLive).length === 4)
})
afterEach(async () => {
  back()
  await world.close()
})

/** Of the views. */
async function endOf(partition: number): Promise<number> {
  const ends = await world.log.ends(world.topics.slice(0, 1))
  return ends.find((end) => end.partition === partition)!.high
}

/** Whether all views of the partition lie below its commit. */
async function isCommitted(partition: number): Promise<boolean> {
  const committed = await world.log.committed(world.config.node.group, world.topics.slice(0, 1))
  return committed.find((one) => one.partition === partition)!.offset === (await endOf(partition))
}

async function isJoined(partition: number): Promise<boolean> {
  return node.partitions.find(({ index }) => index === partition)!.position[0] === (await endOf(partition))
}

async function reachedBy(partitions: readonly number[]): Promise<void> {
  for (const partition of partitions)
    await Promise.race([until(`a commit of ${partition}`, () => isCommitted(partition)), node.failed])
}

test('holds up nobody else’s commit', async () => {
  await world.generate({ views: 400 })
  await reachedBy(OTHERS)
  expect(await isCommitted(HELD_UP)).toBe(false)
  back()
  await reachedBy([HELD_UP])
  await node.stop()
})

test('holds up no stop: the others are committed, and that one is given up as it was', async () => {
  await world.generate({ views: 400 })
  await reachedBy(OTHERS)
  await node.stop()
  expect(await isCommitted(HELD_UP)).toBe(false)
})

test('a stop right after it is back commits what was joined meanwhile, too', async () => {
  await world.generate({ views: 400 }, false)
  await reachedBy(OTHERS)
  await world.generate({ views: 200, seed: 5 }, false)
  await until('all that is there joined', () => isJoined(HELD_UP))
  back()
  await node.stop()
  expect(await isCommitted(HELD_UP)).toBe(true)
})
