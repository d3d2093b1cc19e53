/**
 * A record in a partition where its user does not belong, met while a node runs: that partition alone stops, what was
 * joined before is committed, and whoever takes it over stops at the same record; or it goes to the dead letters.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Node } from '../../src/cluster/node.ts'
import { readinessOf } from '../../src/inspect/status.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import { readLog } from '../support/embeddedWorld.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import type { Event } from '../support/pageWorld.ts'
import { until } from '../support/until.ts'

const START_MS = 1_700_000_000_000
/** Between events: an earlier view is due then. */
const STEP_MS = 10_000
const [VIEWS, PARTITIONS] = [0, 4]
const [BAD, OTHERS] = [0, [1, 2, 3]]
const REASON = 'miskeyed-views partition 0 offset 2: '

let world: InsideWorld
/** Of all nodes of a test: the journal outlives them. */
let journal: JournalStore
let errors: { fields: object; message: string }[]

beforeEach(async () => {
  errors = []
  journal = openMemoryJournal()
  // Events alone move the clocks.
  const time = { idleAfter: '1h' }
  world = await InsideWorld.open({ pipeline: { name: 'miskeyed', time, node: { commitEvery: '50ms' } } })
})
afterEach(() => world.close())

/** A user of each partition. */
const users: string[] = []
for (let k = 0; Object.keys(users).length < PARTITIONS; k++) {
  const key = Buffer.from(`user-${k}`)
  users[partitionOf(murmur2(key, 0, key.length), PARTITIONS)] ??= key.toString()
}

/** The user's own view of this step. */
function view(user: string, step: number): Event {
  return { view_id: `${user}/${step}`, user_id: user, item_id: 'i', event_time: START_MS + step * STEP_MS }
}

/** A step of these partitions' users, where they belong. */
async function go(step: number, partitions: readonly number[]): Promise<void> {
  for (const partition of partitions) await world.appendTo(partition, VIEWS, view(users[partition], step))
}

async function start(onMiskeyed: 'stop' | 'deadLetter'): Promise<Node> {
  const { log, readers } = world
  const config = { ...world.config, pipeline: { ...world.config.pipeline, onMiskeyed } }
  const logger = { info() {}, warn() {}, error: (fields: object, message: string) => errors.push({ fields, message }) }
  world.node = new Node({ config, id: 'node-1', log, readers, logger, journal })
  await Promise.race([world.node.start(), world.node.failed])
  return world.node
}

/** Resolves when it is so; rejects when the node fails. */
function seen(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  return Promise.race([until(what, isSo), world.node.failed])
}

const isCommitted = (partitions: readonly number[], offset: number) => async (): Promise<boolean> => {
  const committed = await committedViews()
  return partitions.every((partition) => committed.get(partition) === offset)
}

async function committedViews(): Promise<ReadonlyMap<number, number>> {
  const committed = await world.log.committed(world.config.node.group, [world.topics[VIEWS]])
  return new Map(committed.map(({ partition, offset }) => [partition, offset]))
}

/** The views that samples were made of, one after the other in each partition. */
async function samplesOf(partition: number): Promise<readonly string[]> {
  const records = (await readLog(world.log, 'miskeyed-samples')).filter((record) => record.partition === partition)
  return records.map(({ value }) => (JSON.parse(value.toString()) as { sample_id: string }).sample_id)
}

async function stopAtBadRecord(): Promise<void> {
  await go(0, [BAD, ...OTHERS])
  await go(1, [BAD, ...OTHERS])
  // What comes in one chunk with the record is left to whoever goes on.
  await seen('what lies before', () => world.node.partitions[BAD].position[VIEWS] === 2)
  await world.appendTo(BAD, VIEWS, view(users[1], 2))
  await go(2, [BAD])
  await seen('the stopped partition', () => world.node.stopped.length === 1)
}

test('the partition alone stops, and says where; others are joined and committed', async () => {
  const node = await start('stop')
  await stopAtBadRecord()
  const [{ index, stoppedBy }] = node.stopped
  expect(index).toBe(BAD)
  expect(stoppedBy!.message).toContain(REASON)
  expect(stoppedBy!.message).not.toContain(users[1])
  expect(errors).toEqual([
    { fields: { partition: BAD, error: stoppedBy!.message }, message: 'the partition is stopped' },
  ])
  expect(readinessOf(node).waitingFor).toEqual([`partition 0 is stopped: ${stoppedBy!.message}`])
  await go(2, OTHERS)
  await seen('commits of others', isCommitted(OTHERS, 3))
  await seen('the commit before the record', isCommitted([BAD], 2))
  for (const partition of [BAD, ...OTHERS]) expect(await samplesOf(partition)).toContain(`${users[partition]}/0`)
})

test('who takes it over stops at the same record; nothing of what lies before and behind it is lost', async () => {
  await start('stop')
  await stopAtBadRecord()
  const [first] = world.node.stopped
  await world.node.stop()
  expect((await committedViews()).get(BAD)).toBe(2)
  const next = await start('stop')
  await seen('the stopped partition', () => next.stopped.length === 1)
  expect(next.stopped[0].stoppedBy!.message).toBe(first.stoppedBy!.message)
  await go(2, OTHERS)
  await seen('commits of others', isCommitted(OTHERS, 3))
  await next.stop()
  expect((await committedViews()).get(BAD)).toBe(2)

  await start('deadLetter')
  await go(3, [BAD, ...OTHERS])
  await seen('commits of all', async () => (await isCommitted([BAD], 5)()) && (await isCommitted(OTHERS, 4)()))
  for (const partition of [BAD, ...OTHERS]) {
    expect(await samplesOf(partition)).toEqual([0, 1, 2].map((step) => `${users[partition]}/${step}`))
  }
})

test('a node whose partitions are all stopped ends', async () => {
  const node = await start('stop')
  for (const partition of [0, 1, 2]) await world.appendTo(partition, VIEWS, view(users[3], 0))
  await seen('three stopped partitions', () => node.stopped.length === 3)
  await world.appendTo(3, VIEWS, view(users[0], 0))
  await expect(node.failed).rejects.toThrow(/^miskeyed-views partition \d offset 0: /)
})

test('with `deadLetter` the record goes there while the node runs, and its partition goes on', async () => {
  await start('deadLetter')
  await go(0, [BAD])
  await world.appendTo(BAD, VIEWS, view(users[1], 1))
  await go(2, [BAD])
  await seen('the commit behind it', isCommitted([BAD], 3))
  expect(world.node.stopped).toEqual([])
  expect(await samplesOf(BAD)).toEqual([`${users[BAD]}/0`])
  const [dead, ...more] = await readLog(world.log, 'miskeyed-dead')
  expect(more).toEqual([])
  expect(JSON.parse(dead.value.toString())).toEqual(view(users[1], 1))
  const place = { topic: 'miskeyed-views', partition: '0', offset: '1' }
  const reason = 'keyed wrongly: the text of its user id belongs in partition 1'
  expect(Object.fromEntries(dead.headers)).toMatchObject({ ...place, reason })
})
