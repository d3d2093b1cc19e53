/**
 * A journal that is found damaged in the middle of running: its partition begins anew with an empty one, from its commit
 * and the log, and the others do not notice. One that is damaged again ends the node.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { JournalError, type JournalStore } from '../../src/journal/port.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { LONGEST_WINDOW_MS, PARTITIONS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import { proxied } from '../support/proxied.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const DAMAGED = 1
const STEPS = 30
/** A few users of a partition fit it: the others are stored, and read when they are needed. */
const STATE = '64KiB'

let dir: TempDir
let world: InProcessWorld
/** Reads of users that fail from here on. */
let damages: number
/** What was told with an error. */
let told: { message: string; fields: object }[]
let traffic: Traffic

beforeEach(async () => {
  dir = await tempDir()
  world = await InProcessWorld.open(dir.path)
  damages = 0
  told = []
  traffic = new Traffic(31)
})
afterEach(async () => {
  await world.close()
  await dir.remove()
})

/** Users of one partition cannot be read while `damages` says so; what was stored before a clearing is gone with it. */
function damaging(store: JournalStore): JournalStore {
  const partition = async (index: number) => {
    const journal = await store.partition(index)
    if (index !== DAMAGED) return journal
    return proxied(journal, {
      getUsers: async (keys) => {
        if (damages-- > 0) throw new JournalError('DAMAGED', "journal: a user's state has a wrong checksum")
        return journal.getUsers(keys)
      },
    })
  }
  return proxied(store, { partition })
}

async function start() {
  const hear = (fields: object, message: string): void => {
    if ('error' in fields) told.push({ message, fields })
  }
  const logger = { info() {}, warn: hear, error: hear }
  const node = await world.start({ journal: damaging(openMemoryJournal()), isJournalOn: true, state: STATE, logger })
  await send(STEPS)
  await world.joined()
  return node
}

async function send(steps: number): Promise<void> {
  for (let k = 0; k < steps; k++) await world.send(traffic.step())
}

it('begins anew with an empty one, and every sample is the known one', async () => {
  const node = await start()
  const before = [...node.partitions]
  damages = 1
  await until('a partition that begins anew', async () => {
    await send(1)
    return told.some(({ message }) => message.includes('it begins empty'))
  })
  await world.send(traffic.rest())
  await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + LONGEST_WINDOW_MS * 5))
  await world.joined()
  await until('all sealed', () => world.count('pending') === PARTITIONS)
  expect(told).toEqual([
    {
      message: 'a partition is given up until its next assignment',
      fields: { partition: DAMAGED, error: "journal: a user's state has a wrong checksum" },
    },
    {
      message: 'the journal of a partition was found damaged: it begins empty',
      fields: { partition: DAMAGED, error: "journal: a user's state has a wrong checksum" },
    },
  ])
  expect(node.partitions).toHaveLength(PARTITIONS)
  for (const partition of node.partitions) expect(before.includes(partition)).toBe(partition.index !== DAMAGED)
  await world.stop()
  const outcome = await checkOutcome(world)
  expect(outcome.samples).toBeGreaterThan(500)
})

it('ends the node where the new one is damaged too', async () => {
  const node = await start()
  damages = Number.POSITIVE_INFINITY
  let end: unknown
  node.failed.catch((error) => {
    end = error
  })
  await until('the end of the node', async () => {
    await send(1)
    return end !== undefined
  })
  expect(end).toMatchObject({ code: 'DAMAGED' })
  expect(told.filter(({ message }) => message.includes('it begins empty'))).toHaveLength(1)
})
