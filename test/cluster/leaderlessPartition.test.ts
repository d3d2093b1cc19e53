/** One partition of a source has no leader, at the start and on: the others are joined, that one when it has one again. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Node } from '../../src/cluster/node.ts'
import { setUp } from '../../src/cluster/setup.ts'
import { LEDGER_FIELDS } from '../../src/join/ledger.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { leaderlessLog } from '../support/leaderlessLog.ts'
import { until } from '../support/until.ts'

const AWAY = 1
const OTHERS = [0, 2, 3]
const logger = { info() {}, warn() {}, error() {} }

let world: InsideWorld
beforeEach(async () => {
  world = await InsideWorld.open()
})
afterEach(() => world.close())

const indexes = () => world.node.partitions.map(({ index }) => index).sort()

function samplesOf(index: number): number {
  const { state } = world.node.partitions.find((one) => one.index === index)!
  return state.ledger[LEDGER_FIELDS.indexOf('samples')]
}

test('holds up no other, and is built when it has one', async () => {
  const { config, readers, topics } = world
  let isAway = true
  const log = leaderlessLog(world.log, (at) => isAway && at.topic === topics[0] && at.partition === AWAY)
  const answers = await world.generate({ views: 400 })
  await setUp({ log, config, readers, logger })
  const node = new Node({ config, id: 'node-1', log, readers, logger, journal: openMemoryJournal() })
  world.node = node
  await Promise.race([node.start(), node.failed])
  await Promise.race([until('samples of others', () => OTHERS.every((index) => samplesOf(index) > 0)), node.failed])
  expect(indexes()).toEqual(OTHERS)
  isAway = false
  await until('the partition', () => indexes().length === 4)
  await world.reached('samples', answers.size)
})
