/**
 * A node that is given partitions in bad times: one cannot go on, and the others do; the log does not answer for a while,
 * and is waited for.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AcceptedLoss } from '../../src/actors/loss.ts'
import type { Partition } from '../../src/actors/partition.ts'
import { Node } from '../../src/cluster/node.ts'
import * as B from '../../src/join/blocks.ts'
import * as L from '../../src/join/layout.ts'
import { PENDING } from '../../src/join/ledger.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import { type Log, LogError } from '../../src/log/port.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { proxied } from '../support/proxied.ts'
import { until } from '../support/until.ts'

const OTHERS = [1, 2, 3]

let world: InsideWorld
/** Warnings of the second node. */
let warnings: string[]
let node: Node | undefined

beforeEach(async () => {
  warnings = []
  node = undefined
  world = await InsideWorld.open()
  await world.generate({ views: 400 }, false)
  await world.start()
  await world.reached('views', 400)
  await world.node.stop()
})
afterEach(() => world.close())

/** As if retention had passed the views of partition 0 up to there. */
function trimmed(to: number): Log {
  const [views] = world.topics
  return proxied(world.log, {
    ends: async (topics) => {
      const ends = await world.log.ends(topics)
      const isIt = ({ topic, partition }: { topic: string; partition: number }) => topic === views && partition === 0
      return ends.map((end) => (isIt(end) ? { ...end, low: Math.min(to, end.high) } : end))
    },
  })
}

/** The node's next life, without the journal of the one before. */
async function startWith(log: Log, journal: JournalStore, acceptLoss?: readonly AcceptedLoss[]): Promise<Node> {
  const { config, readers } = world
  const logger = { info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) }
  node = new Node({ config, id: 'node-1', log, readers, logger, journal, acceptLoss })
  await Promise.race([node.start(), node.failed])
  return node
}

const areLive = (node: Node, indices: readonly number[]) => () =>
  indices.every((index) => node.partitions.some((one) => one.index === index && one.isLive))

/** Views that the replay brought back; the ledger says how many the commit counts. */
function pendingIn({ state: { users, arena } }: Partition): number {
  let views = 0
  users.forEach((user) => {
    views += B.u32(arena, user, L.U_PENDING)
  })
  return views
}

test('the first partition has lost what it needs, and the others go on while their journals are opened', async () => {
  const log = trimmed(Number.POSITIVE_INFINITY)
  const memory = openMemoryJournal()
  const slow = proxied(memory, {
    partition: async (index) => {
      if (index !== 0) await until('the end of the first', () => node?.stopped.length === 1)
      return memory.partition(index)
    },
  })
  const started = await startWith(log, slow)
  await Promise.race([until('the others', areLive(started, OTHERS)), started.failed])
  expect(started.stopped.map(({ index }) => index)).toEqual([0])
  await started.stop()
})

test('what was accepted as lost beyond the commit is not asked for again, and the journal is whole up to it and from it on', async () => {
  const [views] = world.topics
  const journal = openMemoryJournal()
  const before = await startWith(world.log, journal)
  await Promise.race([until('all', areLive(before, [0, ...OTHERS])), before.failed])
  await before.stop()
  const committed = (await world.log.committed(world.config.node.group, [views])).find((one) => one.partition === 0)!
  await world.generate({ views: 400, seed: 5 }, false)
  const low = committed.offset + 20
  const log = trimmed(low)
  const lost = { topic: views, partition: 0, from: committed.offset, to: low - 1 }
  const after = await startWith(log, journal, [lost])
  const end = (await world.log.ends([views])).find((one) => one.partition === 0)!.high
  const hasJoined = (): boolean => after.partitions.some((one) => one.index === 0 && one.position[0] === end)
  await Promise.race([until('the rest', hasJoined), after.failed])
  await after.stop()

  const again = await startWith(log, journal)
  await Promise.race([until('all', areLive(again, [0, ...OTHERS])), again.failed])
  expect(again.stopped).toEqual([])
  const [first] = again.partitions.filter(({ index }) => index === 0)
  expect(first.recovered).toMatchObject({ from: 'journal', lost: [] })
  expect(pendingIn(first)).toBe(first.state.ledger[PENDING])
  expect(pendingIn(first)).toBeGreaterThan(0)
  await again.stop()
})

test('a log that does not answer for a while is waited for, in the assignment and in the replay', async () => {
  const left = { ends: 2, committed: 1, readRange: 3 }
  const away = (call: keyof typeof left): boolean => left[call]-- > 0
  const failure = () => new LogError('FAILED', 'the broker is away', { passes: true })
  const log = proxied(world.log, {
    ends: async (topics) => (away('ends') ? Promise.reject(failure()) : world.log.ends(topics)),
    committed: async (...of) => (away('committed') ? Promise.reject(failure()) : world.log.committed(...of)),
    async *readRange(...of) {
      const isAway = away('readRange')
      for await (const chunk of world.log.readRange(...of)) {
        yield chunk
        // In the middle of it.
        if (isAway) throw failure()
      }
      if (isAway) throw failure()
    },
  })
  const started = await startWith(log, openMemoryJournal())
  await Promise.race([until('all', areLive(started, [0, ...OTHERS])), started.failed])
  expect(Math.max(...Object.values(left))).toBeLessThan(0)
  expect(warnings).toEqual(expect.arrayContaining(['an assignment waits for the log', 'a partition waits']))
  const [counted, there] = [
    started.partitions.map(({ state }) => state.ledger[PENDING]),
    started.partitions.map(pendingIn),
  ]
  expect(there).toEqual(counted)
  expect(Math.min(...there)).toBeGreaterThan(0)
  await started.stop()
})

test('what does not pass is an error at once', async () => {
  const log = proxied(world.log, { committed: () => Promise.reject(new LogError('FAILED', 'no rights')) })
  await expect(startWith(log, openMemoryJournal())).rejects.toThrow('no rights')
  expect(warnings).not.toContain('an assignment waits for the log')
})
