/**
 * Retention that has passed what a start needs, on a real broker (DeleteRecords): the partition alone stops, with the
 * range; exactly that range is accepted, and declared from then on.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ClusterLedger } from '../../src/inspect/ledgerRoute.ts'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { type Broker, ownBroker, SHORT_SESSIONS } from '../support/broker.ts'
import { PARTITIONS, TOPICS, writeConfig } from '../support/crashPipeline.ts'
import { plainClient } from '../support/kafkaTools.ts'
import { openKafkaWorld } from '../support/kafkaWorld.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { Traffic } from '../support/traffic.ts'

const STEPS = 60
const LOOK_EVERY_MS = 50

let broker: Broker
let dir: TempDir
let built: Program

beforeAll(async () => {
  ;[broker, dir, built] = await Promise.all([ownBroker({ extra: SHORT_SESSIONS }), tempDir(), buildProgram()])
}, 60_000)

afterAll(async () => {
  await broker?.stop()
  await Promise.all([dir?.remove(), built?.remove()])
})

async function until<T>(node: NodeProcess, path: string, isSo: (answer: T) => boolean): Promise<T> {
  const url = await node.ready
  for (;;) {
    if (!node.isRunning) throw new Error(`the node ended by itself:\n${node.tail()}`)
    const answer = await fetch(url + path).then(
      (response) => response.json() as Promise<T>,
      () => undefined,
    )
    if (answer !== undefined && isSo(answer)) return answer
    await sleep(LOOK_EVERY_MS)
  }
}

const isLive = ({ partitions }: NodeStatus): boolean =>
  partitions.length === PARTITIONS && partitions.every(({ state }) => state === 'live')

it('stops the partition with the missing range, and goes on when exactly that is accepted', {
  timeout: 150_000,
}, async () => {
  const world = await openKafkaWorld(broker.brokers)
  const config = join(dir.path, 'config')
  const dataFolder = join(dir.path, 'data')
  await writeConfig(config, { brokers: broker.brokers, dataFolder, isJournalOn: true })
  const traffic = new Traffic(31)
  for (let k = 0; k < STEPS; k++) await world.send(traffic.step())
  const start = (...more: string[]): NodeProcess => new NodeProcess(built.folder, config, 'node-1', undefined, {}, more)
  let node = start()
  try {
    await until<NodeStatus>(node, '/status', (status) => isLive(status) && status.totals.lag === 0)
    expect(await node.terminate()).toBe(0)

    const committed = (await world.committed()).find(({ topic, partition }) => topic === TOPICS[0] && partition === 1)!
    const admin = plainClient(broker.brokers).admin()
    await admin.connect()
    const low = committed.offset - 3
    // kafkajs looks the leader up in metadata that nothing else has loaded yet.
    await admin.fetchTopicOffsets(TOPICS[0])
    await admin.deleteTopicRecords({ topic: TOPICS[0], partitions: [{ partition: 1, offset: String(low) }] })
    await admin.disconnect()
    await rm(join(dataFolder, 'journal'), { recursive: true })

    const isSettled = ({ partitions }: NodeStatus): boolean =>
      partitions.length === PARTITIONS && partitions.every(({ state }) => state !== 'replaying')
    node = start('--accept-loss', `${TOPICS[0]}:1:0-7`)
    const stopped = await until<NodeStatus>(node, '/status', isSettled)
    expect(stopped.partitions.map(({ state }) => state)).toEqual(['live', 'stopped', 'live', 'live'])
    const reason = stopped.partitions[1].reason!
    expect(reason).toContain(`${TOPICS[0]}:1:0-7 was accepted, which is another.`)
    const range = /--accept-loss (\S+:1:(\d+)-(\d+))/.exec(reason)!
    expect(Number(range[3])).toBe(low - 1)
    // The others go on joining.
    for (let k = 0; k < 5; k++) await world.send(traffic.step())
    const isJoined = ({ partitions }: NodeStatus): boolean =>
      partitions.every(({ partition, sources }) => partition === 1 || sources.every(({ lag }) => lag === 0))
    await until<NodeStatus>(node, '/status', isJoined)
    expect(await node.terminate()).toBe(1)
    expect(node.lines.some((line) => line.startsWith('postview: ') && line.includes(range[1]))).toBe(true)
    const still = (await world.committed()).find(({ topic, partition }) => topic === TOPICS[0] && partition === 1)!
    expect(still).toEqual(committed)

    node = start('--accept-loss', range[1])
    await until<NodeStatus>(node, '/status', (status) => isLive(status) && status.totals.lag === 0)
    const lost = [{ partition: 1, topic: TOPICS[0], from: Number(range[2]), to: Number(range[3]) }]
    const ledger = await until<ClusterLedger>(node, '/ledger/cluster', (answer) => answer.lost.length > 0)
    expect(ledger.lost).toEqual(lost)
    expect(ledger.balances).toBe(true)
    expect(ledger.total.viewsLost).toBeGreaterThan(0)
    expect(await node.terminate()).toBe(0)

    // It is declared by the commits, and nothing is to be accepted again.
    node = start()
    await until<NodeStatus>(node, '/status', isLive)
    expect((await until<ClusterLedger>(node, '/ledger/cluster', () => true)).lost).toEqual(lost)
    expect(await node.terminate()).toBe(0)
  } finally {
    await node.kill()
    await world.close()
  }
})
