/** Looking inside a real node over its control server: users through their actors, samples, what was given up, the ledger. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Explanation } from '../../src/inspect/explanation.ts'
import type { ControlServer } from '../../src/inspect/server.ts'
import type { TailAnswer } from '../../src/inspect/tail.ts'
import type { UserAnswer } from '../../src/inspect/userAnswer.ts'
import type { UserRow } from '../../src/inspect/users.ts'
import { VIEWS } from '../../src/join/ledger.ts'
import { InsideWorld } from '../support/insideWorld.ts'

const LABELS = ['click', 'like', 'share', 'watch_ms']

let world: InsideWorld
let server: ControlServer
let samples: number
/** Lets the next event crash its user's actor. */
let isToCrash = false
const logged: object[] = []

async function get<T>(path: string, status = 200): Promise<T> {
  const answer = await fetch(`${server.url}${path}`)
  const body = (await answer.json()) as T
  expect([answer.status, body]).toEqual([status, body])
  return body
}

beforeAll(async () => {
  world = await InsideWorld.open()
  const answers = await world.generate({ views: 1200, users: 40, repeats: 0.4 })
  samples = answers.size
  server = await world.serve({
    logger: { warn() {}, error: (fields) => logged.push(fields) },
    beforeRecord: () => {
      if (!isToCrash) return
      isToCrash = false
      throw new Error('put in by a test')
    },
  })
  await world.reached('samples', samples)
}, 120_000)

afterAll(async () => {
  await server.close()
  await world.close()
})

describe('users', () => {
  test('are listed by what they hold, live, with what is due', async () => {
    // The closing events are pending still.
    const { users, inMemory, liveActors } = await get<{ users: UserRow[]; inMemory: number; liveActors: number }>(
      '/users?limit=5',
    )
    expect(users.length).toBeGreaterThan(0)
    expect(users[0]).toMatchObject({ live: true, pendingViews: 1, node: 'node-1' })
    expect(users[0].nextDueMs).toBeGreaterThan(0)
    expect(inMemory).toBeGreaterThanOrEqual(users.length)
    expect(liveActors).toBeGreaterThan(0)
    const { users: oldest } = await get<{ users: UserRow[] }>('/users?by=oldest&limit=3')
    const due = oldest.map(({ nextDueMs }) => nextDueMs)
    expect(due).toEqual([...due].sort((a, b) => a! - b!))
    const prefix = users[0].user.slice(0, -1)
    const { users: some } = await get<{ users: UserRow[] }>(`/users?by=bytes&prefix=${encodeURIComponent(prefix)}`)
    expect(some.every(({ user }) => user.startsWith(prefix))).toBe(true)
    expect(some.length).toBeGreaterThan(0)
  })

  test('tell a wrong question from a right one', async () => {
    await get('/users?by=height', 400)
    await get('/users?limit=0', 400)
    await get('/users/', 400)
  })

  test('are read by their actors: pending views with labels, deadlines and timers', async () => {
    const [{ user }] = (await get<{ users: UserRow[] }>('/users?limit=1')).users
    const told = await get<UserAnswer>(`/users/${encodeURIComponent(user)}`)
    expect(told).toMatchObject({ user, node: 'node-1', state: 'live', pendingCount: 1, lastRestart: null })
    const [view] = told.pendingViews
    expect(Object.keys(view.labels)).toEqual(LABELS)
    expect(view.deadlineMs - view.timeMs).toBe(615_000)
    expect(view.inMs).toBe(view.deadlineMs - told.watermarkMs!)
    expect(told.timers.map(({ does }) => does)).toContain('seal')
    expect(await get<UserAnswer>('/users/nobody%20at%20all')).toMatchObject({ state: 'unknown', pendingCount: 0 })
  })

  test('who have no actor are read without waking them', async () => {
    const { node } = world
    const partition = node.partitions.find(({ users }) => users.live > 0)!
    let user = ''
    partition.users.idle(Number.POSITIVE_INFINITY, (block) => {
      const at = block
      partition.users.passivate(at)
      return false
    })
    const { users } = await get<{ users: UserRow[] }>('/users?limit=1000')
    user = users.find((row) => !row.live && row.partition === partition.index)!.user
    const before = partition.users.live
    expect(await get<UserAnswer>(`/users/${encodeURIComponent(user)}`)).toMatchObject({ state: 'passivated' })
    expect(partition.users.live).toBe(before)
  })

  test('show the last restart and what it was over', async () => {
    isToCrash = true
    await world.generate({ views: 30, users: 5, seed: 9 })
    await world.reached('samples', samples + 20)
    const [note] = world.node.partitions.flatMap((partition) => partition.restarter.notes)
    const told = await get<UserAnswer>(`/users/${encodeURIComponent(note.user)}`)
    expect(told.lastRestart).toMatchObject({ error: 'put in by a test', quarantined: false })
    const index = told.partition
    const partition = await get<{ restartNotes: object[] }>(`/partitions/${index}`)
    expect(partition.restartNotes).toContainEqual(told.lastRestart)
  })
})

describe('samples', () => {
  test('are tailed from the topic, the newest last, and go on from a cursor', async () => {
    const first = await get<TailAnswer>('/tail?limit=7')
    expect(first.samples).toHaveLength(7)
    expect(first.samples[6]).toMatchObject({ topic: 'samples', partition: expect.any(Number) })
    expect(Object.keys(first.samples[6].sample)).toContain('delays_ms')
    // What is sealed is written a moment later.
    let { cursor } = first
    for (let more = 1; more > 0; ) {
      const next = await get<TailAnswer>(`/tail?after=${cursor}&limit=500`)
      expect(next.skipped).toBe(0)
      more = next.samples.length
      cursor = next.cursor
    }
    // The closing views are sealed by silence, about now: counted, and written a moment later.
    const leftOut = async (): Promise<number[]> => {
      const all = await get<TailAnswer>(`/tail?after=${cursor.replace(/:\d+/g, ':0')}&limit=500`)
      return [all.samples.length, world.count('samples') - all.skipped]
    }
    await expect.poll(leftOut, { timeout: 10_000 }).toEqual([500, 500])
  })

  test('are filtered by user and by label', async () => {
    const clicked = await get<TailAnswer>('/tail?label=click=1&limit=500')
    expect(clicked.samples.length).toBeGreaterThan(20)
    expect(clicked.samples.every(({ sample }) => (sample.labels as { click: number }).click === 1)).toBe(true)
    const user = String(clicked.samples[0].sample.user_id)
    const own = await get<TailAnswer>(`/tail?user=${encodeURIComponent(user)}&limit=500`)
    expect(own.samples.length).toBeGreaterThan(0)
    expect(own.samples.every(({ sample }) => sample.user_id === user)).toBe(true)
    await get('/tail?label=height=1', 400)
  })

  test('are explained, sealed and pending', async () => {
    const { samples: some } = await get<TailAnswer>('/tail?label=click=1&limit=3')
    for (const { sample } of some) {
      const told = await get<Explanation>(`/explain/${encodeURIComponent(String(sample.sample_id))}`)
      expect(told).toMatchObject({ status: 'sealed', emission: { agrees: true, node: 'node-1' } })
      expect(told.labels.find(({ name }) => name === 'click')).toMatchObject({ value: 1 })
      expect(told.labels.find(({ name }) => name === 'click')!.counted.length).toBeGreaterThan(0)
    }
    const [{ user }] = (await get<{ users: UserRow[] }>('/users?limit=1')).users
    const { pendingViews } = await get<UserAnswer>(`/users/${encodeURIComponent(user)}`)
    const [{ sampleId, timeMs, labels }] = pendingViews
    const at = `?user=${encodeURIComponent(user)}&at=${timeMs}`
    const pending = await get<Explanation>(`/explain/${encodeURIComponent(sampleId)}${at}`)
    expect(pending).toMatchObject({ status: 'pending', seal: null, search: { by: 'userAndTime' } })
    expect(Object.fromEntries(pending.labels.map(({ name, value }) => [name, value]))).toEqual(labels)
    await get('/explain/', 400)
    await get('/explain/x?at=yesterday', 400)
  })
})

describe('what was given up', () => {
  test('is told with its reason, the newest first', async () => {
    const late = await get<{ topic: string; count: number; records: { reason: string; writtenAtMs: number }[] }>(
      '/late',
    )
    expect(late.topic).toBe('samples-late')
    expect(late.records.every(({ reason }) => reason === 'outside' || reason === 'late')).toBe(true)
    const stamps = late.records.map(({ writtenAtMs }) => writtenAtMs)
    expect(stamps).toEqual([...stamps].sort((a, b) => b - a))
    expect(late.count).toBe(world.count('outside') + world.count('late'))
    const orphans = await get<{ count: number }>('/orphans?limit=1')
    expect(orphans.count).toBe(world.count('orphan'))
    expect(await get('/dead')).toEqual({ topic: 'samples-dead-letters', count: 0, records: [], away: [] })
    await get('/late?limit=x', 400)
  })
})

describe('partitions and configuration', () => {
  test('are told of the whole cluster, and one in detail', async () => {
    const { partitions, partitionCount } = await get<{ partitions: object[]; partitionCount: number }>('/partitions')
    expect(partitions).toHaveLength(partitionCount)
    const one = await get<{ ledger: { records: number }; node: string; mailboxes: object }>('/partitions/0')
    expect(one).toMatchObject({ node: 'node-1', partition: 0, mailboxes: { busyActors: 0, messages: 0 } })
    expect(one.ledger.records).toBeGreaterThan(0)
    await get('/partitions/77', 404)
    await get('/partitions/x', 404)
  })

  test('is told without secrets', async () => {
    const told = await get<{ pipeline: { name: string }; node: { dataDir: string } }>('/config')
    expect(told.pipeline.name).toBe('feed')
    expect(JSON.stringify(told)).not.toMatch(/Infinity|null,null/)
  })
})

describe('the ledger', () => {
  test('covers every partition, and an equation that is off is an alarm everywhere', async () => {
    const whole = await get<{ balances: boolean; sources: { from: string }[]; unknown: number[] }>('/ledger/cluster')
    expect(whole).toMatchObject({ balances: true, unknown: [], silent: [] })
    expect(new Set(whole.sources.map(({ from }) => from))).toEqual(new Set(['node-1']))
    const [{ state, index }] = world.node.partitions
    state.ledger[VIEWS]++
    state.settle()
    try {
      const off = await get<{ balances: boolean; imbalance: object[] }>('/ledger/cluster')
      expect(off.balances).toBe(false)
      expect(off.imbalance).toContainEqual({ partition: index, equation: 'views', difference: 1 })
      const { alarms } = await get<{ alarms: string[] }>('/status')
      expect(alarms).toContain(`partition ${index}: the ledger's views are off by 1`)
      const metrics = await (await fetch(`${server.url}/metrics`)).text()
      expect(metrics).toContain(`postview_ledger_imbalance{partition="${index}",equation="views"} 1`)
      expect(metrics).toContain(`postview_ledger_imbalance{partition="${index}",equation="engagements"} 0`)
      const untilMs = performance.now() + 20_000
      while (logged.length === 0 && performance.now() < untilMs) await new Promise((go) => setTimeout(go, 100))
      expect(JSON.stringify(logged)).toContain('views are off by 1')
    } finally {
      state.ledger[VIEWS]--
      state.settle()
    }
  })
})
