/** A rebuild of a partition's state, as it is on the way: within its limit of memory, and true to what was decided. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Position } from '../../src/actors/position.ts'
import { copyContents, newContents } from '../../src/journal/memory.ts'
import { TOPICS } from '../support/crashPipeline.ts'
import { openPipeline, type Pipeline } from '../support/histories.ts'
import { EventLog, Life, usersNamed } from '../support/lives.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const START_MS = 1_700_000_000_000
/** What one chunk adds, at the most. */
const CHUNK_BYTES = 16_000
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
  expect(limited.peakBytes).toBeLessThan(stateBytes + CHUNK_BYTES)
  await limited.end()
})
