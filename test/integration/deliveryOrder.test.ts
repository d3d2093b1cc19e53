/**
 * The order of SEMANTICS.md section 6, on a real broker: a partition is taken over (InitProducerId), then its commit is
 * read, then it is recovered, then it writes; on assignment, after a fence, and after a commit of unknown outcome.
 * Whatever happens on the way, readers of committed records see each sample once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openNoJournal } from '../../src/journal/none.ts'
import type { Log } from '../../src/log/port.ts'
import { type SharedBroker, sharedBroker } from '../support/broker.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { GROUP, TOPICS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import { openLog } from '../support/kafkaTools.ts'
import { Recorded } from '../support/recordedLog.ts'
import { tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'

const STEP_EVERY_MS = 20
const CLOSING_AFTER_MS = 60_000
const WAIT = { timeout: 30_000, interval: 20 }

const recorded = new Recorded()
const traffic = new Traffic(7)
let broker: SharedBroker
let log: Log
let world: InProcessWorld
let dir: Awaited<ReturnType<typeof tempDir>>
let flowing: Promise<void>
let isFlowing = true

beforeAll(async () => {
  broker = await sharedBroker()
  dir = await tempDir()
  log = await openLog(broker.brokers)
  world = await InProcessWorld.onKafka(dir.path, recorded.log(log), {
    brokers: broker.brokers,
    delivery: 'exactly-once',
  })
  await world.start({ journal: openNoJournal(), isJournalOn: false })
  flowing = flow()
  flowing.catch(() => {})
})

afterAll(async () => {
  isFlowing = false
  await world?.close()
  await log?.close()
  await broker?.stop()
  await dir?.remove()
})

async function flow(): Promise<void> {
  while (isFlowing) {
    await world.send(traffic.step())
    await sleep(STEP_EVERY_MS)
  }
}

/**
 * What happened of the partition since `from`, repetitions once. Assignments that bring nothing new are left out: on a
 * busy machine a session may run out at any time.
 */
function turnsOf(partition: number, from: number): string[] {
  const calls = recorded.calls.slice(from).filter((call) => {
    const [, numbers] = call.split(' ')
    return numbers === undefined || numbers.split(',').includes(String(partition))
  })
  return calls
    .map((call) => call.replace(/ [\d,]+/, ''))
    .filter((call) => call !== 'began' && call !== 'rejoin')
    .filter((call, k, all) => call !== 'assigned' || all[k + 1] === 'open')
    .filter((call, k, all) => call !== all[k - 1])
}

/** The partition writes and commits again, beyond what was recorded so far. */
async function commitsAgain(partition: number): Promise<void> {
  const from = recorded.calls.length
  const isThrough = () => {
    const calls = recorded.calls.slice(from)
    const first = calls.indexOf(`append ${partition}`)
    const commit = calls.indexOf(`commit ${partition}`, first)
    return first >= 0 && commit >= 0 && calls.lastIndexOf(`append ${partition}`) > commit
  }
  await vi.waitUntil(isThrough, WAIT)
}

const REBUILT = ['assigned', 'open', 'committed']

describe('a partition is taken over, then its commit is read, then it writes', () => {
  it('when it is assigned, with its first commit in a transaction of its own', async () => {
    for (const partition of [0, 1, 2, 3]) {
      await commitsAgain(partition)
      const turns = turnsOf(partition, 0)
      expect(turns.slice(0, 4)).toEqual([...REBUILT, 'commit'])
      expect(turns.slice(4, 6)).toContain('append')
    }
  })

  it('after it was fenced: it is given up, and its producer is never made anew before the next assignment', async () => {
    const from = recorded.calls.length
    const other = await log.transactionalWriter!(GROUP, 60_000)
    await other.open(2)
    await vi.waitUntil(() => turnsOf(2, from).includes('release'), WAIT)
    await commitsAgain(2)
    const turns = turnsOf(2, from)
    const fenced = turns.indexOf('commit FENCED')
    expect(fenced).toBeGreaterThanOrEqual(0)
    expect(turns.slice(fenced + 1, fenced + 5)).toEqual(['release', ...REBUILT])
    await other.close()
  })

  it.each([
    [1, 'committed, unanswered', 'UNKNOWN_OUTCOME'],
    [3, 'not committed, unanswered', 'UNKNOWN_OUTCOME'],
    [2, 'refused', 'NOT_OWNER'],
  ] as const)('after a commit that went wrong (partition %i, %s)', async (partition, trouble, code) => {
    const from = recorded.calls.length
    recorded.trouble.set(partition, trouble)
    await vi.waitUntil(() => turnsOf(partition, from).includes('release'), WAIT)
    // As a full inbox does: it must not hold back what is built after it.
    for (const topic of TOPICS) recorded.inner!.pause({ topic, partition })
    await commitsAgain(partition)
    const turns = turnsOf(partition, from)
    const wrong = turns.indexOf(`commit ${code}`)
    expect(turns.slice(wrong + 1, wrong + 5)).toEqual(['release', ...REBUILT])
  })

  it('and others go on meanwhile, kept through each rejoin', () => {
    expect(recorded.of(0).filter((call) => call === 'open 0')).toHaveLength(1)
    expect(recorded.of(0).filter((call) => call.startsWith('assigned')).length).toBeGreaterThan(3)
  })

  it('so that in the end each sample is there once, offsets were only ever committed with it, and all is right', async () => {
    isFlowing = false
    await flowing
    await world.send(traffic.rest())
    await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + CLOSING_AFTER_MS))
    await world.joined()
    await world.stop()
    expect(recorded.calls).toContain('rejoin')
    expect(recorded.calls.filter((call) => call.startsWith('outside'))).toEqual([])
    const outcome = await checkOutcome(world)
    expect(outcome).toMatchObject({ repeated: 0, repeatedBeside: 0 })
    expect(outcome.samples).toBeGreaterThan(500)
  })
})
