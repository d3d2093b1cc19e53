/**
 * Planted secrets: tokens in the environment, ids of users and views in the events, bad and quarantined ones among them.
 * Then everything that a real node says is looked through: its log, each of its routes, and what it says on its way out.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NodeProcess } from '../support/nodeProcess.ts'
import { post, writeWorld } from '../support/pageWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
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
