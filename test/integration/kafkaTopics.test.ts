/** Topics of a real broker, and a broker that goes away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/port.ts'
import { ownBroker, type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { batchOf, openLog, Recorder } from '../support/kafkaTools.ts'

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

describe('topics', () => {
  it('are described where they exist, with the settings that decide what is kept', async () => {
    const topic = await topicOf(3, { 'retention.ms': '1234567', 'message.timestamp.type': 'LogAppendTime' })
    const described = await log.topics([topic, uniqueName('absent')])
    expect(described).toMatchObject([{ topic, partitions: 3 }])
    expect(described[0].settings.get('retention.ms')).toBe('1234567')
    expect(described[0].settings.get('message.timestamp.type')).toBe('LogAppendTime')
    expect(described[0].settings.get('cleanup.policy')).toBe('delete')
  })

  it('are made once, and refused with another number of partitions', async () => {
    const topic = await topicOf(3)
    await log.createTopics([{ topic, partitions: 3 }])
    await expect(log.createTopics([{ topic, partitions: 4 }])).rejects.toThrow(
      `topic ${topic} has 3 partitions, where 4 were asked for`,
    )
  })
})

describe('a broker that is killed and comes back', () => {
  it('costs a reader and a writer time, and neither records nor their order', { timeout: 180_000 }, async () => {
    const own = await ownBroker()
    const ownLog = await openLog(own.brokers)
    try {
      const topic = uniqueName('topic')
      await ownLog.createTopics([{ topic, partitions: 1 }])
      const writer = await ownLog.writer()
      const recorder: Recorder = new Recorder([topic], () => recorder.chunks.at(-1)?.nextOffset ?? 0)
      const group = uniqueName('group')
      const reader = recorder.reader(ownLog, group, [topic])
      await reader.start()
      await writer.append(topic, 0, batchOf(numbered(0, 10)))
      await recorder.until(() => recorder.records.length === 10)
      await own.kill()
      const during = writer.append(topic, 0, batchOf(numbered(10, 10)))
      await own.restart()
      await during
      await writer.append(topic, 0, batchOf(numbered(20, 10)))
      await recorder.until(() => recorder.records.some(({ value }) => value === 'value-29'))
      await reader.commit([{ topic, partition: 0, offset: 15, metadata: 'after' }])
      await reader.close()
      const offsets = recorder.records.map(({ offset }) => offset)
      expect(offsets).toEqual(offsets.map((_, i) => i))
      expect([...new Set(recorder.records.map(({ value }) => value))]).toEqual(numbered(0, 30))
      expect(recorder.failures).toEqual([])
      expect(await ownLog.committed(group, [topic])).toMatchObject([{ offset: 15, metadata: 'after' }])
    } finally {
      await ownLog.close()
      await own.stop()
    }
  })
})
