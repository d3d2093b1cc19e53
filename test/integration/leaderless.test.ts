/** Two brokers, each of which alone has a partition; one of them dies, and its partition has no leader until it is back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newestOf } from '../../src/inspect/sideOutputs.ts'
import { openNoJournal } from '../../src/journal/none.ts'
import { createCluster, hasLeader } from '../../src/log/kafka/patch.ts'
import { endOf } from '../../src/log/leaderless.ts'
import type { Log } from '../../src/log/port.ts'
import { type Broker, ownBroker, SHORT_SESSIONS, uniqueName } from '../support/broker.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { DEAD_LETTERS, GROUP, LATE, ORPHANS, PARTITIONS, SAMPLES, TOPICS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import { batchOf, openLog, plainClient, Recorder, recordsIn, unsealedBatch } from '../support/kafkaTools.ts'
import { newTopics } from '../support/newTopics.ts'
import { tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const PATIENCE = { everyMs: 100, withinMs: 120_000 }

let first: Broker
let second: Broker
let log: Log
beforeAll(async () => {
  first = await ownBroker({ extra: SHORT_SESSIONS })
  log = await openLog(first.brokers)
  // Before the second broker is there: what the brokers keep of groups and transactions lies on the first.
  await log.members(uniqueName('group'))
  const writer = await log.transactionalWriter!(uniqueName('group'), 60_000)
  await writer.open(0)
  await writer.close()
  second = await ownBroker({ joins: first })
}, 240_000)
afterAll(async () => {
  await log?.close()
  await second?.stop()
  await first?.stop()
})

/** Even partitions on the first broker, odd ones on the second. */
async function spreadTopics(topics: readonly string[], partitions = 2): Promise<void> {
  const admin = plainClient(first.brokers).admin()
  await admin.connect()
  const replicaAssignment = Array.from({ length: partitions }, (_, partition) => {
    return { partition, replicas: [1 + (partition % 2)] }
  })
  await newTopics(
    admin,
    topics.map((topic) => ({ topic, replicaAssignment })),
  )
  await admin.disconnect()
}

/** Until the first broker, asked alone, says so: it waits for the session of the second to run out. */
async function leaderless(topic: string): Promise<void> {
  const options = { isolationLevel: 1, allowAutoTopicCreation: false, metadataMaxAge: 0 }
  const cluster = createCluster(plainClient(first.brokers), options)
  await cluster.connect()
  const broker = await cluster.brokerPool.findConnectedBroker()
  await until(
    `a partition of ${topic} without a leader`,
    async () => {
      const { topicMetadata } = await broker.metadata([topic])
      return topicMetadata[0].partitionMetadata.some((one) => !hasLeader(one))
    },
    PATIENCE,
  )
  await cluster.disconnect()
}

/** Below `end`, once a transaction's end lies there too: the coordinator answers before it is written. */
async function committedIn(log: Log, topic: string, partition: number, end: number): Promise<(string | null)[]> {
  const isThere = async () => (await endOf(log, topic, partition)).high >= end
  await until(`an end at ${end} of ${topic}/${partition}`, isThere, PATIENCE)
  return (await recordsIn(log, topic, partition, 0, end)).map(({ value }) => value)
}

const valuesOf = (recorder: Recorder, partition: number) =>
  recorder.records.filter((record) => record.partition === partition).map(({ value }) => value)

describe('a partition whose broker is away', () => {
  it('holds up no other, and goes on by itself, in order', { timeout: 240_000 }, async () => {
    const [topic, output] = [uniqueName('topic'), uniqueName('output')]
    await spreadTopics([topic, output])
    const group = uniqueName('group')
    const writer = await log.writer()
    const recorder: Recorder = new Recorder([topic])
    const reader = recorder.reader(log, group, [topic])
    await reader.start()
    for (const partition of [0, 1]) await writer.append(topic, partition, batchOf(['before']))
    await recorder.until(() => recorder.records.length === 2)

    // Frozen, it loses the leadership with a request in flight; and the connection closes.
    second.signal('SIGSTOP')
    const held = writer.append(topic, 1, batchOf(['held']))
    held.catch(() => {})
    await writer.append(topic, 0, batchOf(['in flight']))
    await leaderless(topic)
    await second.kill()

    const behind = writer.append(topic, 1, batchOf(['behind']))
    behind.catch(() => {})
    expect(await writer.append(topic, 0, batchOf(['during']))).toBe(2)
    await recorder.until(() => valuesOf(recorder, 0).length === 3)
    await reader.commit([{ topic, partition: 0, offset: 3, metadata: '' }])
    expect(await log.members(group)).toMatchObject({ state: 'stable', members: [{ partitions: [0, 1] }] })
    expect(await log.topics([topic])).toMatchObject([{ topic, partitions: 2 }])
    const committed = await log.committed(group, [topic])
    expect(committed.map(({ partition, offset }) => [partition, offset]).sort()).toEqual([
      [0, 3],
      [1, -1],
    ])
    expect(await log.ends([topic], 'led')).toEqual([{ topic, partition: 0, low: 0, high: 3 }])

    const other = await openLog(first.brokers, 'other')
    const otherWriter = await other.writer()
    expect(await otherWriter.append(topic, 0, batchOf(['of another']))).toBe(3)
    const lateComer = new Recorder([topic])
    const lateReader = lateComer.reader(other, uniqueName('group'), [topic])
    await lateReader.start()
    const inFirst = ['before', 'in flight', 'during', 'of another']
    await lateComer.until(() => valuesOf(lateComer, 0).length === 4)
    expect(valuesOf(lateComer, 0)).toEqual(inFirst)
    expect(await recordsIn(other, topic, 0, 0, 4)).toHaveLength(4)

    const transactions = await other.transactionalWriter!(uniqueName('group'), 60_000)
    for (const partition of [0, 1]) await transactions.open(partition)
    const sealed = transactions.append(output, 1, unsealedBatch(['sealed']))
    sealed.catch(() => {})
    await transactions.append(output, 0, unsealedBatch(['at once']))
    await transactions.commit(0, () => [{ topic, partition: 0, offset: 4, metadata: '' }])
    expect(await committedIn(other, output, 0, 2)).toEqual(['at once'])

    await second.restart()
    expect(await Promise.all([held, behind])).toEqual([1, 2])
    await sealed
    await transactions.commit(1, () => [{ topic, partition: 1, offset: 1, metadata: '' }])
    expect(await committedIn(other, output, 1, 2)).toEqual(['sealed'])
    const inSecond = ['before', 'held', 'behind']
    await recorder.until(() => valuesOf(recorder, 1).length === 3)
    await lateComer.until(() => valuesOf(lateComer, 1).length === 3)
    for (const each of [recorder, lateComer]) {
      expect([valuesOf(each, 0), valuesOf(each, 1)]).toEqual([inFirst, inSecond])
      expect(each.failures).toEqual([])
    }
    await lateReader.close()
    await reader.close()
    await other.close()
  })
  it('holds up nothing else in a node, nor its start, and is joined when it is back', {
    timeout: 240_000,
  }, async () => {
    await spreadTopics([...TOPICS, SAMPLES, LATE, ORPHANS, DEAD_LETTERS], PARTITIONS)
    const dir = await tempDir()
    const nodeLog = await openLog(first.brokers, 'node')
    const kafka = { brokers: first.brokers, delivery: 'exactly-once' } as const
    const world = await InProcessWorld.onKafka(dir.path, nodeLog, kafka)
    const start = () => world.start({ journal: openNoJournal(), isJournalOn: false })
    const traffic = new Traffic(11)
    const sent: Promise<void>[] = []
    const committedViews = async (partition: number) => {
      const committed = await log.committed(GROUP, [TOPICS[0]])
      return committed.find((one) => one.partition === partition)!.offset
    }
    /** What lies on the first broker is joined and committed under traffic. */
    const goesOn = async () => {
      for (const partition of [0, 2]) {
        const before = await committedViews(partition)
        const send = async () => {
          sent.push(world.send(traffic.step()))
          return (await committedViews(partition)) > before
        }
        await Promise.race([until(`a commit of ${partition}`, send, PATIENCE), world.node!.failed])
      }
    }
    await start()
    await goesOn()
    await second.kill()
    await leaderless(TOPICS[0])
    await goesOn()
    // Asked for in just such an hour.
    const seen = await newestOf(log, TOPICS[0], 5, (chunk, i) => ({ writtenAtMs: chunk.stampMs[i] }))
    expect(seen).toMatchObject({ away: [1, 3], records: { length: 5 } })
    await world.stop()
    await start()
    expect(world.node!.partitions.map(({ index }) => index).sort()).toEqual([0, 2])
    await goesOn()

    await second.restart()
    const isWhole = () => world.node!.partitions.filter(({ isLive }) => isLive).length === PARTITIONS
    await Promise.race([until('all partitions', isWhole, PATIENCE), world.node!.failed])
    await Promise.all(sent)
    await world.send(traffic.rest())
    await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + 60_000))
    await committedToTheEnd(TOPICS[0], committedViews)
    await world.stop()
    await checkOutcome(world, { mayRepeat: false })
    await nodeLog.close()
    await dir.remove()
  })
})

async function committedToTheEnd(topic: string, committed: (partition: number) => Promise<number>): Promise<void> {
  for (const { partition, high } of await log.ends([topic]))
    await until(`a commit of all of ${topic}/${partition}`, async () => (await committed(partition)) >= high, PATIENCE)
}
