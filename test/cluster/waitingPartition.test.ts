/** A partition that waits for what its records were written by holds up no other: neither commits nor clocks, nor a stop. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LEDGER_FIELDS } from '../../src/join/ledger.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { until } from '../support/until.ts'

const WAITING = 1
const OTHERS = [0, 2, 3]

let world: InsideWorld
let found = (): void => {}

beforeEach(async () => {
  world = await InsideWorld.open()
  // As a registry that does not answer, for one partition's views.
  const [reader] = world.readers
  const prepare = reader.prepare.bind(reader)
  let missing: Promise<void> | undefined = new Promise((resolve) => {
    found = () => {
      missing = undefined
      resolve()
    }
  })
  reader.prepare = (chunk) => (chunk.partition === WAITING && missing !== undefined ? missing : prepare(chunk))
})
afterEach(async () => {
  found()
  await world.close()
})

function samplesOf(index: number): number {
  const { state } = world.node.partitions.find((one) => one.index === index)!
  return state.ledger[LEDGER_FIELDS.indexOf('samples')]
}

async function committedViews(): Promise<ReadonlyMap<number, number>> {
  const [topic] = world.topics
  const committed = await world.log.committed(world.config.node.group, [topic])
  return new Map(committed.map(({ partition, offset }) => [partition, offset]))
}

test('others are joined and committed, and it goes on where it was', async () => {
  const answers = await world.generate({ views: 400 })
  await world.start()
  await until('samples of others', () => OTHERS.every((index) => samplesOf(index) > 0))
  await until('their commits', async () => {
    const committed = await committedViews()
    return OTHERS.every((index) => (committed.get(index) ?? 0) > 0)
  })
  expect(samplesOf(WAITING)).toBe(0)
  expect((await committedViews()).get(WAITING)).toBe(0)
  found()
  await world.reached('samples', answers.size)
})

test('a stop does not wait for it, and commits what others have', async () => {
  await world.generate({ views: 400 })
  await world.start()
  await until('samples of others', () => OTHERS.every((index) => samplesOf(index) > 0))
  await world.node.stop()
  const committed = await committedViews()
  for (const index of OTHERS) expect(committed.get(index)).toBeGreaterThan(0)
  expect(committed.get(WAITING)).toBe(0)
})
