/**
 * `control.mask` on a real node whose users, views and engagements carry a mark in their ids, with records of every fate
 * and free fields that name ids too: every route that the node has is asked, with a token that only reads, with one that
 * reads and operates, and with a privileged one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Explanation } from '../../src/inspect/explanation.ts'
import type { ControlServer } from '../../src/inspect/server.ts'
import type { DeadLetterRow, GivenUp, NewestAnswer } from '../../src/inspect/sideOutputs.ts'
import type { TailAnswer } from '../../src/inspect/tail.ts'
import type { UserAnswer } from '../../src/inspect/userAnswer.ts'
import type { UsersAnswer } from '../../src/inspect/users.ts'
import { type EventBatch, VIEW } from '../../src/join/event.ts'
import { BatchedTopic } from '../../src/sinks/batches.ts'
import { InsideWorld } from '../support/insideWorld.ts'

const NAME = 'masked'
const MARK = 'zzmark'
/** An id that is a number in the events. */
const NUMBER = 918_273_645
/** Its ids are no texts: the mark is the number. */
const MARKS = new RegExp(`${MARK}|${NUMBER}`, 'i')
const READ = 'read-token-of-length'
const BOTH = 'read-and-operate-token'
const PRIVILEGED = 'privileged-token-of-length'
const TOKENS = { read: [READ, BOTH], operate: [BOTH], privileged: [PRIVILEGED] }
const USERS = [`${MARK}-ann`, `${MARK}-bob/ü`, NUMBER] as const
const CRASHED_ONCE = `${MARK}-crash-once`
const CRASHED_TWICE = `${MARK}-crash-twice`
const HOUR_MS = 3_600_000
const OPEN_AFTER_MS = 5_000
const LOOK_MS = 50
/** What comes of the events. */
const SAMPLES = USERS.length * 2 + 2
const COUNTS = { '/late': 3, '/orphans': USERS.length, '/dead': 2 }

let world: InsideWorld
let server: ControlServer
const logged: string[] = []
const crashed = new Set<string>()

interface Told {
  readonly status: number
  readonly body: string
}

async function ask(path: string, token: string): Promise<Told> {
  const answer = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}` } })
  return { status: answer.status, body: await answer.text() }
}

async function json<T>(path: string, token: string): Promise<T> {
  const { status, body } = await ask(path, token)
  expect([status, body.slice(0, 300)]).toEqual([200, body.slice(0, 300)])
  return JSON.parse(body) as T
}

/** What is asked twice of a node is the same moment: nothing comes any more. */
async function both<T>(path: string): Promise<{ masked: T; full: T }> {
  return { masked: await json<T>(path, READ), full: await json<T>(path, PRIVILEGED) }
}

/** Fails over some views, and quotes them. */
function beforeRecord(batch: EventBatch, i: number): void {
  if (batch.kind[i] !== VIEW || batch.viewIdLength[i] < 0) return
  const at = batch.viewIdAt[i]
  const id = batch.text.toString('utf8', at, at + batch.viewIdLength[i])
  if (id !== CRASHED_TWICE && (id !== CRASHED_ONCE || crashed.has(id))) return
  crashed.add(id)
  throw new Error(`put in by a test, over ${id}`)
}

type Json = Record<string, unknown>

let made = 0
function event(user: string | number, ms: number, more: Json = {}): Json {
  const number = made++
  const own = { user_id: user, item_id: `item-${number}`, event_time: Date.now() + ms }
  // As a producer may have them: ids in its own fields, and fields that are named like ours.
  const free = { topic: 'news', partition: 1, offset: 2, session: { of: `${MARK}-free` }, comment: [`by ${MARK}-free`] }
  return { view_id: `${MARK}-view-${number}`, ...own, ...free, ...more }
}

function clickOf(view: Json, more: Json = {}): Json {
  return { ...view, type: 'click', engagement_id: `${MARK}-click-${made++}`, ...more }
}

async function send(source: 'views' | 'engagements', events: readonly Json[]): Promise<void> {
  const answer = await fetch(`${server.url}/topics/${NAME}-${source}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', authorization: `Bearer ${BOTH}` },
    body: events.map((one) => JSON.stringify(one)).join('\n'),
  })
  expect(answer.status).toBe(200)
}

const sealed: Json[] = []
/** Known by user, item and time. */
let nameless: Json
let pending: Json[]

async function sendAll(): Promise<void> {
  for (const user of USERS) sealed.push(event(user, -100), event(user, -90))
  nameless = { ...event(USERS[1], -80), view_id: undefined }
  const crashing = [CRASHED_ONCE, CRASHED_TWICE].map((id) => event(USERS[0], -70, { view_id: id }))
  await send('views', [...sealed, nameless, ...crashing, event(USERS[1], HOUR_MS)])
  const clicks = sealed.map((view) => clickOf(view, { event_time: Number(view.event_time) + 20 }))
  const outside = clickOf(sealed[1], { event_time: Number(sealed[1].event_time) + 1300 })
  const orphans = USERS.map((user) => clickOf(event(user, -50, { view_id: `${MARK}-nowhere` })))
  const engagements = [...clicks, clicks[0], clickOf(nameless), outside, ...orphans]
  await send('engagements', engagements)
  // What moves the clocks on comes when these are there.
  await world.reached('engagements', engagements.length)
}

/** These seal the others, and are left pending and waiting; after them comes one that is late. */
async function sendLater(): Promise<void> {
  pending = USERS.map((user) => event(user, OPEN_AFTER_MS))
  const unknown = event(USERS[0], OPEN_AFTER_MS, { view_id: `${MARK}-not-yet` })
  await send('views', pending)
  await send(
    'engagements',
    [...pending, unknown].map((view) => clickOf(view)),
  )
  await world.reached('samples', SAMPLES)
  await send('engagements', [clickOf(sealed[3])])
}

/** Somebody else's record in the topic of what was late. */
async function sendForeign(): Promise<void> {
  const writer = await world.log.writer()
  const topic = new BatchedTopic(`${NAME}-late`, 'lz4', writer)
  const value = Buffer.from(`no JSON, of ${MARK}-foreign`)
  topic.add(0, Date.now(), null, 0, -1, value, 0, value.length)
  await topic.flush()
  await writer.close()
}

beforeAll(async () => {
  const pipeline = {
    name: NAME,
    node: { embedded: { partitions: 1 } },
    time: { idleAfter: '10m' },
    fields: { engagementId: 'engagement_id' },
  }
  world = await InsideWorld.open({ pipeline })
  const keep = (fields: object, message: string): void => void logged.push(JSON.stringify({ ...fields, message }))
  server = await world.serve({
    control: { mask: true, tokens: TOKENS },
    logger: { warn() {}, error: keep },
    beforeRecord,
  })
  await sendAll()
  await sendLater()
  await sendForeign()
  await durable()
}, 60_000)

afterAll(async () => {
  await server?.close()
  await world?.close()
})

async function durable(): Promise<void> {
  const untilMs = performance.now() + 30_000
  for (;;) {
    const { samples } = await json<TailAnswer>('/tail?limit=100', PRIVILEGED)
    const counts: Json = {}
    for (const path of Object.keys(COUNTS)) {
      counts[path] = (await json<NewestAnswer<unknown>>(path, PRIVILEGED)).count
    }
    const isThere =
      samples.length === SAMPLES && Object.entries(COUNTS).every(([path, count]) => counts[path] === count)
    if (isThere) return
    if (performance.now() > untilMs) throw new Error(`${samples.length} samples, ${JSON.stringify(counts)}`)
    await sleep(LOOK_MS)
  }
}

const encoded = encodeURIComponent
const idOf = (view: Json): string => String(view.view_id)

/** Every question that a path with a place in it is asked; of other routes their own path is the question. */
function questionsOf(path: string): readonly string[] {
  const views = [...sealed, ...pending]
  const users = [...USERS.map(String), `${MARK}-nobody`].map(encoded)
  const lookedUp = views.flatMap((view) => {
    const of = `/explain/${encoded(idOf(view))}`
    return [of, `${of}?user=${encoded(String(view.user_id))}&at=${view.event_time}`]
  })
  const ownId = `${encoded(String(nameless.user_id))}:${nameless.item_id}:${nameless.event_time}`
  const others = [CRASHED_ONCE, CRASHED_TWICE, `${MARK}-nowhere`, encoded(ownId)].map((id) => `/explain/${id}`)
  const asked: Record<string, readonly string[]> = {
    '/users': ['/users?limit=1000', '/users?by=oldest', '/users?by=bytes'],
    '/users/*': users.map((user) => `/users/${user}`),
    '/owner': users.map((user) => `/owner?user=${user}`),
    '/explain/*': [...lookedUp, ...others],
    '/partitions/:partition': ['/partitions/0'],
    '/tail': ['/tail?limit=100', `/tail?label=click=1`, ...users.map((user) => `/tail?user=${user}`)],
  }
  return asked[path] ?? [path]
}

/** What has ids in it, for who may see them. */
const WITH_IDS = ['/users', '/users/*', '/partitions/:partition', '/tail', '/late', '/orphans', '/dead', '/explain/*']

describe('every route', () => {
  test('says nothing of an id to who may not see it, and all to who may', async () => {
    const routes = server.routes.filter(({ method, role }) => method === 'GET' && role !== 'public')
    const paths = routes.map(({ path }) => path)
    expect(paths).toEqual(expect.arrayContaining(WITH_IDS))
    for (const path of paths) {
      let withIds = 0
      for (const question of questionsOf(path)) {
        for (const token of [READ, BOTH]) {
          const { status, body } = await ask(question, token)
          expect([question, status]).toEqual([question, 200])
          expect([question, MARKS.exec(body)?.[0]]).toEqual([question, undefined])
        }
        if (MARKS.test((await ask(question, PRIVILEGED)).body)) withIds++
      }
      expect([path, withIds > 0]).toEqual([path, WITH_IDS.includes(path)])
    }
  })
})

describe('a mask', () => {
  test('is the same for an id wherever it stands, and another for another id', async () => {
    const { masked, full } = await both<UsersAnswer>('/users?by=bytes')
    const maskOf = new Map(full.users.map(({ user }, k) => [user, masked.users[k].user]))
    expect([...maskOf.keys()].sort()).toEqual(USERS.map(String).sort())
    expect(new Set(maskOf.values()).size).toBe(USERS.length)
    for (const mask of maskOf.values()) expect(mask).toMatch(/^#[0-9a-f]{12}$/)
    for (const user of USERS.map(String)) {
      const mask = maskOf.get(user)
      expect((await json<UserAnswer>(`/users/${encoded(user)}`, READ)).user).toBe(mask)
      const { samples } = await json<TailAnswer>(`/tail?limit=100&user=${encoded(user)}`, READ)
      expect(samples.length).toBeGreaterThan(1)
      expect(new Set(samples.map(({ sample }) => sample.user_id))).toEqual(new Set([mask]))
    }
    const orphans = await both<NewestAnswer<GivenUp>>('/orphans')
    expect(orphans.masked.records.map(({ user }) => user)).toEqual(
      orphans.full.records.map(({ user }) => maskOf.get(user!)),
    )
  })

  test('leaves what a reader looks for: items, labels, places, times and counts', async () => {
    const tails = await both<TailAnswer>('/tail?limit=100')
    const shown = ['item_id', 'view_time', 'labels', 'delays_ms', 'late_view'] as const
    const of = ({ samples }: TailAnswer) => samples.map(({ sample }) => shown.map((name) => sample[name]))
    expect(of(tails.masked)).toEqual(of(tails.full))
    expect(new Set(tails.masked.samples.map(({ sample }) => sample.view))).toEqual(new Set(['(masked)']))
    const user = await both<UserAnswer>(`/users/${encoded(USERS[0])}`)
    const { timeMs, deadlineMs, labels, itemId, offset } = user.full.pendingViews[0]
    expect(user.masked.pendingViews[0]).toMatchObject({ timeMs, deadlineMs, labels, itemId, offset })
    expect(user.masked.waiting.map(({ itemId: item }) => item)).toEqual(
      user.full.waiting.map(({ itemId: item }) => item),
    )
    expect(user.masked.timers.map(({ what }) => what)).toContain(`${NAME}-engagements/${user.full.waiting[0].offset}`)
    expect(await json('/config', READ)).toEqual(await json('/config', PRIVILEGED))
  })

  test('stands in the sentences of an explanation, which says the same but for the ids', async () => {
    const path = `/explain/${encoded(idOf(sealed[0]))}`
    const { masked, full } = await both<Explanation>(path)
    expect(masked).toMatchObject({ status: 'sealed', labels: full.labels, seal: full.seal, notes: full.notes })
    expect(masked.view).toMatchObject({ itemId: full.view!.itemId, record: '(masked)' })
    expect(masked.engagements.map(({ outcome }) => outcome)).toEqual(full.engagements.map(({ outcome }) => outcome))
    const unknown = await both<Explanation>(`/explain/${MARK}-nowhere`)
    expect(unknown.full.summary).toBe(`No sample ${MARK}-nowhere is known: no view of this id is in the log.`)
    expect(unknown.masked.summary).toMatch(/^No sample #[0-9a-f]{12} is known: no view of this id is in the log\.$/)
  })

  test('covers what code threw over a record', async () => {
    const { masked, full } = await both<UserAnswer>(`/users/${encoded(USERS[0])}`)
    expect(full.lastRestart!.error).toContain(MARK)
    expect(masked.lastRestart).toMatchObject({ error: '(masked)', culprit: full.lastRestart!.culprit })
    const { records } = await json<NewestAnswer<DeadLetterRow>>('/dead', READ)
    expect(records.map(({ reason }) => reason)).toContain('crashed its actor twice: (masked)')
    const told = await json<Explanation>(`/explain/${CRASHED_TWICE}`, READ)
    expect(told).toMatchObject({ status: 'quarantined', summary: expect.stringContaining('twice: (masked)') })
  })

  test('is not got around by asking for the beginnings of ids', async () => {
    expect((await ask(`/users?prefix=${MARK}`, PRIVILEGED)).status).toBe(200)
    for (const token of [READ, BOTH]) {
      const { status, body } = await ask(`/users?prefix=${MARK}`, token)
      expect([status, body]).toEqual([403, expect.stringMatching(/^{"error":"prefix: .*privileged token"}$/)])
    }
  })
})

describe('what somebody else wrote into a side output', () => {
  test('is told as such, and nobody is told what it holds', async () => {
    const { records } = await json<NewestAnswer<GivenUp>>('/late', PRIVILEGED)
    expect(records.map(({ reason }) => reason).sort()).toEqual(['late', 'not a record of a node', 'outside'])
  })

  test('and what fails inside is told to who may see ids alone, and to the log by its route', async () => {
    const { log } = world
    const { ends } = log
    log.ends = () => Promise.reject(new Error('put in by a test'))
    try {
      const [masked, full] = [await ask('/late', READ), await ask('/late', PRIVILEGED)]
      expect([masked.status, full.status]).toEqual([500, 500])
      expect(masked.body).toBe('{"error":"it failed: a privileged token is told why"}')
      expect(full.body).toBe('{"error":"put in by a test"}')
    } finally {
      log.ends = ends
    }
    expect(logged).toHaveLength(2)
    expect(logged.join()).not.toMatch(MARKS)
  })
})
