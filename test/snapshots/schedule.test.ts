/** Whose snapshot is taken, where a partition's commits do not come: its output is held up, and that may be for long. */
import { expect, test } from 'vitest'
import type { Capture, PartitionOptions } from '../../src/actors/partitionOptions.ts'
import {
  HEARD_WITHIN_MS,
  type ScheduleParts,
  type SharedSnapshots,
  SnapshotSchedule,
} from '../../src/actors/snapshotSchedule.ts'
import { Turnstile } from '../../src/actors/turnstile.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { JournalError, type PartitionJournal } from '../../src/journal/port.ts'
import type { SnapshotStore } from '../../src/snapshots/port.ts'
import { MemorySnapshots } from '../support/memorySnapshots.ts'
import { proxied } from '../support/proxied.ts'
import { type OracleConfig, PureJoin } from '../support/pureJoin.ts'
import { until } from '../support/until.ts'

const EVERY_MS = 1_000
const CONFIG: OracleConfig = {
  partitions: 1,
  sources: ['views'],
  basis: 'event',
  outOfOrdernessMs: 0,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 0,
  maxClockSkewMs: null,
  labels: [{ name: 'click', on: 'click', withinMs: 1, fold: 'any', default: 0 }],
}

interface One {
  readonly schedule: SnapshotSchedule
  readonly turnstile: Turnstile
  readonly store: { isHeld: boolean }
  /** Its next capture. */
  capture(): Capture
}

/** Partitions of one node, and the clock that they share. */
async function world(
  count: number,
  store: SnapshotStore = new MemorySnapshots(),
  journal: Partial<PartitionJournal> = {},
) {
  let nowMs = 0
  const notes: string[] = []
  const shared: SharedSnapshots = {
    store,
    everyMs: EVERY_MS,
    limitBytes: 1 << 26,
    taking: undefined,
    waiting: new Map(),
  }
  const partition = async (index: number): Promise<One> => {
    const { state } = new PureJoin(CONFIG)
    const turnstile = new Turnstile((error) => {
      throw error
    })
    const options = {
      partition: index,
      topics: ['views'],
      fingerprint: 'f',
      clock: { wallMs: () => 0, monotonicMs: () => nowMs },
      journal: proxied(await openMemoryJournal().partition(index), journal),
      snapshots: shared,
      onNote: (_: object, message: string) => void notes.push(`${index}: ${message}`),
    } as unknown as PartitionOptions
    const store = { isHeld: false }
    const onDamaged = ({ message }: Error) => void notes.push(`${index}: damaged: ${message}`)
    const parts = { state, users: {}, store, spill: {}, turnstile, onDamaged } as unknown as ScheduleParts
    const schedule = new SnapshotSchedule(options, parts)
    let batchNumber = 0
    const capture = (): Capture => {
      const sources = new Map([['views', { offset: 1, highestMs: 0, neededFrom: 0 }]])
      return {
        position: { watermarkMs: 0, sources, deadLettersFrom: 0, ledger: [] },
        batchNumber: ++batchNumber,
        epoch: { releasing: new Map(), deleting: [], lastSegment: 0 },
      }
    }
    return { schedule, turnstile, store, capture }
  }
  const all = await Promise.all(Array.from({ length: count }, (_, index) => partition(index)))
  const pass = (ms: number): void => {
    nowMs += ms
  }
  pass(EVERY_MS)
  return { all, shared, notes, pass }
}

/** A capture whose commit comes at once. */
function commit({ schedule, capture }: One): void {
  const one = capture()
  schedule.captured(one)
  schedule.acknowledged(one)
}

/** In the middle of a batch, until the result is called. */
function busy({ turnstile }: One): () => void {
  let goOn = (): void => {}
  const over = new Promise<void>((resolve) => {
    goOn = resolve
  })
  void turnstile.run(() => over)
  return () => goOn()
}

const published = (index: number) => `${index}: a shared snapshot is published`
const GIVEN_UP = '0: a shared snapshot is given up: its commit does not come'

test.each([
  ['between two batches', false],
  ['in the middle of a batch', true],
])('one whose commit is overdue is given up, and others go on: it stands %s', async (_, isInBatch) => {
  const { all, notes, pass } = await world(2)
  const [stuck, other] = all
  const goOn = isInBatch ? busy(stuck) : () => {}
  const heldUp = stuck.capture()
  stuck.schedule.captured(heldUp)
  pass(HEARD_WITHIN_MS - 1)
  commit(other)
  expect(notes).toEqual([])
  pass(1)
  await until('the other', () => {
    commit(other)
    return notes.includes(published(1))
  })
  expect(notes).toEqual([GIVEN_UP, published(1)])

  // Once its output goes on, it is as before.
  goOn()
  stuck.schedule.acknowledged(heldUp)
  await until('the end of what was given up', () => !stuck.store.isHeld)
  expect(notes).toHaveLength(2)
  commit(stuck)
  await until('the next', () => notes.includes(published(0)))
  await Promise.all(all.map(({ schedule }) => schedule.stop()))
})

test.each([
  [new JournalError('DAMAGED', 'wrong'), ['0: a shared snapshot was not published', '0: damaged: wrong']],
  [new JournalError('FAILED', 'away'), ['0: a shared snapshot was not published']],
])('a journal that is found damaged by it is told to its partition: %s', async (error, told) => {
  const wakes = () => {
    throw error
  }
  const { all, notes } = await world(1, new MemorySnapshots(), { wakes })
  commit(all[0])
  await until('its end', () => notes.length > 0)
  expect(notes).toEqual(told)
  await all[0].schedule.stop()
})

test('one that takes long, and whose commit has come, is not', async () => {
  const { all, shared, notes, pass } = await world(2)
  const [slow, other] = all
  const goOn = busy(slow)
  commit(slow)
  pass(2 * HEARD_WITHIN_MS)
  commit(other)
  expect(shared.taking).toBe(slow.schedule)
  goOn()
  await until('it', () => notes.includes(published(0)))
  expect(notes).not.toContain(GIVEN_UP)
  await Promise.all(all.map(({ schedule }) => schedule.stop()))
})

test('one whose turn it is, and from which nothing is heard, is passed over', async () => {
  const { all, notes, pass } = await world(3)
  const [first, stuck, last] = all
  const one = first.capture()
  first.schedule.captured(one)
  stuck.schedule.captured(stuck.capture())
  first.schedule.acknowledged(one)
  await until('the first', () => notes.includes(published(0)))
  commit(last)
  expect(last.store.isHeld).toBe(false)
  pass(HEARD_WITHIN_MS)
  commit(last)
  await until('the last', () => notes.includes(published(2)))
  await Promise.all(all.map(({ schedule }) => schedule.stop()))
})

test('a store that does not answer keeps no partition from stopping', async () => {
  const silent = { begin: () => new Promise<never>(() => {}), find: async () => [], close: async () => {} }
  const { all, shared } = await world(1, silent)
  const [{ schedule, store, capture }] = all
  schedule.captured(capture())
  expect(shared.taking).toBe(schedule)
  expect(store.isHeld).toBe(true)
  await schedule.stop()
})
