/** What a topic's limit does to its batches: nothing that is not refused beforehand makes a batch that the topic refuses. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Compression } from '../../src/config/model.ts'
import type { TopicInfo } from '../../src/log/port.ts'
import type { EncodedBatch, RecordHeader } from '../../src/log/recordBatch/builder.ts'
import { BatchedTopic } from '../../src/sinks/batches.ts'
import { cutTo } from '../../src/sinks/cut.ts'
import { limitOf, type TopicLimit } from '../../src/sinks/limit.ts'
import { Random } from '../support/random.ts'

const KEY = Buffer.from('ann')
const INFLATED_BYTES = 64 * 2 ** 20

function topicOf(compression: Compression, limit: TopicLimit) {
  const batches: EncodedBatch[] = []
  const append = async (_topic: string, _partition: number, batch: EncodedBatch) => batches.push(batch)
  const topic = new BatchedTopic('samples', compression, { append, close: async () => {} }, { limit, node: 'node-1' })
  const add = (value: Buffer, headers?: readonly RecordHeader[]) => {
    const refusal = topic.refusal(KEY, 0, KEY.length, value, 0, value.length, headers)
    if (refusal === undefined) topic.add(0, 1, KEY, 0, KEY.length, value, 0, value.length, headers)
    return refusal
  }
  return { topic, batches, add }
}

const taking = (bytes: number): TopicLimit => ({ bytes, plainBytes: 2 ** 20 })
const noise = (bytes: number, seed = 1): Buffer => {
  const random = new Random(seed)
  return Buffer.from(Uint8Array.from({ length: bytes }, () => random.below(256)))
}

describe('a record larger than its topic takes of what is not compressed', () => {
  test('goes out in a batch of its own, where compression makes it fit', async () => {
    const { topic, batches, add } = topicOf('lz4', taking(10_000))
    const large = Buffer.alloc(100_000, 'x')
    for (const value of [noise(100), large, noise(200)]) expect(add(value)).toBeUndefined()
    await topic.flush()
    expect(batches.map(({ count }) => count)).toEqual([1, 1, 1])
    expect(batches[1].bytes.length).toBeLessThan(10_000)
  })

  test('is refused with sizes and topic, where it does not', () => {
    const { add } = topicOf('lz4', taking(10_000))
    expect(add(noise(20_000))).toBe('20003 bytes are more than topic samples takes (max.message.bytes: 10000)')
  })

  test('is refused where those who read it would not inflate it', () => {
    const { add } = topicOf('lz4', taking(10_000))
    expect(add(Buffer.alloc(2 ** 20, 'x'))).toContain('1048579 bytes')
  })

  test('counts with its headers', () => {
    const { add } = topicOf('none', taking(10_000))
    expect(add(noise(5_000))).toBeUndefined()
    expect(add(noise(5_000), [['reason', noise(5_000)]])).toContain('more than topic samples takes')
  })
})

describe('a partition that is given up', () => {
  const value = Buffer.from('v')

  test('rejects whoever waits for what is under way, and is as new', async () => {
    let answer: (offset: number) => void = () => {}
    const append = () => new Promise<number>((resolve) => void (answer = resolve))
    const topic = new BatchedTopic('samples', 'none', { append, close: async () => {} })
    topic.add(0, 1, KEY, 0, KEY.length, value, 0, value.length)
    const waiting = topic.flush(0)
    topic.discard(0)
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED', message: 'samples/0: the partition is given up' })
    expect(topic.bufferedBytes).toBe(0)
    await topic.flush(0)
    topic.add(0, 1, KEY, 0, KEY.length, value, 0, value.length)
    const again = topic.flush(0)
    answer(0)
    await again
  })

  test('has nothing kept for it of what was answered: one is held for days', async () => {
    const { topic, add } = topicOf('none', taking(10_000))
    const lanes: ReadonlyMap<number, { waiting: ReadonlySet<unknown> }> = Reflect.get(topic, 'lanes')
    for (let k = 0; k < 20; k++) {
      add(value)
      const flushed = topic.flush(0)
      expect(lanes.get(0)!.waiting.size).toBe(1)
      await flushed
    }
    await new Promise(setImmediate)
    expect(lanes.get(0)!.waiting.size).toBe(0)
  })
})

const COMPRESSIONS: readonly Compression[] = ['none', 'lz4', 'gzip', 'snappy', 'zstd']
const anyValue = fc
  .record({ bytes: fc.integer({ min: 0, max: 12_000 }), isNoise: fc.boolean(), seed: fc.nat() })
  .map(({ bytes, isNoise, seed }) => (isNoise ? noise(bytes, seed) : Buffer.alloc(bytes, 'x')))

test('what was not refused is in batches that the topic takes, in its order', async () => {
  const anyRun = fc.record({
    compression: fc.constantFrom(...COMPRESSIONS),
    limitBytes: fc.integer({ min: 2_000, max: 20_000 }),
    values: fc.array(anyValue, { maxLength: 20 }),
  })
  await fc.assert(
    fc.asyncProperty(anyRun, async ({ compression, limitBytes, values }) => {
      const { topic, batches, add } = topicOf(compression, taking(limitBytes))
      const taken = values.filter((value) => add(value) === undefined)
      await topic.flush()
      for (const { bytes } of batches) expect(bytes.length).toBeLessThanOrEqual(limitBytes)
      expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(taken.length)
      for (const value of values) if (value.length < limitBytes - 1_500) expect(taken).toContain(value)
    }),
    { numRuns: 60 },
  )
})

test('a record that was cut is never refused, and says how large it was', () => {
  fc.assert(
    fc.property(fc.integer({ min: 4_000, max: 20_000 }), anyValue, anyValue, (limitBytes, key, value) => {
      const { topic } = topicOf('lz4', taking(limitBytes))
      const cut = cutTo(topic.roomBytes, { key, value, headers: [['reason', noise(500)]] })
      const [keyCut, valueCut] = [cut.key!, cut.value!]
      expect(topic.refusal(keyCut, 0, keyCut.length, valueCut, 0, valueCut.length, cut.headers)).toBeUndefined()
      const said = new Map(cut.headers.map(([name, bytes]) => [name, String(bytes)]))
      expect(said.get('key_bytes')).toBe(keyCut.length < key.length ? String(key.length) : undefined)
      expect(said.get('value_bytes')).toBe(valueCut.length < value.length ? String(value.length) : undefined)
      expect(key.subarray(0, keyCut.length).equals(keyCut)).toBe(true)
      expect(value.subarray(0, valueCut.length).equals(valueCut)).toBe(true)
      // Cut again, as on its way through another topic, it says the same.
      const again = cutTo(1_000, { ...cut, key: keyCut, value: valueCut })
      expect(again.headers.slice(0, cut.headers.length)).toEqual(cut.headers)
    }),
    { numRuns: 60 },
  )
})

describe('what a topic takes', () => {
  const info = (settings: Record<string, string>): TopicInfo => {
    return { topic: 't', partitions: 1, settings: new Map(Object.entries(settings)) }
  }

  test('is Kafka’s default where its settings may not be read', () => {
    for (const unknown of [undefined, info({})]) expect(limitOf(unknown, 'lz4', INFLATED_BYTES).bytes).toBe(1_048_588)
    expect(limitOf(info({ 'max.message.bytes': '600000' }), 'lz4', INFLATED_BYTES).bytes).toBe(600_000)
  })

  test('is not more of what is not compressed, where brokers compress it anew', () => {
    const limit = (codec: string) => limitOf(info({ 'compression.type': codec }), 'lz4', INFLATED_BYTES)
    for (const kept of ['producer', 'lz4']) expect(limit(kept).plainBytes).toBeGreaterThan(10_000_000)
    for (const anew of ['uncompressed', 'zstd']) expect(limit(anew).plainBytes).toBeLessThan(limit(anew).bytes)
  })

  test('is not less than what it takes uncompressed, but for what is inflated', () => {
    const large = info({ 'max.message.bytes': String(40 * 2 ** 20) })
    expect(limitOf(large, 'none', INFLATED_BYTES).plainBytes).toBeGreaterThan(39 * 2 ** 20)
    expect(limitOf(large, 'none', 2 ** 20).plainBytes).toBe(2 ** 20)
  })
})
