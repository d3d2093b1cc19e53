/**
 * Nodes that rewrite sources keyed by item are killed, so that records are rewritten twice: the consolidated topic holds
 * copies, and exactly once the samples do not. On a real broker under live traffic, against the oracle.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runOracle } from '../oracle/run.ts'
import { byUser } from '../repartition/support.ts'
import { type SharedBroker, sharedBroker } from '../support/broker.ts'
import { ClusterRun } from '../support/clusterRun.ts'
import { checkSamples } from '../support/crashCheck.ts'
import { ALL, DEAD_LETTERS, ORACLE, PARTITIONS } from '../support/crashPipeline.ts'
import { placeOf, readRecords } from '../support/crashRead.ts'
import type { LogRecord } from '../support/crashWorld.ts'
import { type KafkaWorld, openKafkaWorld } from '../support/kafkaWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

/** What was rewritten since the last commit is rewritten by whoever takes over. */
const COMMIT_EVERY = '2s'
const KILLED = ['one', 'two'] as const
const FLOW_MS = 1_000
/** Of event time, which runs fast: more than what is ever rewritten twice, on however slow a machine. */
const REMEMBER_MS = 3_600_000

let broker: SharedBroker
let program: Program
let dir: TempDir
let world: KafkaWorld
let run: ClusterRun
beforeAll(async () => {
  ;[broker, program, dir] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
  world = await openKafkaWorld(broker.brokers, PARTITIONS, 'item')
})
afterAll(async () => {
  await run?.close()
  await world?.close()
  await Promise.all([broker?.stop(), program?.remove(), dir?.remove()])
})

it('records that are rewritten twice make no sample twice, and none wrong', { timeout: 180_000 }, async () => {
  run = new ClusterRun(program.folder, world, join(dir.path, 'run'), 5, {
    delivery: 'exactly-once',
    repartition: PARTITIONS,
    rememberSealedMs: REMEMBER_MS,
    node: { commitEvery: COMMIT_EVERY },
  })
  await Promise.all(['one', 'two'].map((id) => run.start(id)))
  await run.allLive(2)
  for (const id of KILLED) {
    await sleep(FLOW_MS)
    await run.kill(id)
    await run.start(id)
    await run.allLive(2)
  }
  expect(await run.finish()).toEqual([0, 0])

  const places = (await world.readAll(ALL)).flatMap(({ headers }) => headers.get('origin') ?? [])
  const copies = places.length - new Set(places).size
  const records = await readRecords(world)
  expect(new Set(places).size).toBe(records.events.length)
  expect(copies).toBeGreaterThan(0)

  const readable = records.events.map(({ event }) => event).filter(({ refused }) => !refused)
  const expected = runOracle(
    { ...ORACLE, rememberSealedMs: REMEMBER_MS },
    byUser(readable, PARTITIONS, (source) => source),
  )
  const { repeated } = checkSamples(records.samples, expected.samples)
  console.log(`${places.length} rewritten, ${copies} of them twice, ${records.samples.length} samples`)
  expect(records.samples.length).toBeGreaterThan(1_000)
  expect(repeated, 'samples that are sent again').toBe(0)
  expect(records.samples).toHaveLength(expected.samples.length)

  const bad = records.events.filter(({ event }) => event.refused || event.time! > event.now!)
  expect(new Set((await world.readAll(DEAD_LETTERS)).map(sourceOf))).toEqual(new Set(bad.map(placeOf)))
  expect(bad.length).toBeGreaterThan(0)
})

function sourceOf({ headers }: LogRecord): string {
  return ['source_topic', 'source_partition', 'source_offset'].map((name) => headers.get(name)).join(' ')
}
