/**
 * Supervision: an actor that crashes is restarted from its snapshot and journal with nothing lost; an event that crashes
 * it twice goes to the dead letters, and the rest of its user's events live on. The faults come in through the node's
 * own hook.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { EventBatch } from '../../src/join/event.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { openNoJournal } from '../../src/journal/none.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { checkOutcome, type Outcome } from '../support/crashCheck.ts'
import { DEAD_LETTERS, LONGEST_WINDOW_MS, PARTITIONS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import type { OracleEvent } from '../support/pureJoin.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'

const STEPS = 45
/** Windows, bound, lateness and what is remembered: beyond it nothing of earlier events is left. */
const CLOSING_AFTER_MS = LONGEST_WINDOW_MS * 5
const POISON_EVERY_MS = 83
const FAULT_EVERY_MS = 59
const COMMON_MS = POISON_EVERY_MS * FAULT_EVERY_MS

const JOURNALS: Record<string, (folder: string) => JournalStore | Promise<JournalStore>> = {
  RocksDB: (folder) => openRocksJournal({ folder: join(folder, 'data/journal') }),
  'a journal in memory': () => openMemoryJournal(),
  'no journal': () => openNoJournal(),
}

let dir: TempDir
let world: InProcessWorld

beforeEach(async () => {
  dir = await tempDir()
  world = await InProcessWorld.open(dir.path)
})

afterEach(async () => {
  await world.close()
  await dir.remove()
})

/** Throws over some records when they are first taken, and over poison whenever it is taken. */
class Faults {
  thrown = 0
  private readonly seen = new Set<string>()

  readonly beforeRecord = (batch: EventBatch, i: number): void => {
    const timeMs = batch.timeMs[i]
    const key = `${batch.kind[i]} ${batch.offset[i]} ${timeMs}`
    const isFirst = timeMs % FAULT_EVERY_MS === 0 && !this.seen.has(key)
    if (!isFirst && !isPoison({ time: timeMs })) return
    this.seen.add(key)
    this.thrown++
    throw new Error('a fault of the test')
  }
}

function isPoison({ time = 0 }: OracleEvent): boolean {
  return time % POISON_EVERY_MS === 0
}

/** Traffic over two lives of a node, the second of which begins in the middle of things. */
async function run(kind: string, faults: Faults, state?: string): Promise<Outcome> {
  const journal = await JOURNALS[kind](dir.path)
  const options = { journal, isJournalOn: kind !== 'no journal', state, beforeRecord: faults.beforeRecord }
  const traffic = new Traffic(7)
  for (const last of [false, true]) {
    await world.start(options)
    for (let k = 0; k < STEPS; k++) {
      await world.send(traffic.step())
      if (k % 10 === 9) await world.joined()
    }
    await world.joined()
    if (last) break
    await world.stop()
  }
  await world.send(traffic.rest())
  // A multiple of neither: the last events are in order.
  const closingMs = Math.ceil((traffic.nowMs + CLOSING_AFTER_MS) / COMMON_MS) * COMMON_MS + 1
  await world.send(closingEvents(world.usersByPartition(), closingMs))
  await world.joined()
  expect(world.count('pending')).toBe(PARTITIONS)
  const restarts = world.node!.partitions.reduce((sum, { users }) => sum + users.restarts, 0)
  await world.stop()
  await journal.close()
  const outcome = await checkOutcome(world, { isPoison })
  expect(restarts).toBeGreaterThan(20)
  return outcome
}

it.each([
  ['RocksDB', undefined],
  ['RocksDB', '64KiB'],
  ['a journal in memory', undefined],
  ['a journal in memory', '64KiB'],
  ['no journal', undefined],
])('restarts a crashed actor with nothing lost, and isolates poison, with %s and memory of %s', async (kind, state) => {
  const faults = new Faults()
  const outcome = await run(kind, faults, state)
  expect(outcome.samples).toBeGreaterThan(1_000)
  expect(faults.thrown).toBeGreaterThan(60)
  const letters = await world.readAll(DEAD_LETTERS)
  const reasons = letters.map(({ headers }) => headers.get('reason') ?? '')
  const poison = reasons.filter((reason) => reason === 'crashed its actor twice: a fault of the test')
  expect(poison.length).toBeGreaterThan(10)
})
