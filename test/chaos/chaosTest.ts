/**
 * One whole chaos run, from the program's build to the comparison with the oracle.
 *
 * How it fails: with what is wrong, and, printed, all that is needed to look at it: the seed, the faults, and the folder
 * with the nodes' logs, their data and the broker's topics, which is kept then.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ownBroker, SHORT_SESSIONS } from '../support/broker.ts'
import { checkRecords, type Outcome } from '../support/crashCheck.ts'
import { TOPICS } from '../support/crashPipeline.ts'
import { readRecords } from '../support/crashRead.ts'
import { committedLedger } from '../support/crashWorld.ts'
import { openKafkaWorld } from '../support/kafkaWorld.ts'
import { buildProgram, type Mutation } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'
import { isBeyondBound } from '../support/traffic.ts'
import { type ChaosRun, type ChaosRunOptions, chaosRun } from './chaosRun.ts'
import { notDurable } from './commits.ts'
import { report } from './report.ts'

export type ChaosTest = Pick<ChaosRunOptions, 'seed' | 'faults' | 'kinds' | 'onFault'> & {
  readonly delivery?: ChaosRunOptions['delivery']
  readonly brokerDownMs?: number
  /** A bug to be found: then nothing is kept. */
  readonly mutations?: readonly Mutation[]
}

/** Three nodes have three, three and two of them, four have two each. */
const PARTITIONS = 8
const BROKER = { partitionsDefault: PARTITIONS, extra: SHORT_SESSIONS }
/** What the program takes by itself, and what its configuration allows it (chaosRun.ts). */
const MOST_RESIDENT_BYTES = 288 * 2 ** 20

export async function chaosTest(test: ChaosTest): Promise<{ run: ChaosRun; outcome: Outcome }> {
  const { seed, faults, kinds, onFault, delivery = 'at-least-once', brokerDownMs = 4_000, mutations } = test
  const dir = await tempDir()
  const lines: string[] = []
  const log = (line: string): void => {
    lines.push(line)
    console.log(line)
  }
  log(`chaos: seed ${seed}, ${faults} faults, ${delivery}`)
  const closing: (() => Promise<unknown>)[] = []
  let isKept = mutations === undefined
  try {
    const program = await buildProgram(mutations)
    closing.unshift(() => program.remove())
    const broker = await ownBroker({ ...BROKER, dir: join(dir.path, 'broker') })
    closing.unshift(() => broker.stop())
    const world = await openKafkaWorld(broker.brokers, PARTITIONS)
    closing.unshift(() => world.close())
    const folder = dir.path
    const run = await chaosRun({
      program: program.folder,
      folder,
      broker,
      world,
      seed,
      faults,
      kinds,
      onFault,
      delivery,
      brokerDownMs,
      log,
    })
    const records = await readRecords(world)
    const counts = committedLedger(await world.committed(), TOPICS[0])
    const mayRepeat = delivery === 'at-least-once'
    const outcome = checkRecords(records, counts, { isBeyondBound, partitions: PARTITIONS, mayRepeat })
    checkRun(run, notDurable(run.commits.seen, records))
    for (const line of report(run, outcome)) log(line)
    isKept = false
    return { run, outcome }
  } finally {
    for (const close of closing) await close()
    if (isKept) {
      await writeFile(join(dir.path, 'faults.txt'), `${lines.join('\n')}\n`)
      console.log(`kept for whoever looks into it: ${dir.path} (seed ${seed}; logs, data, broker, faults.txt)`)
    } else await dir.remove()
  }
}

function checkRun(run: ChaosRun, early: readonly string[]): void {
  const { watch, commits } = run
  expect(early.slice(0, 5), `${early.length} views were committed before their samples were durable`).toEqual([])
  expect(commits.backwards.slice(0, 5), 'commits that went back').toEqual([])
  expect(commits.seen.flat().length, 'commits that were seen').toBeGreaterThan(run.faults.length)
  expect(watch.unbalanced.slice(0, 5), 'ledgers that do not balance').toEqual([])
  expect(watch.takeovers.filter(({ tookMs }) => tookMs === undefined)).toEqual([])
  expect(watch.mostResidentBytes).toBeLessThan(MOST_RESIDENT_BYTES)
}

/** That as many faults as were asked for hit something, and that there was something to compare. */
export function expectChaos({ run, outcome }: { run: ChaosRun; outcome: Outcome }, faults: number): void {
  expect(run.faults.filter(({ counts }) => counts).length).toBeGreaterThanOrEqual(faults)
  expect(outcome.samples).toBeGreaterThan(faults * 50)
  expect(outcome.bound).toBeGreaterThan(faults * 50)
  expect(outcome.deadLetters).toBeGreaterThan(0)
  expect(run.watch.startedFrom.get('snapshot')?.size, 'partitions that began from a snapshot').toBeGreaterThan(0)
}
