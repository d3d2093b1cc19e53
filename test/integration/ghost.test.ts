/**
 * A node that was killed and starts again does not wait for its own session: it takes its dead process out of the group.
 * The session lasts longer than this test, so that nobody else can have ended it.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { makeTopics, writeWorld } from '../support/pageWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { until } from '../support/until.ts'

/** Less than the group waits for a member to join again, too (REBALANCE_TIMEOUT_MS, a minute). */
const TEST_MS = 50_000
const SESSION = `${(4 * TEST_MS) / 1000}s`

let broker: SharedBroker
let program: Program
let dir: TempDir
const nodes: NodeProcess[] = []

beforeAll(async () => {
  ;[broker, program, dir] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
}, 120_000)
afterAll(async () => {
  for (const node of nodes) if (node.isRunning) await node.kill()
  await broker?.stop()
  await program?.remove()
  await dir?.remove()
})

async function start(config: string, id: string): Promise<NodeProcess> {
  const node = new NodeProcess(program.folder, config, id)
  nodes.push(node)
  const url = await node.ready
  await until(`${id} has all partitions: ${node.tail()}`, async () => {
    const { partitions } = (await (await fetch(`${url}/status`)).json()) as NodeStatus
    return partitions.length === 4 && partitions.every(({ state }) => state === 'live')
  })
  return node
}

/** By its repartitioner. */
async function untilRepartitioning(node: NodeProcess): Promise<void> {
  const url = await node.ready
  await until(`it has all partitions of the sources: ${node.tail()}`, async () => {
    const { repartition } = (await (await fetch(`${url}/status`)).json()) as NodeStatus
    return repartition?.sources.length === 8
  })
}

test.each(['node-1', 'another-name'])(
  'after kill -9 the same data folder is live at once as %s',
  {
    timeout: TEST_MS,
  },
  async (id) => {
    const name = uniqueName('ghost')
    await makeTopics(broker.brokers, name)
    const kafka = { brokers: [broker.brokers], group: name, sessionTimeout: SESSION }
    const config = await writeWorld(join(dir.path, name), { name, node: { kafka } })
    const first = await start(config, 'node-1')
    await first.kill()
    const second = await start(config, id)
    expect(await second.terminate(), second.tail()).toBe(0)
  },
)

test('so does a node that repartitions, in the group that it does so in', { timeout: TEST_MS }, async () => {
  const name = uniqueName('ghost')
  await makeTopics(broker.brokers, name)
  const kafka = { brokers: [broker.brokers], group: name, sessionTimeout: SESSION }
  const pipeline = { repartition: { topic: `${name}-events` } }
  const config = await writeWorld(join(dir.path, name), { name, node: { kafka }, pipeline })
  const first = await start(config, 'node-1')
  await untilRepartitioning(first)
  await first.kill()
  const second = await start(config, 'node-1')
  await untilRepartitioning(second)
  expect(await second.terminate(), second.tail()).toBe(0)
})
