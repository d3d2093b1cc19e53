/** The Kafka log against a real broker: the traps of kafkajs, each shown to be closed. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { registerCodecs } from '../../src/log/kafka/codecs.ts'
import { kafkajs } from '../../src/log/kafka/patch.ts'
import { type Log, LogError } from '../../src/log/port.ts'
import { logContract } from '../contract/log.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { batchOf, openLog, plainClient, Recorder, recordsByPlainKafka, recordsIn } from '../support/kafkaTools.ts'

let broker: SharedBroker
let log: Log
beforeAll(async () => {
  broker = await sharedBroker()
  log = await openLog(broker.brokers)
})
afterAll(async () => {
  await log?.close()
  await broker?.stop()
})

async function topicOf(partitions: number, settings: Record<string, string> = {}): Promise<string> {
  const topic = uniqueName('topic')
  await log.createTopics([{ topic, partitions, settings }])
  return topic
}

const numbered = (from: number, count: number) => Array.from({ length: count }, (_, i) => `value-${from + i}`)

/** Records made by kafkajs's own producers: each codec, headers and nulls, and transactions, one of them aborted. */
async function mixedTopic(): Promise<{ topic: string; high: number }> {
  registerCodecs()
  const topic = await topicOf(1)
  const client = plainClient(broker.brokers)
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  const { None, GZIP, LZ4 } = kafkajs.CompressionTypes
  for (const compression of [None, GZIP, LZ4]) {
    const messages = numbered(0, 50).map((value, i) => ({
      key: i % 2 ? `k${i}` : null,
      value: i % 7 ? value : null,
      timestamp: String(1_600_000_000_000 + i * 1000),
      headers: i % 5 ? undefined : { reason: 'because', empty: '' },
    }))
    await producer.send({ topic, compression, messages })
  }
  await producer.disconnect()
  const transactional = client.producer({
    transactionalId: uniqueName('tx'),
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await transactional.connect()
  for (const end of ['commit', 'abort', 'commit'] as const) {
    const transaction = await transactional.transaction()
    await transaction.send({ topic, messages: [{ value: `${end}-1` }, { value: `${end}-2` }] })
    await transaction[end]()
  }
  await transactional.disconnect()
  // A commit is answered before its marker is written: three markers, one a transaction, end the topic.
  const high = 3 * 50 + 3 * (2 + 1)
  await vi.waitUntil(async () => (await log.ends([topic]))[0].high === high, { timeout: 30_000 })
  return { topic, high }
}

logContract('Kafka', async () => {
  const own = await openLog(broker.brokers)
  return { log: own, close: () => own.close(), uniqueTopic: uniqueName }
})

describe('reading', () => {
  it('gives the same records by its own decoder as by kafkajs, whatever the codec, without aborted transactions', async () => {
    const { topic, high } = await mixedTopic()
    const byKafkaJs = await openLog(broker.brokers, 'reference', 'kafkajs')
    const own = await recordsIn(log, topic, 0, 0, high)
    const reference = await recordsIn(byKafkaJs, topic, 0, 0, high)
    await byKafkaJs.close()
    expect(own).toEqual(reference)
    expect(own.map(({ value }) => value).slice(150)).toEqual(['commit-1', 'commit-2', 'commit-1', 'commit-2'])
    expect(await recordsByPlainKafka(broker.brokers, topic, 154)).toEqual(own)
  })

  it('gives a group member the same records, up to the high watermark past the last control batch', async () => {
    const { topic, high } = await mixedTopic()
    const recorder = new Recorder([topic])
    const reader = recorder.reader(log, uniqueName('group'), [topic])
    await reader.start()
    await recorder.until(() => recorder.chunks.at(-1)?.nextOffset === high)
    await reader.close()
    expect(recorder.records).toEqual(await recordsIn(log, topic, 0, 0, high))
    expect(recorder.failures).toEqual([])
  })

  it('cuts a range out of the middle of a batch at both ends', async () => {
    const topic = await topicOf(1)
    const writer = await log.writer()
    await writer.append(topic, 0, batchOf(numbered(0, 10), { compression: 'lz4' }))
    await writer.append(topic, 0, batchOf(numbered(10, 10)))
    const chunks = []
    for await (const chunk of log.readRange(topic, 0, 3, 14)) chunks.push(chunk)
    expect(chunks.at(-1)?.nextOffset).toBe(14)
    expect((await recordsIn(log, topic, 0, 3, 14)).map(({ value }) => value)).toEqual(numbered(3, 11))
    expect(await recordsIn(log, topic, 0, 5, 5)).toEqual([])
  })

  it('refuses a compressed batch that inflates beyond the limit, with topic, partition and offset', async () => {
    const topic = await topicOf(1)
    const writer = await log.writer()
    await writer.append(topic, 0, batchOf(['x'.repeat(500_000)], { compression: 'lz4' }))
    const recorder = new Recorder([topic])
    const reader = recorder.reader(log, uniqueName('group'), [topic], { maxInflatedBytes: 100_000 })
    await reader.start()
    await recorder.until(() => recorder.failures.length > 0)
    await reader.close()
    expect(recorder.failures).toMatchObject([{ code: 'TOO_LARGE' }])
    expect(recorder.failures[0].message).toContain(`topic ${topic}, partition 0, offset 0`)
    expect(recorder.chunks).toEqual([])
  })

  it('tells the high watermark as a log’s end while a transaction is open, not the last stable offset', async () => {
    const topic = await topicOf(1)
    const producer = plainClient(broker.brokers).producer({
      transactionalId: uniqueName('tx'),
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value: 'a' }, { value: 'b' }] })
    expect(await log.ends([topic])).toEqual([{ topic, partition: 0, low: 0, high: 2 }])
    await transaction.abort()
    await producer.disconnect()
  })
})

describe('writing', () => {
  it('appends prebuilt batches that kafkajs without any patch reads back', async () => {
    const topic = await topicOf(1)
    const writer = await log.writer()
    const headers = [['reason', Buffer.from('late')] as const]
    const first = await writer.append(topic, 0, batchOf(numbered(0, 5), { headers }))
    const second = await writer.append(topic, 0, batchOf(numbered(5, 5), { compression: 'lz4' }))
    const third = await writer.append(topic, 0, batchOf(numbered(10, 5), { compression: 'gzip' }))
    expect([first, second, third]).toEqual([0, 5, 10])
    const plain = await recordsByPlainKafka(broker.brokers, topic, 15)
    expect(plain).toEqual(await recordsIn(log, topic, 0, 0, 15))
    expect(plain.map(({ value }) => value)).toEqual(numbered(0, 15))
    expect(plain[0]).toMatchObject({ stampMs: 1_700_000_000_000, key: 'key-0', headers: [['reason', 'late']] })
    const anew = await topicOf(1, { 'compression.type': 'gzip' }) // Java reads zstd to write it so.
    await writer.append(anew, 0, batchOf(numbered(0, 15), { compression: 'zstd' }))
    expect((await recordsByPlainKafka(broker.brokers, anew, 15)).map(({ value }) => value)).toEqual(numbered(0, 15))
  })

  it('keeps the order of a partition through hundreds of appends at once over several topics', async () => {
    const topics = [await topicOf(3), await topicOf(3)]
    const writer = await log.writer()
    const appends = Array.from({ length: 300 }, (_, i) => ({
      topic: topics[i % 2],
      partition: i % 3,
      value: `value-${i}`,
    }))
    const offsets = await Promise.all(
      appends.map(({ topic, partition, value }) => writer.append(topic, partition, batchOf([value]))),
    )
    for (const { topic, partition, high } of await log.ends(topics)) {
      const own = appends
        .map((append, i) => ({ ...append, offset: offsets[i] }))
        .filter((each) => each.topic === topic && each.partition === partition)
      expect(own.map(({ offset }) => offset)).toEqual(own.map((_, i) => i))
      expect((await recordsIn(log, topic, partition, 0, high)).map(({ value }) => value)).toEqual(
        own.map(({ value }) => value),
      )
    }
  })

  it('refuses a batch that is too large for its topic, and takes those that left in the same request, once', async () => {
    const topic = await topicOf(3, { 'max.message.bytes': '10000' })
    const writer = await log.writer()
    // In one request from here on: the leader is known.
    await writer.append(topic, 2, batchOf(['first']))
    const [large, small] = await Promise.allSettled([
      writer.append(topic, 0, batchOf(['x'.repeat(20_000)])),
      writer.append(topic, 1, batchOf(['small'])),
    ])
    expect(large).toMatchObject({ status: 'rejected', reason: { code: 'TOO_LARGE' } })
    expect(small).toEqual({ status: 'fulfilled', value: 0 })
    expect(await writer.append(topic, 0, batchOf(['next']))).toBe(0)
    expect((await log.ends([topic])).map(({ high }) => high)).toEqual([1, 1, 1])
  })

  it('takes nothing after it was closed, and has sent what was queued before', async () => {
    const topic = await topicOf(1)
    const writer = await log.writer()
    const queued = numbered(0, 20).map((value) => writer.append(topic, 0, batchOf([value])))
    await writer.close()
    expect(await Promise.all(queued)).toEqual(queued.map((_, i) => i))
    await expect(writer.append(topic, 0, batchOf(['late']))).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('says that a topic does not exist, and keeps nobody else waiting while it looks again', async () => {
    const topic = await topicOf(1)
    const writer = await log.writer()
    const absent = Array.from({ length: 6 }, () => writer.append(uniqueName('absent'), 0, batchOf(['a'])))
    expect(await Promise.race([writer.append(topic, 0, batchOf(['b'])), ...absent])).toBe(0)
    for (const one of absent) await expect(one).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
  })
})

describe('an offset out of range', () => {
  it('ends the reader with the exact range, and leaves the commit and its metadata untouched', async () => {
    const topic = await topicOf(1)
    const group = uniqueName('group')
    const writer = await log.writer()
    await writer.append(topic, 0, batchOf(numbered(0, 100)))
    const first = new Recorder([topic])
    const reader = first.reader(log, group, [topic])
    await reader.start()
    await reader.commit([{ topic, partition: 0, offset: 10, metadata: 'watermark=42' }])
    await reader.close()
    const admin = plainClient(broker.brokers).admin()
    await admin.connect()
    // kafkajs's admin must have met a topic before it can delete its records.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '60' }] })
    await admin.disconnect()

    const second = new Recorder([topic], () => 10)
    const again = second.reader(log, group, [topic])
    await again.start()
    await second.until(() => second.failures.length > 0)
    await again.close()
    expect(second.failures).toMatchObject([{ code: 'OUT_OF_RANGE' }])
    expect(second.failures[0].message).toBe(`${topic}/0: offsets 10 to 59 are no longer in the log, which begins at 60`)
    expect(second.chunks).toEqual([])
    expect(await log.committed(group, [topic])).toEqual([{ topic, partition: 0, offset: 10, metadata: 'watermark=42' }])
    await expect(recordsIn(log, topic, 0, 10, 80)).rejects.toThrow('offsets 10 to 59 are no longer in the log')
    await expect(recordsIn(log, topic, 0, 60, 120)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
  })

  it('is told as such beyond the end, where a topic was made anew', async () => {
    const topic = await topicOf(1)
    const recorder = new Recorder([topic], () => 7)
    const reader = recorder.reader(log, uniqueName('group'), [topic])
    await reader.start()
    await recorder.until(() => recorder.failures.length > 0)
    await reader.close()
    expect(recorder.failures[0].message).toBe(
      `${topic}/0: offset 7 is beyond the end of the log, 0: was the topic made anew?`,
    )
  })
})

describe('a group', () => {
  it('shares partition numbers, tells the owner before each rebalance, and hands on without gap or repetition', async () => {
    const topics = [await topicOf(4), await topicOf(4)]
    const group = uniqueName('group')
    const writer = await log.writer()
    const fill = (from: number) =>
      Promise.all(
        topics.flatMap((topic) =>
          [0, 1, 2, 3].map((partition) => writer.append(topic, partition, batchOf(numbered(from, 10)))),
        ),
      )
    // A topic just made may refuse a partition of a request, which is then sent again as a whole: what lies there counts.
    const inLog = async () => (await log.ends(topics)).reduce((sum, { high }) => sum + high, 0)
    await fill(0)
    const before = await inLog()

    const next = new Map<string, number>()
    const offsetOf = (topic: string, partition: number) => next.get(`${topic}/${partition}`) ?? 0
    const [one, two] = [new Recorder(topics, offsetOf), new Recorder(topics, offsetOf)]
    for (const recorder of [one, two]) {
      recorder.revoking = async () => {
        for (const chunk of recorder.chunks) next.set(`${chunk.topic}/${chunk.partition}`, chunk.nextOffset)
      }
    }
    const otherLog = await openLog(broker.brokers, 'node-2')
    const first = one.reader(log, group, topics, { memberInfo: Buffer.from('address of one') })
    await first.start()
    await one.until(() => one.records.length === before)
    const second = two.reader(otherLog, group, topics, { memberInfo: Buffer.from('address of two') })
    await second.start()
    await one.until(() => one.calls.filter((call) => call.startsWith('assigned')).length === 2)
    await two.until(() => two.calls.some((call) => call.startsWith('assigned')))

    expect(await describedMembers(group)).toEqual(['address of one', 'address of two'])
    const owned = [one, two].map((recorder) =>
      recorder.calls
        .filter((call) => call.startsWith('assigned'))
        .at(-1)!
        .slice(9),
    )
    expect(owned.flatMap((numbers) => numbers.split(',')).sort()).toEqual(['0', '1', '2', '3'])
    expect(owned.map((numbers) => numbers.split(',').length)).toEqual([2, 2])
    expect(one.calls.filter((call) => !call.startsWith('chunk')).slice(0, 2)).toEqual([
      'assigned 0,1,2,3',
      'revoking 0,1,2,3',
    ])

    await fill(10)
    const all = await inLog()
    const isAllRead = () => one.records.length + two.records.length === all
    await Promise.race([one.until(isAllRead), two.until(isAllRead)])
    const lost = Number(owned[1].split(',')[0])
    await expect(first.commit([{ topic: topics[0], partition: lost, offset: 5, metadata: '' }])).rejects.toMatchObject({
      code: 'NOT_OWNER',
    })
    await first.close()
    await second.close()
    await otherLog.close()
    const seen = [...one.chunks, ...two.chunks].flatMap((chunk) =>
      [...chunk.offset.subarray(0, chunk.count)].map((offset) => `${chunk.topic}/${chunk.partition}/${offset}`),
    )
    expect(new Set(seen).size).toBe(all)
    expect(seen.length).toBe(all)
    expect(all).toBeGreaterThanOrEqual(160)
  })

  async function describedMembers(group: string): Promise<string[]> {
    const admin = plainClient(broker.brokers).admin()
    await admin.connect()
    const { groups } = await admin.describeGroups([group])
    await admin.disconnect()
    const { MemberMetadata } = kafkajs.AssignerProtocol
    return groups[0].members.map(({ memberMetadata }) => String(MemberMetadata.decode(memberMetadata)?.userData)).sort()
  }

  it('lets no record pass before the owner has said where to begin, and lets it commit while it decides', async () => {
    const topic = await topicOf(1)
    const group = uniqueName('group')
    const writer = await log.writer()
    await writer.append(topic, 0, batchOf(numbered(0, 10)))
    const recorder = new Recorder([topic])
    const reader = recorder.reader(log, group, [topic])
    recorder.starts = async () => {
      await reader.commit([{ topic, partition: 0, offset: 0, metadata: 'first' }])
      await new Promise((resolve) => setTimeout(resolve, 500))
      recorder.calls.push('answered')
      return [{ topic, partition: 0, offset: 4 }]
    }
    await reader.start()
    await recorder.until(() => recorder.records.length > 0)
    expect(recorder.calls).toEqual(['assigned 0', 'answered', `chunk ${topic}/0`])
    expect(recorder.records.map(({ value }) => value)).toEqual(numbered(4, 6))
    expect(await log.committed(group, [topic])).toEqual([{ topic, partition: 0, offset: 0, metadata: 'first' }])
    await reader.close()
  })

  it('holds a paused partition back alone, and goes on where it stopped', async () => {
    const topic = await topicOf(2)
    const writer = await log.writer()
    const recorder = new Recorder([topic])
    const reader = recorder.reader(log, uniqueName('group'), [topic])
    await reader.start()
    reader.pause({ topic, partition: 0 })
    await writer.append(topic, 0, batchOf(['held']))
    await writer.append(topic, 1, batchOf(['a']))
    await recorder.until(() => recorder.records.length === 1)
    await writer.append(topic, 1, batchOf(['b']))
    await recorder.until(() => recorder.records.length === 2)
    reader.resume({ topic, partition: 0 })
    await recorder.until(() => recorder.records.length === 3)
    await reader.close()
    expect(recorder.records.map(({ value }) => value)).toEqual(['a', 'b', 'held'])
  })

  it('is not joined, and says why, where a topic is missing', async () => {
    const recorder = new Recorder([])
    const reader = recorder.reader(log, uniqueName('group'), [uniqueName('absent')])
    await expect(reader.start()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
    await reader.close()
    expect(recorder.calls).toEqual([])
  })

  it('ends with the owner’s own error when the owner fails', async () => {
    const topic = await topicOf(1)
    const recorder = new Recorder([topic])
    recorder.starts = async () => {
      throw new LogError('CORRUPT', 'the state cannot be read')
    }
    const reader = recorder.reader(log, uniqueName('group'), [topic])
    await expect(reader.start()).rejects.toMatchObject({ code: 'CORRUPT', message: 'the state cannot be read' })
    await reader.close()
  })
})
