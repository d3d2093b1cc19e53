/**
 * Any node answers for all: two nodes in a group of the real broker, with tokens and masked ids. Each is asked for what
 * the other owns, and for what all have; nodes ask each other with the token of their configuration.
 */
import { join } from 'node:path'
import type { Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClusterAnswer, OwnerAnswer } from '../../src/inspect/cluster.ts'
import type { Explanation } from '../../src/inspect/explanation.ts'
import type { ClusterLedger } from '../../src/inspect/ledgerRoute.ts'
import type { ClusterDelays } from '../../src/inspect/overview.ts'
import type { PartitionsAnswer } from '../../src/inspect/partitions.ts'
import type { GivenUp, NewestAnswer } from '../../src/inspect/sideOutputs.ts'
import type { TailAnswer, TailSample } from '../../src/inspect/tail.ts'
import type { UserAnswer } from '../../src/inspect/userAnswer.ts'
import type { UsersAnswer } from '../../src/inspect/users.ts'
import { COMMANDS } from '../../src/shell/commands.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { plainClient } from '../support/kafkaTools.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { type Event, makeTopics, writeWorld } from '../support/pageWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { until } from '../support/until.ts'

const TOKENS = { ANY_READ: 'read-token-of-any-node', ANY_PRIVILEGED: 'privileged-token-of-any-node' }
const IDS = ['node-a', 'node-b'] as const
const USERS = Array.from({ length: 12 }, (_, k) => `user-${k}`)
const PARTITIONS = 4
const FIRST_MS = -9_000
/** Nodes answer so many questions a second and no more. */
const PATIENCE = { everyMs: 100 }
const OPEN_AFTER_MS = 5_000

let broker: SharedBroker
let program: Program
let dir: TempDir
let nodes: Record<string, NodeProcess> = {}
const urls: Record<string, string> = {}

async function ask<T>(node: string, path: string, token = TOKENS.ANY_PRIVILEGED, status = 200): Promise<T> {
  const answer = await fetch(`${urls[node]}${path}`, { headers: { authorization: `Bearer ${token}` } })
  const body = await answer.text()
  expect([path, answer.status, body.slice(0, 400)]).toEqual([path, status, body.slice(0, 400)])
  return JSON.parse(body) as T
}

const view = (user: string, ms: number): Event => {
  return { view_id: `${user}-view-${ms}`, user_id: user, item_id: `item-${ms}`, event_time: startMs + ms }
}
const clickOn = (seen: Event, ms: number): Event => ({ ...seen, type: 'click', event_time: seen.event_time + ms })
const startMs = Date.now() - OPEN_AFTER_MS

/**
 * A source that is known to be empty holds no clock back: the first events of each only see to it that none is, in
 * whatever order they are read.
 */
async function fill(name: string, producer: Producer): Promise<void> {
  const first = USERS.map((user) => view(user, FIRST_MS))
  await producer.send({ topic: `${name}-views`, messages: messagesOf(first) })
  const unused = first.map((seen) => ({ ...seen, type: 'of no label' }))
  await producer.send({ topic: `${name}-engagements`, messages: messagesOf(unused) })
  const areTaken = async (): Promise<boolean> => {
    const { total } = await ask<ClusterLedger>('node-a', '/ledger/cluster')
    return total.records === first.length + unused.length
  }
  await until('the first events', areTaken, PATIENCE)
}

const messagesOf = (events: readonly Event[]) =>
  events.map((event) => ({ key: event.user_id, value: JSON.stringify(event) }))

/** Of each user a view that is sealed with a click and one too late for it, and one that stays open. */
async function send(name: string): Promise<void> {
  const producer = plainClient(broker.brokers).producer()
  await producer.connect()
  await fill(name, producer)
  const sealed = USERS.map((user) => view(user, 0))
  const open = USERS.map((user) => view(user, OPEN_AFTER_MS))
  const clicks = sealed.flatMap((seen) => [clickOn(seen, 400), clickOn(seen, 1200)])
  await producer.sendBatch({
    topicMessages: [
      { topic: `${name}-views`, messages: messagesOf([...sealed, ...open]) },
      { topic: `${name}-engagements`, messages: messagesOf([...clicks, ...open.map((seen) => clickOn(seen, 10))]) },
    ],
  })
  await producer.disconnect()
}

async function bothHaveSome(): Promise<boolean> {
  const { members, isMoving } = await ask<ClusterAnswer>('node-a', '/cluster')
  const ready = await Promise.all(IDS.map((id) => fetch(`${urls[id]}/ready`)))
  const isShared = members.length === IDS.length && members.every(({ partitions }) => partitions.length > 0)
  return !isMoving && isShared && ready.every(({ ok }) => ok)
}

/** Of what is looked at: not of the first events. */
const isSecond = ({ sample }: TailSample): boolean => String(sample.sample_id).endsWith('-view-0')

async function allIsThere(): Promise<boolean> {
  const { samples } = await ask<TailAnswer>('node-a', '/tail?limit=100')
  const { count } = await ask<NewestAnswer<GivenUp>>('node-a', '/late')
  return samples.filter(isSecond).length === USERS.length && count === USERS.length
}

beforeAll(async () => {
  broker = await sharedBroker()
  program = await buildProgram()
  dir = await tempDir()
  const name = uniqueName('any')
  await makeTopics(broker.brokers, name, PARTITIONS)
  const control = {
    port: 0,
    requestsPerS: 100_000,
    mask: true,
    tokens: { read: 'env:ANY_READ', privileged: 'env:ANY_PRIVILEGED' },
  }
  // Longer than all that is asked once a node is gone: until its session has run out, what it had stays its own.
  const kafka = { brokers: [broker.brokers], group: name, sessionTimeout: '60s' }
  const world = { name, brokers: broker.brokers, node: { control, kafka }, time: { idleAfter: '10m' } }
  const configs = await Promise.all(IDS.map((id) => writeWorld(join(dir.path, id), world)))
  nodes = Object.fromEntries(
    IDS.map((id, k) => [id, new NodeProcess(program.folder, configs[k], id, undefined, TOKENS)]),
  )
  for (const id of IDS) urls[id] = await nodes[id].ready
  await until('a cluster of two', bothHaveSome, PATIENCE)
  await send(name)
  await until('every sample', allIsThere, PATIENCE)
}, 120_000)

afterAll(async () => {
  for (const node of Object.values(nodes)) if (node.isRunning) await node.kill()
  await broker?.stop()
  await program?.remove()
  await dir?.remove()
})

/** A user of whom this node is not the owner. */
async function foreignUser(node: string): Promise<{ user: string; owner: string }> {
  for (const user of USERS) {
    const { owner, isHere } = await ask<OwnerAnswer>(node, `/owner?user=${user}`)
    if (!isHere) return { user, owner: owner!.id }
  }
  throw new Error(`${node} owns all of ${USERS.join(', ')}`)
}

describe.each(IDS)('%s', (node) => {
  it('answers for a user that the other owns, from its actor there', async () => {
    const { user, owner } = await foreignUser(node)
    expect(owner).not.toBe(node)
    const told = await ask<UserAnswer>(node, `/users/${user}`)
    expect(told).toMatchObject({ user, node: owner, state: 'live', pendingCount: 1, waitingCount: 1 })
    expect(told.pendingViews[0]).toMatchObject({ sampleId: `${user}-view-${OPEN_AFTER_MS}` })
    // Who is asked by a node answers for itself alone: no question goes round.
    await ask(node, `/users/${user}?local=true`, undefined, 503)
  })

  it('explains samples of the other, sealed and pending', async () => {
    const { user, owner } = await foreignUser(node)
    const sealed = await ask<Explanation>(node, `/explain/${user}-view-0?user=${user}&at=${startMs}`)
    expect(sealed).toMatchObject({ status: 'sealed', notes: [], emission: { agrees: true, labels: { click: 1 } } })
    expect(sealed.engagements.map(({ outcome }) => outcome)).toEqual(['counted', 'outside'])
    const at = `user=${user}&at=${startMs + OPEN_AFTER_MS}`
    const pending = await ask<Explanation>(node, `/explain/${user}-view-${OPEN_AFTER_MS}?${at}`)
    expect(pending).toMatchObject({ status: 'pending', notes: [], engagements: [{ outcome: 'waiting' }] })
    expect(pending.view).toEqual((await ask<Explanation>(owner, `/explain/${pending.sampleId}?${at}`)).view)
  })

  it('tells all users, partitions, samples and what was late, of both', async () => {
    const all = await ask<UsersAnswer>(node, '/users?limit=100')
    expect(all).toMatchObject({ inMemory: USERS.length, liveActors: USERS.length, silent: [] })
    expect(all.users.map(({ user }) => user).sort()).toEqual([...USERS].sort())
    expect(new Set(all.users.map((row) => row.node))).toEqual(new Set(IDS))
    const { partitions } = await ask<PartitionsAnswer>(node, '/partitions')
    expect(partitions.map(({ partition }) => partition)).toEqual([0, 1, 2, 3])
    expect(new Set(partitions.map((one) => one.node))).toEqual(new Set(IDS))
    const samples = (await ask<TailAnswer>(node, '/tail?limit=100')).samples.filter(isSecond)
    expect(samples.map(({ sample }) => String(sample.user_id)).sort()).toEqual([...USERS].sort())
    expect(samples.every(({ sample }) => (sample.labels as { click: number }).click === 1)).toBe(true)
    const late = await ask<NewestAnswer<GivenUp>>(node, '/late?limit=100')
    expect(late.records.map(({ user }) => user).sort()).toEqual([...USERS].sort())
    const delays = COMMANDS.find(({ name }) => name === 'delays')!
    const { sealedViews, labels, silent } = await ask<ClusterDelays>(node, delays.path('', {}))
    expect({ sealedViews, positives: labels[0].positives, silent }).toEqual({
      // Of each user the first view, and the one with a click.
      sealedViews: 2 * USERS.length,
      positives: USERS.length,
      silent: [],
    })
  })

  it('asks the other with its own token, and masks what it is told for who may not see it', async () => {
    const { user, owner } = await foreignUser(node)
    expect((await fetch(`${urls[owner]}/users/${user}?local=true`)).status).toBe(401)
    const masked = await ask<UserAnswer>(node, `/users/${user}`, TOKENS.ANY_READ)
    expect(masked).toMatchObject({ node: owner, pendingCount: 1, user: expect.stringMatching(/^#/) })
    const questions = ['/users?limit=100', `/users/${user}`, `/explain/${user}-view-0?user=${user}&at=${startMs}`]
    for (const path of [...questions, '/tail?limit=100', '/late']) {
      const [own, others] = [await ask(node, path, TOKENS.ANY_READ), await ask(owner, path, TOKENS.ANY_READ)]
      expect(JSON.stringify([own, others])).not.toContain('user-')
    }
    // The same mask from whichever node.
    expect((await ask<UserAnswer>(owner, `/users/${user}`, TOKENS.ANY_READ)).user).toBe(masked.user)
  })
})

describe('when the other is gone', () => {
  it('a node says who does not answer, and tells from the log what it can', async () => {
    const { user, owner } = await foreignUser('node-a')
    await nodes[owner].kill()
    const { error } = await ask<{ error: string }>('node-a', `/users/${user}`, undefined, 502)
    expect(error).toMatch(/^node node-b at .* does not answer: ECONN/)
    const { users, silent } = await ask<UsersAnswer>('node-a', '/users?limit=100')
    expect(silent).toEqual([{ node: 'node-b', reason: error }])
    expect(new Set(users.map(({ node }) => node))).toEqual(new Set(['node-a']))
    const delays = await ask<ClusterDelays>('node-a', '/overview/delays')
    expect(delays.silent).toEqual([{ node: 'node-b', reason: error }])
    expect(delays.sealedViews).toBeLessThan(2 * USERS.length)
    const sealed = await ask<Explanation>('node-a', `/explain/${user}-view-0?user=${user}&at=${startMs}`)
    expect(sealed).toMatchObject({ status: 'sealed', emission: { labels: { click: 1 }, node: 'node-b' } })
    // The owner may have emitted the sample and been killed before it committed: then that is said too.
    expect(sealed.notes.filter((note) => !note.startsWith('the view lies beyond what was joined so far'))).toEqual([
      `${error}: told from the log, as of the owner's last commit`,
    ])
  })
})
