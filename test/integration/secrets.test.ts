/**
 * Planted secrets: tokens in the environment, ids of users and views in the events, bad and quarantined ones among them;
 * passwords of a broker and a schema registry. Then everything that a real node says is looked through: its log, each of
 * its routes, what commands show of it, and what it says on its way out.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import avro from 'avsc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeRegistry, wire } from '../codec/fakeRegistry.ts'
import { plainClient } from '../support/kafkaTools.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { makeTopics, post, writeWorld } from '../support/pageWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { USER as BROKER_USER, PASSWORD, type SecureBroker, secureBroker } from '../support/secureBroker.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const TOKENS = {
  read: 'planted-read-token-1',
  operate: 'planted-operate-token-1',
  privileged: 'planted-privileged-token-1',
}
const USER = 'planted-user'
const VIEW = 'planted-view'
const NAME = 'secrets'
const LOOK_MS = 100
const HOUR_MS = 3_600_000

let dir: TempDir
let program: Program
let node: NodeProcess
let url: string

beforeAll(async () => {
  dir = await tempDir()
  program = await buildProgram()
  const tokens: Record<string, string> = {}
  for (const [role, token] of Object.entries(TOKENS)) {
    process.env[`PLANTED_${role.toUpperCase()}`] = token
    tokens[role] = `env:PLANTED_${role.toUpperCase()}`
  }
  const control = { port: 0, tokens, mask: true }
  node = new NodeProcess(program.folder, await writeWorld(dir.path, { name: NAME, node: { control } }))
  url = await node.ready
  await send()
})
afterAll(async () => {
  if (node?.isRunning) await node.kill()
  await program?.remove()
  await dir?.remove()
})

const event = (k: number, ms: number) => ({
  view_id: `${VIEW}-${k}`,
  user_id: `${USER}-${k % 3}`,
  item_id: `item-${k}`,
  event_time: Date.now() + ms,
})

async function send(): Promise<void> {
  const views = Array.from({ length: 12 }, (_, k) => event(k, -50))
  const clicks = views.map((view) => ({ ...view, type: 'click' }))
  await post(url, `${NAME}-views`, [...views, views[0], event(90, HOUR_MS)], TOKENS.operate)
  const orphan = { ...event(91, -40), view_id: `${VIEW}-nowhere`, type: 'click' }
  await post(url, `${NAME}-engagements`, [...clicks, orphan], TOKENS.operate)
  const notATime = USER as unknown as number
  const bad = post(url, `${NAME}-views`, [{ ...event(92, 0), event_time: notATime }], TOKENS.operate)
  await expect(bad).rejects.toThrow(/400/)
  const { body } = await ask('/health', TOKENS.read)
  expect(body).toContain('alive')
  while (!/"samples":1\d/.test((await ask('/ledger', TOKENS.read)).body)) await sleep(LOOK_MS)
}

async function ask(path: string, token: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })
  return { status: answer.status, body: await answer.text() }
}

const ROUTES = [
  '/',
  '/health',
  '/ready',
  '/status',
  '/metrics',
  '/ledger',
  '/ledger/cluster',
  '/cluster',
  '/overview',
  '/overview/delays',
  '/delays',
  '/partitions',
  '/partitions/0',
  '/users',
  '/tail?limit=100',
  '/late',
  '/orphans',
  '/dead',
  '/config',
]
/** What names an id itself: what it says of it is masked all the same. */
const LOOKED_UP = [`/users/${USER}-1`, `/explain/${VIEW}-1?user=${USER}-1`, `/owner?user=${USER}-1`]

describe('what a node says', () => {
  it.each([...ROUTES, ...LOOKED_UP])('at %s has no token in it, and no id for who may not see it', async (path) => {
    const masked = await ask(path, TOKENS.read)
    expect(masked.status, masked.body.slice(0, 300)).toBe(200)
    expect(masked.body).not.toContain('planted')
    const full = await ask(path, TOKENS.privileged)
    expect(full.status).toBe(200)
    for (const token of Object.values(TOKENS)) expect(full.body).not.toContain(token)
  })

  it('shows ids in full to a privileged token, and the same hash everywhere to others', async () => {
    const full = await ask('/tail?limit=100', TOKENS.privileged)
    expect(full.body).toContain(`${USER}-1`)
    const masked = (await ask(`/users/${USER}-1`, TOKENS.read)).body
    const { user } = JSON.parse(masked) as { user: string }
    expect(user).toMatch(/^#[0-9a-f]{12}$/)
    expect((await ask('/tail?limit=100', TOKENS.read)).body).toContain(user)
  })

  it('refused and wrong questions repeat nothing', async () => {
    for (const token of [...Object.values(TOKENS), 'planted-wrong-token-1']) {
      for (const path of ['/nothing', '/partitions/x', '/tail?limit=0', '/explain/', '/users/']) {
        expect((await ask(path, token)).body, path).not.toContain('planted')
      }
    }
  })

  it('in its log, to its end, has neither ids nor tokens, and one line for what is wrong', async () => {
    expect(await node.terminate()).toBe(0)
    const log = node.lines.join('\n')
    expect(log).toMatch(/"stopped"/)
    expect(log).not.toContain('planted')
    const dead = node.lines.filter((line) => line.includes('went to the dead letters')).map((line) => JSON.parse(line))
    expect(dead).toEqual([expect.objectContaining({ topic: `${NAME}-views`, partition: expect.any(Number) })])
    expect(dead[0].offset).toEqual(expect.any(Number))
  })
})

describe('passwords of a broker and of a schema registry', () => {
  const name = 'passwords'
  const registryPassword = 'planted-registry-password'
  const wrongPassword = 'planted-wrong-password'
  const pair = (user: string, password: string) => Buffer.from(`${user}:${password}`).toString('base64')
  const secrets = [
    PASSWORD,
    registryPassword,
    wrongPassword,
    pair('reg', registryPassword),
    pair(BROKER_USER, PASSWORD),
    Buffer.from(`\0${BROKER_USER}\0${PASSWORD}`).toString('base64'),
  ]
  const lines: string[] = []
  const registry = new FakeRegistry()
  let secure: SecureBroker
  let folder: string
  let at: string
  let own: NodeProcess

  const expectNone = (text: string, where: string): void => {
    for (const secret of secrets) expect([where, text.includes(secret)]).toEqual([where, false])
  }

  async function configured(id: string, password: string): Promise<string> {
    const file = async (of: string, text: string): Promise<string> => {
      await writeFile(join(dir.path, of), text)
      return `file:${join(dir.path, of)}`
    }
    const sasl = { mechanism: 'scram-sha-512', username: BROKER_USER, password: await file(`${id}-sasl`, password) }
    const kafka = { brokers: [secure.sasl], ssl: { ca: `file:${secure.ca}` }, sasl, group: name }
    const access = { url: registry.url, username: 'reg', password: await file(`${id}-registry`, registryPassword) }
    const fields = { viewId: 'view_id', userId: 'user_id', itemId: 'item_id', time: 'event_time' }
    return writeWorld(join(dir.path, id), {
      name,
      node: { kafka, log: { level: 'trace' } },
      time: { idleAfter: '10m' },
      pipeline: {
        sources: {
          views: { topic: `${name}-views`, format: { type: 'avro', registry: access }, fields },
          engagements: [
            { topic: `${name}-engagements`, format: { type: 'json' }, fields: { ...fields, type: { const: 'click' } } },
          ],
        },
        labels: { click: { on: 'click', within: '1s' } },
        sinks: [{ type: 'kafka', topic: `${name}-samples`, format: { type: 'avro', registry: access } }],
      },
    })
  }

  async function send(): Promise<void> {
    const text = ['view_id', 'user_id', 'item_id'].map((field) => ({ name: field, type: 'string' }))
    const time = { name: 'event_time', type: { type: 'long', logicalType: 'timestamp-millis' } }
    const schema = { type: 'record', name: 'View', fields: [...text, time] }
    registry.set(7, schema)
    const plain = avro.Type.forSchema(schema as avro.Schema)
    const events = [-9000, 0].map((ms, k) => ({ ...event(k, ms), user_id: 'one' }))
    const producer = plainClient(secure.broker.brokers).producer()
    await producer.connect()
    const views = events.map((view) => ({ key: 'one', value: wire(7, plain.toBuffer(view)) }))
    const clicks = events.map((click) => ({ key: 'one', value: JSON.stringify(click) }))
    await producer.send({ topic: `${name}-views`, messages: views })
    await producer.send({ topic: `${name}-engagements`, messages: clicks })
    await producer.disconnect()
  }

  /** A registry, or a proxy before it, that repeats what it was sent. */
  function repeatWhatIsSent(): void {
    registry.fault = (request, response) => {
      const sent = String(request.headers.authorization)
      const decoded = Buffer.from(sent.replace(/^Basic /, ''), 'base64').toString()
      response.writeHead(401, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ message: `who is ${sent}, which is ${decoded}?` }))
      return true
    }
  }

  beforeAll(async () => {
    await registry.start()
    secure = await secureBroker(dir.path)
    await makeTopics(secure.broker.brokers, name)
    folder = await configured('right', PASSWORD)
    own = new NodeProcess(program.folder, folder, 'node-1', (line) => lines.push(line))
    at = await own.ready
    repeatWhatIsSent()
    await send()
    while (!lines.some((line) => line.includes('registry answered 401'))) await sleep(LOOK_MS)
    registry.fault = undefined
    while (!/"samples":1\b/.test(await (await fetch(`${at}/ledger`)).text())) await sleep(LOOK_MS)
  }, 120_000)
  afterAll(async () => {
    if (own?.isRunning) await own.kill()
    await secure?.broker.stop()
    await registry.stop()
  })

  it('are used, and no route tells them', async () => {
    expect(registry.authorizations.at(-1)).toBe(`Basic ${pair('reg', registryPassword)}`)
    for (const path of [...ROUTES, '/users/one', `/explain/${VIEW}-0?user=one&at=${Date.now() - 9000}`]) {
      expectNone(await (await fetch(`${at}${path}`)).text(), path)
    }
    const { node: ofNode, pipeline } = (await (await fetch(`${at}/config`)).json()) as {
      node: { kafka: { sasl: object } }
      pipeline: { sources: { format: { registry: object } }[] }
    }
    expect(ofNode.kafka.sasl).toMatchObject({ username: BROKER_USER, password: '(hidden)' })
    expect(pipeline.sources[0].format.registry).toMatchObject({ username: 'reg', password: '(hidden)' })
  })

  it.each([
    ['inspect', 'config', '--json'],
    ['cluster', 'status', '--json'],
    ['check', '--json'],
    ['inspect', 'dead'],
  ])('are not shown by %s %s', async (...words) => {
    const shown = await program.run([...words.filter(Boolean), '--config', folder])
    expect(shown.length).toBeGreaterThan(10)
    expectNone(shown, words.join(' '))
  })

  it('are in no error: of a registry that repeats them, of one that is gone, of a broker that refuses', async () => {
    repeatWhatIsSent()
    const refused = new NodeProcess(program.folder, await configured('wrong', wrongPassword), 'node-2')
    expect(await refused.exited).toBe(1)
    await refused.ready.catch(() => {})
    expect(refused.lines.join('\n')).toMatch(/authentication/i)
    expectNone(refused.lines.join('\n'), 'the log of a node that is refused')
    await registry.stop()
    const failed = await program.run(['check', '--config', join(dir.path, 'wrong', 'config')]).catch((error) => {
      const { stdout, stderr } = error as { stdout: string; stderr: string }
      return stdout + stderr
    })
    expect(failed).toMatch(/PROBLEM/)
    expectNone(failed, 'check')
  })

  it('are not in the log, at its most talkative, to its end', async () => {
    expect(await own.terminate()).toBe(0)
    const log = lines.join('\n')
    expect(log).toMatch(/registry answered 401/)
    expect(log).toMatch(/"stopped"/)
    expectNone(log, 'the log')
  })
})
