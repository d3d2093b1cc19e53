/**
 * Nodes that come and go under live traffic on a real broker: started, drained, killed, put to sleep past their session.
 * The others go on, partitions that stay are not built anew, and in the end every sample is there once, right, and the
 * ledger is as if one node had joined it all. Silence moves clocks here, and what a node slept is none.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type SharedBroker, sharedBroker } from '../support/broker.ts'
import { ClusterRun, gapsAround } from '../support/clusterRun.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { SAMPLES } from '../support/crashPipeline.ts'
import { type KafkaWorld, openKafkaWorld } from '../support/kafkaWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

/** What a partition may be without samples: no claim of speed, beyond it something stood still. */
const STALL_MS = 30_000
const AROUND_MS = 1_000
/** Longer than a busy machine keeps a member from its heartbeats: whoever is expelled builds its partitions anew. */
const SESSION_S = 4
/** Less than a sleep, and more than a busy machine keeps the traffic from flowing. */
const IDLE_AFTER_S = 3

let broker: SharedBroker
let program: Program
let dir: TempDir
let world: KafkaWorld
let run: ClusterRun
beforeAll(async () => {
  broker = await sharedBroker()
  program = await buildProgram()
  dir = await tempDir()
  world = await openKafkaWorld(broker.brokers)
})
afterAll(async () => {
  await run?.close()
  await world?.close()
  await broker?.stop()
  await dir?.remove()
  await program?.remove()
})

it('nodes join, drain, die and sleep under load, and every sample is made once', { timeout: 240_000 }, async () => {
  const settings = { sessionTimeout: `${SESSION_S}s`, idleAfter: `${IDLE_AFTER_S}s` }
  run = new ClusterRun(program.folder, world, join(dir.path, 'run'), 1, settings)
  const moments: { readonly what: string; readonly fromMs: number; toMs: number; readonly liveMs: number }[] = []
  const during = async (what: string, nodes: number, happen: () => Promise<unknown>): Promise<void> => {
    const fromMs = Date.now()
    await happen()
    const liveMs = await run.allLive(nodes)
    moments.push({ what, fromMs, toMs: Date.now(), liveMs })
    await sleep(AROUND_MS)
  }

  const one = await run.start('one')
  await run.allLive(1)
  expect(ClusterRun.recoveries(one)).toEqual([[0, 1, 2, 3]])
  await sleep(2_000)
  const positionsOfOne = run.watchPositions(one)
  await during('a second node starts', 2, () => run.start('two'))
  await during('a third node starts', 3, () => run.start('three'))
  // So their lag has not grown by what was read and not yet committed.
  expect(await positionsOfOne()).toEqual([])
  // Of what it kept through both rebalances it has built nothing anew.
  expect(ClusterRun.recoveries(one)).toEqual([[0, 1, 2, 3]])
  const two = run.nodes.get('two')!
  expect(ClusterRun.recoveries(two)).toHaveLength(1)

  await during('a node is drained', 2, async () => expect(await run.terminate('one')).toBe(0))
  await during('a node is killed', 1, () => run.kill('three'))
  await during('a node starts again', 2, () => run.start('one'))
  await during('a node sleeps past its session', 2, () => run.sleepFor('two', SESSION_S * 1_000))
  await during('all sleep past their sessions', 2, () => run.allSleepFor((SESSION_S + 1) * 1_000))

  expect(await run.finish()).toEqual([0, 0])
  const outcome = await checkOutcome(world)
  expect(outcome.samples).toBeGreaterThan(1_000)
  expect(outcome.deadLetters).toBe(run.traffic.garbage + run.traffic.skewed)
  const samples = await world.readAll(SAMPLES)
  for (const { what, fromMs, toMs, liveMs } of moments) {
    const gaps = gapsAround(samples, fromMs, toMs)
    console.log(`${what}: all live after ${Math.round(liveMs)} ms, longest gaps by partition ${gaps.join(', ')} ms`)
    for (const gapMs of gaps) expect(gapMs, what).toBeLessThan(STALL_MS)
  }
  console.log(`${outcome.events} events, ${outcome.samples} samples, ${outcome.repeated} repeated`)
})
