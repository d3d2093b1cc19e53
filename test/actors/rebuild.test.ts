/** A rebuild of a partition's state, as it is on the way: within its limit of memory, and true to what was decided. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Position } from '../../src/actors/position.ts'
import * as B from '../../src/join/blocks.ts'
import * as L from '../../src/join/layout.ts'
import { CONFLICTS, LATE_VIEWS, SAMPLES, VIEW_DUPLICATES, VIEWS } from '../../src/join/ledger.ts'
import type { JoinState } from '../../src/join/state.ts'
import { copyContents, newContents } from '../../src/journal/memory.ts'
import { ALLOWED_LATENESS_MS, LONGEST_WINDOW_MS, OUT_OF_ORDERNESS_MS, TOPICS } from '../support/crashPipeline.ts'
import { openPipeline, type Pipeline } from '../support/histories.ts'
import { EventLog, Life, usersNamed } from '../support/lives.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const START_MS = 1_700_000_000_000
/** What one chunk, or the users that come back together, add at the most. */
const STEP_BYTES = 24_000
const LONG = 'a text that is long '.repeat(15)

let dir: TempDir
let pipeline: Pipeline
beforeAll(async () => {
  dir = await tempDir()
  pipeline = await openPipeline(dir.path)
})
afterAll(() => dir.remove())

/** Most engagements are of no use: they are given up within a second, and come again with each replay. */
function unusedEvents(users: readonly string[]): { events: EventLog; ends: number[][] } {
  const events = new EventLog()
  const ends: number[][] = []
  for (let atMs = START_MS; atMs < START_MS + 14_000; atMs += 100) {
    for (let k = 0; k < 3; k++) {
      const user = users[((atMs - START_MS) * 0.03 + k) % users.length]
      const id = { view_id: `${atMs}-${k}` }
      events.add(0, user, atMs, { ...id, surface: LONG })
      events.add(1, user, atMs + 50, { ...id, type: 'click' })
      for (let n = 0; n < 8; n++) events.add(1, user, atMs + n, { item_id: LONG, type: 'skip' })
    }
    events.add(2, users[0], atMs, { watched: null })
    if (atMs % 500 === 0) ends.push(TOPICS.map((_, source) => events.end(source)))
  }
  return { events, ends }
}

test('one from the journal keeps to the limit that the run before it kept to', async () => {
  const { events, ends } = unusedEvents(usersNamed('user', 300))
  const journal = newContents()
  const options = { ...pipeline, events, journal, stateBytes: 1e9 }
  const live = await Life.open(options)
  let at: Position | undefined
  for (const step of ends) {
    for (const [source, end] of step.entries()) await live.join(source, end)
    at = await live.commit()
  }
  await live.end()
  const stateBytes = Math.ceil(live.peakBytes * 1.1)
  const whole = await Life.open({ ...options, journal: copyContents(journal) }, at)
  expect(whole.peakBytes).toBeGreaterThan(1.5 * stateBytes)
  await whole.end()
  const limited = await Life.open({ ...options, stateBytes }, at)
  expect(limited.partition.recovered.from).toBe('journal')
  expect(limited.peakBytes).toBeLessThan(stateBytes + STEP_BYTES)
  await limited.end()
})

test('a hot user spills its views in one from the log, and what is remembered of them is whole', async () => {
  const [hot, ...others] = usersNamed('user', 300)
  const events = new EventLog()
  const untilMs = START_MS + 14_000
  const surfaceOf = (k: number): string => `${LONG}${k}`
  for (let k = 0, atMs = START_MS; atMs < untilMs; k++, atMs += 20) {
    events.add(0, hot, atMs, { view_id: `hot-${k}`, surface: surfaceOf(k) })
    events.add(0, others[k % others.length], atMs, { view_id: `${k}`, surface: LONG })
  }
  events.addAll(others[0], untilMs)
  const options = { ...pipeline, events, stateBytes: 1e9 }
  const live = await Life.open({ ...options, journal: newContents() })
  for (let source = 0; source < TOPICS.length; source++) await live.join(source)
  const at = await live.commit()
  await live.end()

  const journal = newContents()
  const again = await Life.open({ ...options, journal, stateBytes: 150_000 }, at)
  const { spill, state } = again.partition
  expect(again.partition.recovered.from).toBe('log')
  expect(again.peakBytes).toBeLessThan(150_000 + STEP_BYTES)
  expect(journal.users.has(hot)).toBe(false)
  expect(spill.viewsSpilled).toBeGreaterThan(100)

  // Of one that the committed watermark had sealed: its copy is a copy, and what is none is a conflict.
  const sealed = Math.floor((14_000 - LONGEST_WINDOW_MS - 2 * OUT_OF_ORDERNESS_MS) / 20)
  events.add(0, hot, START_MS + sealed * 20, { view_id: `hot-${sealed}`, surface: surfaceOf(sealed) })
  await again.join(0)
  const counts = (): readonly number[] => [VIEW_DUPLICATES, CONFLICTS].map((field) => state.ledger[field])
  expect(counts()).toEqual([1, 0])
  events.add(0, hot, START_MS + sealed * 20, { view_id: `hot-${sealed}`, surface: surfaceOf(sealed + 1) })
  events.addAll(others[0], untilMs + 60_000)
  for (let source = 0; source < TOPICS.length; source++) await again.join(source)
  expect(counts()).toEqual([2, 1])
  await again.commit()
  expect(state.ledger[SAMPLES]).toBe(state.ledger[VIEWS] - 3)
  expect(spill.viewsRestored).toBeGreaterThan(100)
  await again.end()
})

test('what is late in the log behind a journal is judged by the clocks that the journal brought', async () => {
  const [user, other] = usersNamed('user', 2)
  const events = new EventLog()
  events.addAll(other, START_MS)
  const journal = newContents()
  const options = { ...pipeline, events, stateBytes: 1e9 }
  const live = await Life.open({ ...options, journal })
  const joinAll = async (): Promise<void> => {
    for (let source = 0; source < TOPICS.length; source++) await live.join(source)
  }
  await joinAll()
  await live.commit()
  const behind = copyContents(journal)
  events.add(0, user, START_MS - OUT_OF_ORDERNESS_MS - ALLOWED_LATENESS_MS - 1, { view_id: 'late', surface: 'feed' })
  await joinAll()
  expect(live.partition.state.ledger[LATE_VIEWS]).toBe(1)
  const at = await live.commit()
  await live.end()
  for (const from of [journal, behind]) {
    const again = await Life.open({ ...options, journal: from }, at)
    expect(again.partition.recovered.from).toBe('journal')
    expect(lateViewsOf(again.partition.state, user)).toEqual([true])
    await again.end()
  }
})

function lateViewsOf({ arena, users }: JoinState, id: string): boolean[] {
  const late: boolean[] = []
  users.forEach((user) => {
    if (B.userText(arena, user) !== id) return
    for (let view = B.u32(arena, user, L.U_VIEWS); view !== 0; view = B.u32(arena, view, L.NEXT)) {
      late.push(B.hasFlag(arena, view, L.F_LATE))
    }
  })
  return late
}
