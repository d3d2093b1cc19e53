/**
 * What Kubernetes sees of a node that drains: `/ready` says no from the signal on, so that no traffic comes any more, and
 * `/health` says yes until the end, so that nobody kills it half-way. The broker is held up, so that draining takes a while.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NodeStatus, Readiness } from '../../src/inspect/status.ts'
import { type Broker, ownBroker } from '../support/broker.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { makeTopics, writeWorld } from '../support/pageWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

/** Of the time that a node may take to stop, which is 10 s. */
const HELD_UP_MS = 2_000
const LOOK_MS = 50
const PARTITIONS = 4
/** The controller, held up in the same process, must not take its broker for dead when it goes on. */
const LONG_SESSION = ['broker.session.timeout.ms=30000']

let broker: Broker
let program: Program
let dir: TempDir
let node: NodeProcess | undefined

beforeAll(async () => {
  ;[broker, program, dir] = await Promise.all([ownBroker({ extra: LONG_SESSION }), buildProgram(), tempDir()])
}, 120_000)
afterAll(async () => {
  if (node?.isRunning) await node.kill()
  await broker?.stop()
  await program?.remove()
  await dir?.remove()
})

async function probe(url: string, path: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${url}${path}`)
  return { status: answer.status, body: await answer.text() }
}

test.each([
  ['joins its sources', {}],
  ['repartitions too', { repartition: { topic: 'drain-all', partitions: 4 } }],
])('a node that %s is not ready while it drains, and alive', { timeout: 60_000 }, async (what, pipeline) => {
  const name = `drain-${what.split(' ')[0]}`
  await makeTopics(broker.brokers, name)
  node = new NodeProcess(
    program.folder,
    await writeWorld(join(dir.path, name), { name, brokers: broker.brokers, pipeline }),
  )
  const url = await node.ready
  while ((await probe(url, '/ready')).status !== 200) await sleep(LOOK_MS)
  expect((await probe(url, '/metrics')).body).toMatch(/^postview_ready(\{.*\})? 1$/m)

  broker.signal('SIGSTOP')
  node.signal('SIGTERM')
  while (!node.lines.some((line) => line.includes('"stopping"'))) await sleep(LOOK_MS)
  const untilMs = performance.now() + HELD_UP_MS
  let looks = 0
  while (performance.now() < untilMs) {
    const ready = await probe(url, '/ready')
    expect(ready.status, ready.body).toBe(503)
    expect((JSON.parse(ready.body) as Readiness).waitingFor).toContain('the node is stopping')
    expect(await probe(url, '/health')).toEqual({ status: 200, body: '{"alive":true}' })
    looks++
    await sleep(LOOK_MS)
  }
  expect(looks).toBeGreaterThan(3)
  const { partitions } = JSON.parse((await probe(url, '/status')).body) as NodeStatus
  const metrics = (await probe(url, '/metrics')).body
  broker.signal('SIGCONT')
  expect(metrics).toMatch(/^postview_ready(\{.*\})? 0$/m)
  expect(partitions.map(({ state }) => state)).toEqual(Array(PARTITIONS).fill('draining'))
  expect(metrics.match(/^postview_partition_draining\{partition="\d"\} 1$/gm)).toHaveLength(PARTITIONS)
  expect(await node.exited, node.tail()).toBe(0)
  await expect(probe(url, '/health')).rejects.toThrow()
})

test('a node that cannot stop in time says so, and ends with 1', { timeout: 60_000 }, async () => {
  const name = 'drain-never'
  await makeTopics(broker.brokers, name)
  const config = await writeWorld(join(dir.path, name), { name, brokers: broker.brokers })
  node = new NodeProcess(program.folder, config)
  const url = await node.ready
  while ((await probe(url, '/ready')).status !== 200) await sleep(LOOK_MS)
  broker.signal('SIGSTOP')
  try {
    node.signal('SIGTERM')
    expect(await node.exited, node.tail()).toBe(1)
    expect(node.tail()).toMatch(/"limitMs":10000.*did not stop in time, and ends as it is/)
  } finally {
    broker.signal('SIGCONT')
  }
})
