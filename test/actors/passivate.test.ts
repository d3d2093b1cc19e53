/**
 * Many more users than `memory.actors` has room for: live actors stay within it, those that have nothing to do go, and
 * what is known of their users stays and is joined on when they come again.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ACTOR_BYTES } from '../../src/actors/users.ts'
import * as B from '../../src/join/blocks.ts'
import { newContents } from '../../src/journal/memory.ts'
import { SAMPLE_TYPE, SAMPLES, TOPICS } from '../support/crashPipeline.ts'
import { openPipeline } from '../support/histories.ts'
import { EventLog, Life, usersNamed } from '../support/lives.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const START_MS = 1_700_000_000_000
const PARTITION = 0
const USERS = 400
const MOST_ACTORS = 20
/** Fewer than there is room for beside those that go, so that nobody who has something to do must. */
const CHUNK_RECORDS = 16

interface Sample {
  readonly user_id: string
  readonly labels: Readonly<Record<string, unknown>>
  readonly delays_ms: Readonly<Record<string, unknown>>
}

let dir: TempDir
let events: EventLog
let life: Life
let users: readonly string[]
/** Who has something to do in the batch in hand. */
let inHand: readonly string[]
/** Who was passivated all the same. */
let atWork: string[]

beforeEach(async () => {
  dir = await tempDir()
  events = new EventLog()
  users = usersNamed('user', USERS)
  inHand = []
  atWork = []
  const pipeline = await openPipeline(dir.path)
  const actorBytes = MOST_ACTORS * ACTOR_BYTES
  life = await Life.open({ ...pipeline, events, journal: newContents(), stateBytes: 1e9, actorBytes })
  const { users: actors, state } = life.partition
  const passivate = actors.passivate.bind(actors)
  vi.spyOn(actors, 'passivate').mockImplementation((user) => {
    const name = B.userText(state.arena, user)
    if (inHand.includes(name)) atWork.push(name)
    passivate(user)
  })
})
afterEach(async () => {
  await life.end()
  await dir.remove()
})

/** An event of each user, joined in chunks: the limit holds after each, and who was in it is still there. */
async function eachUser(source: number, afterMs: number, fieldsOf: (user: string) => object): Promise<void> {
  const first = events.end(source)
  for (const [k, user] of users.entries()) events.add(source, user, START_MS + k + afterMs, fieldsOf(user))
  for (let at = 0; at < users.length; at += CHUNK_RECORDS) {
    inHand = users.slice(at, at + CHUNK_RECORDS)
    await life.join(source, first + at + inHand.length)
    expect(life.partition.users.live).toBeLessThanOrEqual(MOST_ACTORS)
  }
}

/** An event of each source moves all clocks there, with the last of them. */
async function clocksAt(user: string, timeMs: number, due: readonly string[]): Promise<void> {
  events.addAll(user, timeMs)
  for (const source of TOPICS.keys()) {
    inHand = source === TOPICS.length - 1 ? due : []
    await life.join(source)
  }
}

test('idle actors go when there are too many, and their users’ state stays', async () => {
  const { users: actors, state } = life.partition
  const of = (user: string): object => ({ view_id: `view of ${user}` })
  await eachUser(0, 0, (user) => ({ ...of(user), surface: 'feed' }))
  await eachUser(1, 100, (user) => ({ ...of(user), type: 'like' }))
  await eachUser(1, 900, (user) => ({ ...of(user), type: 'click' }))
  await eachUser(1, 1_000, (user) => ({ ...of(user), type: 'like' }))
  expect(actors.passivated).toBeGreaterThanOrEqual(4 * USERS - MOST_ACTORS)
  expect(state.users.size).toBe(USERS)

  // What falls due gives all of them something to do at once: more than there is room for, and nobody may go.
  await clocksAt(users[0], START_MS + 60_000, users)
  expect(actors.live).toBe(USERS)
  await life.commit()
  const samples = events.log.records(SAMPLES, PARTITION).map(({ value }) => SAMPLE_TYPE.fromBuffer(value) as Sample)
  expect(samples.map((sample) => sample.user_id).sort()).toEqual([...users].sort())
  for (const { labels, delays_ms } of samples) {
    expect(labels).toMatchObject({ click: 1, likes: 2, share: null })
    expect(delays_ms).toMatchObject({ click: 900, likes: 100, share: null })
  }

  // Now they may; but for the two whose views are pending nothing is left of them.
  await clocksAt(users[1], START_MS + 60_001, [users[1]])
  expect(actors.live).toBeLessThanOrEqual(MOST_ACTORS)
  expect(state.users.size).toBeLessThanOrEqual(MOST_ACTORS)
  expect(atWork).toEqual([])
})
