/**
 * Another pipeline comes to a group that runs, on a real broker: refused without being asked for, let in node by node
 * where the change can be rolled out, refused over what is pending where it cannot.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import type { Ledger } from '../support/endToEnd.ts'
import { Loader, userOfEach } from '../support/loadEvents.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { dumpTopics } from '../support/topicReader.ts'

const T = 1_700_000_000_000
const PARTITIONS = 2
const USERS = userOfEach(PARTITIONS, (i) => `user ${i}`)
const ALLOW = ['--allow-pipeline-change']
const WRONG_USE = 2

const click = (within: string) => ({ on: 'click', within, fold: 'any', default: 0 })
const buy = { on: 'buy', within: '5s', fold: 'any', default: null }
const OLD = { click: click('10s') }
const NEW = { ...OLD, buy }
const LONGER = { click: click('20s') }

interface Event {
  readonly view: string
  readonly atMs: number
  /** Absent: it is the view. */
  readonly type?: string
}

const name = uniqueName('change')
const topics = { views: `${name}-views`, engagements: `${name}-engagements`, samples: `${name}-samples` }
const nodes: NodeProcess[] = []
let broker: SharedBroker
let program: Program
let dir: TempDir
let loader: Loader
let sent = 0

beforeAll(async () => {
  ;[broker, program, dir] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
  loader = new Loader(broker.brokers)
  await loader.createTopics([topics.views, topics.engagements], PARTITIONS)
})
afterAll(async () => {
  for (const node of nodes) if (node.isRunning) await node.kill()
  await loader?.close()
  await Promise.all([broker?.stop(), program?.remove(), dir?.remove()])
})

/** To each user the same. */
async function send(events: readonly Event[]): Promise<void> {
  const record = (user: string, { view, atMs, type }: Event) => ({
    key: user,
    value: Buffer.from(JSON.stringify({ view, user, item: 'item', time: T + atMs, type })),
    stampMs: T + atMs,
  })
  for (const user of USERS) {
    const [views, engagements] = [events.filter(({ type }) => !type), events.filter(({ type }) => type)]
    if (views.length > 0)
      await loader.send(
        topics.views,
        views.map((event) => record(user, event)),
      )
    if (engagements.length > 0)
      await loader.send(
        topics.engagements,
        engagements.map((event) => record(user, event)),
      )
  }
  sent += events.length * USERS.length
}

async function start(id: string, labels: object, further: readonly string[] = []): Promise<NodeProcess> {
  const folder = join(dir.path, id)
  await mkdir(folder, { recursive: true })
  const fields = { viewId: 'view', userId: 'user', itemId: 'item', time: { field: 'time', unit: 'ms' } }
  const pipeline = {
    name,
    sources: {
      views: { topic: topics.views, format: { type: 'json' }, fields },
      engagements: [{ topic: topics.engagements, format: { type: 'json' }, fields: { ...fields, type: 'type' } }],
    },
    labels,
    time: { outOfOrderness: '1s', allowedLateness: '1s', idleAfter: '1h', maxClockSkew: 'off' },
    createTopics: true,
    sinks: [{ type: 'kafka', topic: topics.samples, format: 'json' }],
    sideOutputs: { late: `${name}-late`, orphans: `${name}-orphans`, deadLetters: `${name}-dead` },
  }
  const node = { kafka: { brokers: [broker.brokers] }, dataDir: join(folder, 'data'), control: { port: 0 } }
  await writeFile(join(folder, 'pipeline.yaml'), stringify(pipeline))
  await writeFile(join(folder, 'node.yaml'), stringify({ ...node, commitEvery: '100ms' }))
  const started = new NodeProcess(program.folder, folder, id, () => {}, {}, further)
  nodes.push(started)
  return started
}

const fingerprintOf = (id: string): string =>
  loadConfig(join(dir.path, id), process.env).pipeline.fingerprint.slice(0, 12)

/** Resolves when the running nodes have these partitions live, and all that was sent is taken in. */
async function settled(...running: NodeProcess[]): Promise<Ledger['total'][]> {
  for (;;) {
    for (const node of running) if (!node.isRunning) throw new Error(`a node ended by itself:\n${node.tail()}`)
    const urls = await Promise.all(running.map(({ ready }) => ready))
    const states = await Promise.all(
      urls.map(async (url) => (await (await fetch(`${url}/status`)).json()) as NodeStatus),
    )
    const live = states.map(({ partitions }) => partitions.filter(({ state }) => state === 'live').length)
    const ledgers = await Promise.all(urls.map(async (url) => (await (await fetch(`${url}/ledger`)).json()) as Ledger))
    const totals = ledgers.map(({ total }) => total)
    const records = totals.reduce((sum, total) => sum + total.records, 0)
    if (live.every((count) => count === PARTITIONS / running.length) && records === sent) return totals
    await sleep(50)
  }
}

it('is refused, rolled out, or refused over what is pending', { timeout: 180_000 }, async () => {
  const old = await start('old', OLD)
  await old.ready
  // The watermark moves beyond the first view; the second is younger than the change to come.
  await send([
    { view: 'v1', atMs: 0 },
    { view: 'v1', atMs: 1_000, type: 'click' },
    // A replay for the click's sake reads it again.
    { view: 'v1', atMs: 2_000, type: 'buy' },
  ])
  await send([
    { view: 'v2', atMs: 5_000 },
    { view: 'v2', atMs: 5_500, type: 'buy' },
  ])
  await settled(old)

  const refused = [await start('unasked', NEW), await start('longer', LONGER, ALLOW)]
  expect(await Promise.all(refused.map(({ exited }) => exited))).toEqual([WRONG_USE, WRONG_USE])
  const [unasked, longer] = refused.map((node) => node.tail())
  for (const [id, said] of [
    ['unasked', unasked],
    ['longer', longer],
  ]) {
    expect(said).toContain(
      `this node's pipeline (${fingerprintOf(id)}) is not that of node old (${fingerprintOf('old')})`,
    )
  }
  expect(unasked).toContain('differs in labels (their order), labels.buy: give all nodes the same')
  expect(longer).toContain('differs in labels (the longest within), labels.click')
  expect(longer).toContain('cannot be rolled out')
  // Nothing of it has reached the node that runs.
  await send([{ view: 'v3', atMs: 6_000 }])
  await settled(old)

  const fresh = await start('new', NEW, ALLOW)
  await fresh.ready
  await settled(old, fresh)
  await send([{ view: 'v3', atMs: 6_500, type: 'buy' }])
  await settled(old, fresh)
  expect(await old.terminate(), old.tail()).toBe(0)
  const [{ pending }] = await settled(fresh)
  expect(pending).toBe(3 * USERS.length)
  expect(await fresh.terminate(), fresh.tail()).toBe(0)

  // Nobody is there to refuse it, but what the group has committed is.
  const alone = await start('longer', { ...LONGER, buy })
  expect(await alone.exited).toBe(1)
  expect(alone.tail()).toMatch(
    /the longest within of labels was 10000 ms and is 20000 ms now, while \d+ views and engag/,
  )

  const last = await start('new', NEW)
  await last.ready
  await send([
    { view: 'closing', atMs: 60_000 },
    { view: 'closing', atMs: 60_000, type: 'click' },
  ])
  await settled(last)
  expect(await last.terminate(), last.tail()).toBe(0)
  const samples = (await dumpTopics(broker.brokers, [topics.samples])).get(topics.samples)!
  const labels = samples.map(({ value }) => {
    const { user_id: user, view, labels } = JSON.parse(String(value)) as Record<string, unknown>
    return [user, (view as { view: string }).view, labels]
  })
  const expected = USERS.flatMap((user) => [
    [user, 'v1', { click: 1, buy: null }],
    [user, 'v2', { click: 0, buy: 1 }],
    [user, 'v3', { click: 0, buy: 1 }],
  ])
  expect(labels).toEqual(expected)
})
