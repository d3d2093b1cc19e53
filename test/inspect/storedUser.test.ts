/**
 * A user who was moved out of memory, asked for on a real node: the answer is what it was when the user was live, to the
 * last field, and asking brings nobody back; an event does.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ControlServer } from '../../src/inspect/server.ts'
import type { UserAnswer } from '../../src/inspect/userAnswer.ts'
import type { UsersAnswer } from '../../src/inspect/users.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { type Event, post } from '../support/pageWorld.ts'
import { until } from '../support/until.ts'

const NAME = 'stored'
const USER = 'who-sleeps/ü'
const ASKED = 200
const PATIENCE = { withinMs: 30_000 }
/** Of other users at one time, and how often: more than fits memory. */
const OTHERS = 100
const ROUNDS = 40

let world: InsideWorld
let server: ControlServer
const startMs = Date.now()

async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(`${server.url}${path}`)
  expect(answer.status).toBe(200)
  return (await answer.json()) as T
}

const user = (): Promise<UserAnswer> => ask(`/users/${encodeURIComponent(USER)}`)

const view = (id: string, ms: number, of = USER): Event => {
  return { view_id: id, user_id: of, item_id: `item-${id}`, event_time: startMs + ms }
}
const engagement = (of: Event, type: string, ms: number, value?: number): Event => {
  return { ...of, type, value, event_time: startMs + ms }
}

const views = (events: readonly Event[]): Promise<void> => post(server.url, `${NAME}-views`, events)
const engagements = (events: readonly Event[]): Promise<void> => post(server.url, `${NAME}-engagements`, events)

/** What is in memory, of whom, and what was brought back. */
function inMemory() {
  const [{ state, store, users }] = world.node.partitions
  const { usersLoaded, viewsLoaded } = store.counts
  const { storedUsers } = store
  return {
    users: state.users.size,
    live: users.live,
    bytes: state.arena.usedBytes,
    storedUsers,
    usersLoaded,
    viewsLoaded,
  }
}

beforeAll(async () => {
  const pipeline = {
    name: NAME,
    node: { embedded: { partitions: 1 }, memory: { state: '128KiB' }, commitEvery: '50ms' },
    time: { idleAfter: '10m' },
  }
  world = await InsideWorld.open({ pipeline })
  server = await world.serve()
})

afterAll(async () => {
  await server?.close()
  await world?.close()
})

test('a stored user is told as it was when it was live, and stays asleep', { timeout: 120_000 }, async () => {
  const [first, second] = [view('first', 0), view('second', 100)]
  await views([first, second, view('clock', 800, 'another')])
  await engagements([
    engagement(first, 'click', 50),
    engagement(second, 'watch', 150, 40),
    engagement(second, 'watch', 200, 70),
    engagement(first, 'click', 780),
    engagement(view('clock', 800, 'another'), 'click', 800),
  ])
  await until('what is decided', async () => (await user()).waitingCount === 1, PATIENCE)
  const live = await user()
  expect(live).toMatchObject({ state: 'live', pendingCount: 2, rememberedCount: 0, timersCount: 3 })
  expect(live.pendingViews.map(({ sampleId, labels, boundCount }) => [sampleId, labels, boundCount])).toEqual([
    ['first', { click: 1, watch_ms: 0 }, 1],
    ['second', { click: 0, watch_ms: 70 }, 2],
  ])
  expect(live.waiting).toMatchObject([{ type: 'click', timeMs: startMs + 780, wouldJoin: 'first' }])

  // Nothing of it moves the clocks, so that nobody falls due.
  let round = 0
  while (round++ < ROUNDS) {
    await views(Array.from({ length: OTHERS }, (_, k) => view(`${round}-${k}`, 800, `other-${round}-${k}`)))
    if ((await user()).state === 'stored') break
  }
  await until('what was sent', () => world.count('views') === OTHERS * round + 3, PATIENCE)
  expect((await user()).state).toBe('stored')

  await sleep(200)
  const before = inMemory()
  const { state, readAtMs, ...told } = await user()
  const { state: wasLive, readAtMs: wasReadAtMs, ...was } = live
  expect(told).toEqual(was)
  expect([state, wasLive, readAtMs >= wasReadAtMs]).toEqual(['stored', 'live', true])
  for (let k = 0; k < ASKED; k++) expect((await user()).state).toBe('stored')
  expect(inMemory()).toEqual(before)
  const { users, stored } = await ask<UsersAnswer>('/users?limit=1000')
  expect(stored).toBe(before.storedUsers)
  expect(users.map((row) => row.user)).not.toContain(USER)

  // What concerns the user brings it back, with all that it had.
  await views([view('third', 790)])
  await until('the third view', async () => (await user()).pendingCount === 3, PATIENCE)
  const awake = await user()
  expect(awake.state).toBe('live')
  expect(awake.pendingViews.slice(0, 2)).toEqual(live.pendingViews)
  expect(awake.waiting).toEqual(live.waiting)
})
