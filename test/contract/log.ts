/**
 * What every Log must do. Neutral to how: it waits by polling, for as long as a group of a real broker may take.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Compression } from '../../src/config/model.ts'
import type { RawChunk } from '../../src/log/chunk.ts'
import { type Log, LogError, type Reader, type StartPosition } from '../../src/log/port.ts'

import {
  batch,
  type Entry,
  fromStart,
  keysOf,
  Listener,
  numbered,
  type OpenedLog,
  recordsOf,
  refused,
  type Seen,
  STAMP_MS,
  WAIT,
} from './logTools.ts'

export type { OpenedLog } from './logTools.ts'

export function logContract(name: string, open: () => Promise<OpenedLog>): void {
  describe(`the log contract: ${name}`, () => {
    let opened: OpenedLog
    let log: Log
    const readers: Reader[] = []

    beforeAll(async () => {
      opened = await open()
      log = opened.log
    })

    afterAll(async () => {
      await Promise.all(readers.map((reader) => reader.close()))
      await opened.close()
    })

    async function topicOf(prefix: string, partitions: number, settings?: Record<string, string>): Promise<string> {
      const topic = opened.uniqueTopic(prefix)
      await log.createTopics([{ topic, partitions, settings }])
      return topic
    }

    async function append(topic: string, partition: number, entries: readonly Entry[], codec?: Compression) {
      const writer = await log.writer()
      const offset = await writer.append(topic, partition, batch(entries, codec))
      await writer.close()
      return offset
    }

    async function listen(topics: readonly string[], starts: readonly StartPosition[], more = {}): Promise<Listener> {
      const listener = new Listener(log, opened.uniqueTopic('group'), topics, starts, more)
      readers.push(listener.reader)
      await listener.reader.start()
      return listener
    }

    async function range(topic: string, partition: number, from: number, to: number): Promise<Seen[]> {
      const seen: Seen[] = []
      for await (const chunk of log.readRange(topic, partition, from, to)) seen.push(...recordsOf(chunk))
      return seen
    }

    it('makes topics with their partitions and settings, and tells those that exist', async () => {
      const one = await topicOf('one', 1)
      const three = await topicOf('three', 3, { 'retention.ms': '7200000' })
      const infos = await log.topics([one, three, opened.uniqueTopic('absent')])
      expect(infos.map((info) => [info.topic, info.partitions]).sort()).toEqual([
        [one, 1],
        [three, 3],
      ].sort()) // biome-ignore format: a table
      expect(infos.find((info) => info.topic === three)?.settings.get('retention.ms')).toBe('7200000')
    })

    it('leaves a topic that exists as it is when it is made again', async () => {
      const topic = await topicOf('again', 2)
      await append(topic, 1, numbered(0, 3))
      await log.createTopics([{ topic, partitions: 2 }])
      expect((await log.topics([topic]))[0].partitions).toBe(2)
      expect(keysOf(await range(topic, 1, 0, 3))).toEqual(['k0', 'k1', 'k2'])
    })

    it('refuses what it is asked of a topic that does not exist', async () => {
      const absent = opened.uniqueTopic('absent')
      await refused(log.ends([absent]), 'UNKNOWN_TOPIC')
      await refused(append(absent, 0, numbered(0, 1)), 'UNKNOWN_TOPIC')
      await refused(range(absent, 0, 0, 1), 'UNKNOWN_TOPIC')
      expect(await log.topics([absent])).toEqual([])
    })

    it('gives back keys, values, headers, timestamps and nulls as they were appended', async () => {
      const topic = await topicOf('bytes', 1)
      const entries: Entry[] = [
        { key: 'key', value: 'value', stampMs: STAMP_MS, headers: [] },
        { key: null, value: 'only a value', stampMs: STAMP_MS - 5000, headers: [['reason', 'late'], ['', '']] },
        { key: 'only a key', value: null, stampMs: STAMP_MS + 1, headers: [['reason', 'twice'], ['reason', 'ä€😀']] },
        { key: '', value: '', stampMs: STAMP_MS + 2, headers: [] },
      ] // biome-ignore format: a table
      expect(await append(topic, 0, entries)).toBe(0)
      const expected = entries.map((entry, offset) => ({ ...entry, topic, partition: 0, offset }))
      expect(await range(topic, 0, 0, 4)).toEqual(expected)
      const listener = await listen([topic], fromStart([topic], 1))
      await listener.until(4)
      expect(listener.records()).toEqual(expected)
    })

    it('keeps the order of a partition and numbers its records without gaps', async () => {
      const topic = await topicOf('order', 1)
      for (let i = 0; i < 10; i++) expect(await append(topic, 0, numbered(i * 20, i * 20 + 20))).toBe(i * 20)
      const listener = await listen([topic], fromStart([topic], 1), { fetchBytesPerPartition: 1000 })
      await listener.until(200)
      expect(keysOf(listener.records())).toEqual(keysOf(numbered(0, 200) as Seen[]))
      expect(listener.records().map((one) => one.offset)).toEqual(Array.from({ length: 200 }, (_, i) => i))
      for (const chunk of listener.chunks) expect([-1, 200]).toContain(chunk.highWatermark)
    })

    it('takes appends that are in flight together, each once', async () => {
      const topic = await topicOf('together', 1)
      const writer = await log.writer()
      const batches = Array.from({ length: 30 }, (_, i) => batch(numbered(i * 10, i * 10 + 10)))
      const offsets = await Promise.all(batches.map((one) => writer.append(topic, 0, one)))
      expect([...offsets].sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i * 10))
      const seen = await range(topic, 0, 0, 300)
      offsets.forEach((offset, i) => {
        expect(seen[offset].key).toBe(`k${i * 10}`)
      })
      await writer.close()
    })

    it('reads what was compressed', async () => {
      const topic = await topicOf('codecs', 1)
      await append(topic, 0, numbered(0, 50), 'lz4')
      await append(topic, 0, numbered(50, 100), 'gzip')
      const listener = await listen([topic], fromStart([topic], 1))
      await listener.until(100)
      expect(keysOf(listener.records())).toEqual(keysOf(numbered(0, 100) as Seen[]))
    })

    it('reads several partitions, each in its own order, and tells the ends of each', async () => {
      const topic = await topicOf('several', 4)
      for (let partition = 0; partition < 3; partition++)
        await append(topic, partition, numbered(0, 10 * partition + 5))
      const ends = [...(await log.ends([topic]))].sort((a, b) => a.partition - b.partition)
      expect(ends).toEqual([5, 15, 25, 0].map((high, partition) => ({ topic, partition, low: 0, high })))
      const listener = await listen([topic], fromStart([topic], 4))
      expect([...listener.assigned[0]].sort()).toEqual([0, 1, 2, 3])
      await listener.until(45)
      for (let partition = 0; partition < 3; partition++) {
        expect(keysOf(listener.records(topic, partition))).toEqual(keysOf(numbered(0, 10 * partition + 5) as Seen[]))
      }
    })

    it('tells who is in a group, what each has told and what each has', async () => {
      const topics = [await topicOf('one', 2), await topicOf('other', 2)]
      const listener = new Listener(log, opened.uniqueTopic('group'), topics, fromStart(topics, 2), {
        memberInfo: () => Buffer.from('who I am'),
      })
      const { group } = listener
      expect(await log.members(group)).toEqual({ state: 'empty', members: [] })
      await listener.reader.start()
      const { state, members } = await log.members(group)
      expect(state).toBe('stable')
      expect(members.map(({ info, partitions }) => [info.toString(), partitions])).toEqual([['who I am', [0, 1]]])
      await listener.reader.close()
      await vi.waitUntil(async () => (await log.members(group)).state === 'empty', WAIT)
    })

    it('gives the same partition numbers of two topics to one reader', async () => {
      const topics = [await topicOf('left', 2), await topicOf('right', 2)]
      for (const topic of topics) for (const partition of [0, 1]) await append(topic, partition, numbered(0, 7))
      const listener = await listen(topics, fromStart(topics, 2))
      await listener.until(28)
      expect([...listener.assigned.at(-1)!].sort()).toEqual([0, 1])
      for (const topic of topics) {
        for (const partition of [0, 1]) expect(listener.records(topic, partition)).toHaveLength(7)
      }
    })

    it('starts where it is told, also within a batch, and tells what is appended later', async () => {
      const topic = await topicOf('positions', 2)
      await append(topic, 0, numbered(0, 10))
      await append(topic, 1, numbered(0, 10))
      const starts = [
        { topic, partition: 0, offset: 7 },
        { topic, partition: 1, offset: 10 },
      ]
      const listener = await listen([topic], starts)
      await listener.until(3)
      await append(topic, 1, numbered(10, 12))
      await listener.until(5)
      expect(keysOf(listener.records(topic, 0))).toEqual(['k7', 'k8', 'k9'])
      expect(keysOf(listener.records(topic, 1))).toEqual(['k10', 'k11'])
    })

    it('keeps commits with their metadata for whoever asks later', async () => {
      const topics = [await topicOf('views', 2), await topicOf('clicks', 2)]
      for (const topic of topics) for (const partition of [0, 1]) await append(topic, partition, numbered(0, 9))
      const group = opened.uniqueTopic('group')
      const first = new Listener(log, group, topics, fromStart(topics, 2))
      readers.push(first.reader)
      await first.reader.start()
      const metadata = `{"watermark":1700000000000,"text":"ä€😀"}${'m'.repeat(4000 - 60)}`
      await first.reader.commit([
        { topic: topics[0], partition: 1, offset: 4, metadata },
        { topic: topics[1], partition: 1, offset: 6, metadata: '' },
      ])
      const expected = [
        { topic: topics[0], partition: 0, offset: -1, metadata: '' },
        { topic: topics[0], partition: 1, offset: 4, metadata },
        { topic: topics[1], partition: 0, offset: -1, metadata: '' },
        { topic: topics[1], partition: 1, offset: 6, metadata: '' },
      ]
      const committed = async () =>
        [...(await log.committed(group, topics))].sort(
          (a, b) => topics.indexOf(a.topic) - topics.indexOf(b.topic) || a.partition - b.partition,
        )
      expect(await committed()).toEqual(expected)
      await first.reader.commit([{ topic: topics[1], partition: 1, offset: 7, metadata: 'later' }])
      await first.reader.close()

      const second = new Listener(log, group, topics, fromStart(topics, 2))
      readers.push(second.reader)
      await second.reader.start()
      expected[3] = { topic: topics[1], partition: 1, offset: 7, metadata: 'later' }
      expect(await committed()).toEqual(expected)
      expect(await log.committed(opened.uniqueTopic('group'), [topics[0]])).toHaveLength(2)
    })

    it('delivers nothing of a paused partition beyond a chunk in flight, and goes on where it was', async () => {
      const topic = await topicOf('pause', 2)
      for (let i = 0; i < 40; i++) await append(topic, 0, numbered(i * 10, i * 10 + 10))
      let paused = false
      const listener: Listener = await listen([topic], fromStart([topic], 2), {
        fetchBytesPerPartition: 600,
        onChunk: (chunk: RawChunk) => {
          listener.chunks.push(chunk)
          if (!paused) listener.reader.pause({ topic, partition: 0 })
          paused = true
        },
      })
      await listener.until(1)
      // The other partition lives on, which also shows that time has passed for the paused one.
      for (let i = 0; i < 3; i++) {
        await append(topic, 1, numbered(i, i + 1))
        await vi.waitUntil(() => listener.records(topic, 1).length === i + 1, WAIT)
      }
      const whilePaused = listener.chunks.filter((chunk) => chunk.partition === 0)
      expect(whilePaused.length).toBeLessThanOrEqual(2)
      expect(listener.records(topic, 0).length).toBeLessThan(400)
      listener.reader.resume({ topic, partition: 0 })
      await listener.until(403)
      expect(keysOf(listener.records(topic, 0))).toEqual(keysOf(numbered(0, 400) as Seen[]))
    })

    it('hands over a batch larger than the bytes of a fetch', async () => {
      const topic = await topicOf('larger', 1)
      const value = 'x'.repeat(200_000)
      await append(topic, 0, [{ key: 'large', value }, ...numbered(1, 3)])
      await append(topic, 0, numbered(3, 5))
      const listener = await listen([topic], fromStart([topic], 1), { fetchBytesPerPartition: 1000 })
      await listener.until(5)
      expect(keysOf(listener.records())).toEqual(['large', 'k1', 'k2', 'k3', 'k4'])
      expect(listener.records()[0].value).toBe(value)
    })

    it('reads exactly the range that it is asked for, whatever the batches', async () => {
      const topic = await topicOf('range', 1)
      for (const [from, to] of [[0, 10], [10, 11], [11, 30]]) await append(topic, 0, numbered(from, to), 'lz4') // biome-ignore format: pairs
      for (const [from, to] of [
        [0, 30],
        [0, 1],
        [5, 15],
        [10, 11],
        [29, 30],
        [12, 12],
        [30, 30],
      ]) {
        // biome-ignore format: pairs
        expect(keysOf(await range(topic, 0, from, to)), `${from} to ${to}`).toEqual(keysOf(numbered(from, to) as Seen[]))
      }
      for await (const chunk of log.readRange(topic, 0, 5, 15)) expect(chunk.nextOffset).toBeLessThanOrEqual(15)
    })

    it('tells a position that is not in the log, with the range, and leaves the commit alone', async () => {
      const topic = await topicOf('gone', 1)
      await append(topic, 0, numbered(0, 3))
      const group = opened.uniqueTopic('group')
      const first = new Listener(log, group, [topic], fromStart([topic], 1))
      readers.push(first.reader)
      await first.reader.start()
      await first.reader.commit([{ topic, partition: 0, offset: 2, metadata: 'kept' }])
      await first.reader.close()

      const second = new Listener(log, group, [topic], [{ topic, partition: 0, offset: 1017 }])
      readers.push(second.reader)
      await second.reader.start()
      await vi.waitUntil(() => second.failures.length > 0, WAIT)
      const [error] = second.failures
      expect(error).toBeInstanceOf(LogError)
      expect((error as LogError).code).toBe('OUT_OF_RANGE')
      expect(error.message).toContain(topic)
      expect(error.message).toMatch(/\b1017\b/)
      expect(error.message).toMatch(/\b3\b/)
      expect(second.records()).toEqual([])
      await second.reader.close()
      expect(second.failures).toHaveLength(1)
      expect(await log.committed(group, [topic])).toEqual([{ topic, partition: 0, offset: 2, metadata: 'kept' }])
    })

    it('refuses an append beyond what the topic takes, and takes the next', async () => {
      const topic = await topicOf('limit', 1, { 'max.message.bytes': '20000' })
      const large = [{ key: 'k', value: 'x'.repeat(30_000) }]
      const error = await refused(append(topic, 0, large), 'TOO_LARGE')
      expect(error.message).toContain(topic)
      expect(await append(topic, 0, numbered(0, 2))).toBe(0)
    })

    it('asks for the assignment again, and goes on from where it is told then, paused where it was', async () => {
      const topic = await topicOf('again', 2)
      for (const partition of [0, 1]) await append(topic, partition, numbered(0, 5))
      const revoked: (readonly number[])[] = []
      const more = { onRevoking: async (numbers: readonly number[]) => void revoked.push(numbers) }
      const starts = fromStart([topic], 2)
      const listener = await listen([topic], starts, more)
      await listener.until(10)
      listener.reader.pause({ topic, partition: 0 })
      starts.splice(0, 2, { topic, partition: 0, offset: 5 }, { topic, partition: 1, offset: 3 })
      listener.reader.rejoin?.()
      await listener.until(12)
      expect([revoked, listener.assigned.slice(1)]).toEqual([[[0, 1]], [[0, 1]]])
      for (const partition of [0, 1]) await append(topic, partition, numbered(5, 6))
      await listener.until(13)
      expect(keysOf(listener.records(topic, 1)).slice(5)).toEqual(['k3', 'k4', 'k5'])
      listener.reader.resume({ topic, partition: 0 })
      await listener.until(14)
      expect(keysOf(listener.records(topic, 0)).slice(5)).toEqual(['k5'])
    })

    it('tells nothing more once it is closed in the middle of asking again', async () => {
      const topic = await topicOf('asking', 1)
      await append(topic, 0, numbered(0, 5))
      let goOn = (): void => {}
      let isRevoking = false
      const onRevoking = () =>
        new Promise<void>((resolve) => {
          isRevoking = true
          goOn = resolve
        })
      const listener = await listen([topic], fromStart([topic], 1), { onRevoking })
      await listener.until(5)
      listener.reader.rejoin?.()
      await vi.waitFor(() => expect(isRevoking).toBe(true), { timeout: 20_000 })
      const closing = listener.reader.close()
      goOn()
      await closing
      // Another reader has had its assignment, so the closed one had its chance.
      await (await listen([topic], fromStart([topic], 1))).until(5)
      expect(listener.assigned).toHaveLength(1)
    })

    it('tells nothing more once it is closed, and takes no commit', async () => {
      const topic = await topicOf('closing', 1)
      await append(topic, 0, numbered(0, 5))
      const listener = await listen([topic], fromStart([topic], 1))
      await listener.until(5)
      await listener.reader.close()
      await append(topic, 0, numbered(5, 10))
      // Another reader has seen the new records, so the closed one had its chance.
      const other = await listen([topic], fromStart([topic], 1))
      await other.until(10)
      expect(listener.records()).toHaveLength(5)
      expect(listener.failures).toEqual([])
      await refused(listener.reader.commit([{ topic, partition: 0, offset: 5, metadata: '' }]))
    })
  })
}
