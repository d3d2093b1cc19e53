/**
 * Shared snapshots on a real broker: a node with an empty data folder takes partitions over from what another has left in
 * a folder or a topic, replays the tail alone, and every sample is the oracle's; also where the other was killed while it
 * was writing one.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { type Broker, ownBroker, SHORT_SESSIONS } from '../support/broker.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { GROUP, LONGEST_WINDOW_MS, PARTITIONS, writeConfig } from '../support/crashPipeline.ts'
import { openKafkaWorld } from '../support/kafkaWorld.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'

/** Event time runs slowly enough that a snapshot of a second or two ago is still of use: else the log alone is rightly read. */
const STEP_EVERY_MS = 80
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

it('a node with nothing of its own goes on from what the one before has shared, and replays the tail alone', {
  timeout: 180_000,
}, async () => {
  const world = await openKafkaWorld(broker.brokers)
  const folder = join(dir.path, 'share')
  const traffic = new Traffic(21)
  let isFlowing = true
  const flow = async (): Promise<void> => {
    while (isFlowing) {
      await world.send(traffic.step())
      await sleep(STEP_EVERY_MS)
    }
  }
  const flowing = flow()
  flowing.catch(() => {})
  const places = [
    { to: 'folder', folder, every: '1s' },
    { to: 'folder', folder, every: '300ms' },
    { to: 'kafka', topic: 'state', every: '1s' },
    { to: 'kafka', topic: 'state', every: '1s' },
  ]
  let node: NodeProcess | undefined
  try {
    for (const [life, snapshots] of places.entries()) {
      const config = join(dir.path, `config-${life}`)
      const dataFolder = join(dir.path, `data-${life}`)
      await writeConfig(config, {
        brokers: broker.brokers,
        dataFolder,
        isJournalOn: life % 2 === 0,
        node: { snapshots },
      })
      node = new NodeProcess(built.folder, config, `node-${life}`)
      const url = await node.ready
      console.log(`life ${life} is ready`)
      const live = await until(url, node, ({ partitions }) => partitions.every(({ state }) => state === 'live'))
      // The first has nothing to start from, the third begins in another place.
      const isShared = life === 1 || life === 3
      for (const partition of live.partitions) {
        expect(partition.startedFrom).toBe(isShared ? 'snapshot' : 'log')
        if (!isShared) continue
        expect(partition.usersShared).toBeGreaterThan(5)
        const read = partition.sources.reduce((sum, { position }) => sum + position, 0)
        expect(partition.recordsReplayed).toBeLessThan(read)
      }
      expect(live.partitions.length).toBe(PARTITIONS)
      if (life < places.length - 1) {
        await until(url, node, ({ partitions }) => partitions.every(({ snapshot }) => snapshot !== null))
        // In the middle of writing the next one.
        if (life === 1) await writing(join(folder, GROUP))
        await node.kill()
        console.log(`life ${life} is over`)
        continue
      }
      isFlowing = false
      await flowing
      await world.send(traffic.rest())
      await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + LONGEST_WINDOW_MS * 5))
      const isThrough = ({ totals }: NodeStatus): boolean => totals.lag === 0 && totals.pendingViews === PARTITIONS
      await until(url, node, isThrough)
      expect(await node.terminate()).toBe(0)
    }
  } finally {
    isFlowing = false
    await node?.kill()
  }
  const outcome = await checkOutcome(world)
  expect(outcome.samples).toBeGreaterThan(200)
  expect(outcome.bound).toBeGreaterThan(50)
  await world.close()
})

/** The node's status once it is so. */
async function until(url: string, node: NodeProcess, isSo: (status: NodeStatus) => boolean): Promise<NodeStatus> {
  for (;;) {
    if (!node.isRunning) throw new Error(`the node ended by itself:\n${node.tail()}`)
    const status = await fetch(`${url}/status`).then(
      (answer) => answer.json() as Promise<NodeStatus>,
      () => undefined,
    )
    if (status !== undefined && isSo(status)) return status
    await sleep(LOOK_EVERY_MS)
  }
}

/** A snapshot is being written, or none was seen to be for a while. */
async function writing(folder: string): Promise<void> {
  for (let looks = 0; looks < 1_000; looks++) {
    const names = readdirSync(folder).flatMap((partition) => readdirSync(join(folder, partition)))
    if (names.some((name) => name.endsWith('.part'))) return
    await sleep(1)
  }
}
