/**
 * A broker that is down for half a minute and more, in the middle of traffic (FAULTS.md, row 14): nobody restarts the
 * node, its memory stays within bounds, and when the broker is back every sample and the ledger are right. Kafkajs
 * gives its consumer up meanwhile (a CRASH event), which is no end of the process, since it passes.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { PENDING, SAMPLES, UNDECIDED } from '../../src/join/ledger.ts'
import { ownBroker, SHORT_SESSIONS } from '../support/broker.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { PARTITIONS, TOPICS, writeConfig } from '../support/crashPipeline.ts'
import { committedLedger } from '../support/crashWorld.ts'
import { openKafkaWorld } from '../support/kafkaWorld.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'

const OUTAGES_MS = [35_000, 60_000]
const STEPS = 150
const STEP_EVERY_MS = 50
const CLOSING_AFTER_MS = 60_000
const LOOK_EVERY_MS = 250
/** Kafkajs's own line of the event. */
const CRASH = /"kafkajs Consumer".*"msg":"Crash: /
/** Of a node that holds some thousand views; what an outage lets grow would be far beyond it. */
const MOST_RESIDENT_BYTES = 400e6

test(`outages of ${OUTAGES_MS.join(' and ')} ms cost time and nothing else`, async () => {
  const [program, dir] = await Promise.all([buildProgram(), tempDir()])
  const broker = await ownBroker({ extra: SHORT_SESSIONS })
  const world = await openKafkaWorld(broker.brokers)
  const config = join(dir.path, 'config')
  await writeConfig(config, { brokers: broker.brokers, dataFolder: join(dir.path, 'data'), isJournalOn: true })
  let crashes = 0
  const node = new NodeProcess(program.folder, config, 'node-1', (line) => {
    if (CRASH.test(line)) crashes++
  })
  try {
    await node.ready
    const traffic = new Traffic(21)
    const before: number[] = []
    for (const outageMs of OUTAGES_MS) {
      await flow(STEPS)
      // As fast as it goes: there is much in hand when the broker goes.
      const rush = Array.from({ length: STEPS }, () => traffic.step()).flat()
      await world.send(rush)
      before.push(committedLedger(await world.committed(), TOPICS[0])[SAMPLES] ?? 0)
      await broker.kill()
      await sleep(outageMs)
      expect(node.isRunning, node.tail()).toBe(true)
      expect(crashes).toBeGreaterThan(0)
      await broker.restart()
      await flow(STEPS)
    }
    await world.send(traffic.rest())
    await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + CLOSING_AFTER_MS))
    for (;;) {
      expect(node.isRunning, node.tail()).toBe(true)
      const counts = committedLedger(await world.committed(), TOPICS[0])
      if (counts[PENDING] === PARTITIONS && counts[UNDECIDED] === PARTITIONS * 2) break
      await sleep(LOOK_EVERY_MS)
    }
    const mostResidentBytes =
      Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))![1]) * 1024
    expect(await node.terminate()).toBe(0)
    const { events, samples, repeated } = await checkOutcome(world)
    console.log(JSON.stringify({ events, samples, repeated, committedBefore: before, mostResidentBytes }))
    expect(before.every((committed) => committed > 0)).toBe(true)
    expect(samples).toBeGreaterThan(STEPS * 30)
    expect(mostResidentBytes).toBeLessThan(MOST_RESIDENT_BYTES)

    async function flow(steps: number): Promise<void> {
      for (let k = 0; k < steps; k++) {
        await world.send(traffic.step())
        await sleep(STEP_EVERY_MS)
      }
    }
  } finally {
    await node.kill()
    await world.close()
    await broker.stop()
    await Promise.all([program.remove(), dir.remove()])
  }
})
