/** The leader of one output partition is away: the others are committed meanwhile, and that one once it is back. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Node } from '../../src/cluster/node.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { proxied } from '../support/proxied.ts'
import { until } from '../support/until.ts'

const HELD_UP = 2
const VIEWS = 400

let world: InsideWorld
beforeAll(async () => {
  world = await InsideWorld.open()
})
afterAll(() => world.close())

/** By partition: how many views lie below the commit. */
async function committedViews(): Promise<Map<number, number>> {
  const committed = await world.log.committed(world.config.node.group, world.topics.slice(0, 1))
  return new Map(committed.map(({ partition, offset }) => [partition, offset]))
}

test('a partition whose output is held up holds up nobody else’s commit', async () => {
  const { config, readers, log: real } = world
  let back: () => void = () => {}
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
  world.node = new Node({ config, id: 'node-1', log, readers, logger, journal: openMemoryJournal() })
  await Promise.race([world.node.start(), world.node.failed])
  await until('four live partitions', () => world.node.partitions.filter(({ isLive }) => isLive).length === 4)
  await world.generate({ views: VIEWS })
  const ends = await real.ends(world.topics.slice(0, 1))
  const isWhole = async (partition: number): Promise<boolean> =>
    (await committedViews()).get(partition) === ends.find((end) => end.partition === partition)!.high
  for (const partition of [0, 1, 3])
    await Promise.race([until(`a commit of ${partition}`, () => isWhole(partition)), world.node.failed])
  expect(await isWhole(HELD_UP)).toBe(false)
  back()
  await Promise.race([until('a commit of the last', () => isWhole(HELD_UP)), world.node.failed])
  await world.node.stop()
})
