import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareBytes, mix, murmur2, murmur2Aligned, partitionOf, sameBytes } from '../../src/join/hash.ts'
import { propertyOptions } from '../support/joinStreams.ts'

const require = createRequire(import.meta.url)
const kafkaMurmur2 = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number
const { Partitioners } = require('kafkajs') as {
  Partitioners: Record<
    'DefaultPartitioner',
    () => (input: {
      topic: string
      partitionMetadata: { partitionId: number; leader: number }[]
      message: { key: Buffer; value: Buffer }
    }) => number
  >
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
)

describe('murmur2', () => {
  test("is Kafka's, as kafkajs has it, wherever the bytes lie", () => {
    fc.assert(
      fc.property(bytes, fc.nat(9), (key, at) => {
        const inside = Buffer.concat([Buffer.alloc(at, 0xaa), key, Buffer.alloc(5, 0xbb)])
        expect(murmur2(inside, at, key.length)).toBe(kafkaMurmur2(Buffer.from(key)) >>> 0)
      }),
      propertyOptions(2000),
    )
  })

  test('is the same by words, where the bytes begin at one', () => {
    fc.assert(
      fc.property(bytes, fc.nat(3), (key, words) => {
        const memory = new ArrayBuffer((words + (key.length >> 2) + 2) * 4)
        const inside = new Uint8Array(memory).fill(0xcc)
        inside.set(key, words * 4)
        const hash = murmur2Aligned(new Uint32Array(memory), inside, words * 4, key.length)
        expect(hash).toBe(murmur2(key, 0, key.length))
      }),
      propertyOptions(1000),
    )
  })

  test("is Java's for the keys of Kafka's own test", () => {
    for (const [text, signed] of Object.entries({
      '21': -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      'a-little-bit-longer-string': -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    })) {
      const key = Buffer.from(text)
      expect(murmur2(key, 0, key.length) | 0).toBe(signed)
    }
  })

  test("puts users in the partitions in which kafkajs's default partitioner puts them", () => {
    const partitioner = Partitioners.DefaultPartitioner()
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 64 }), (key, partitions) => {
        const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({ partitionId, leader: 1 }))
        const message = { key: Buffer.from(key), value: Buffer.alloc(0) }
        const expected = partitioner({ topic: 't', partitionMetadata, message })
        expect(partitionOf(murmur2(key, 0, key.length), partitions)).toBe(expected)
      }),
      propertyOptions(500),
    )
  })
})

describe('comparing bytes', () => {
  test('orders texts by their UTF-8 and finds the same ones', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.nat(3), (a, b, at) => {
        const inside = Buffer.concat([Buffer.alloc(at), b])
        const sign = Math.sign(compareBytes(a, 0, a.length, inside, at, b.length))
        expect(sign).toBe(Math.sign(Buffer.compare(a, b)))
        expect(sameBytes(a, 0, a.length, inside, at, b.length)).toBe(sign === 0)
        expect(sameBytes(a, 0, a.length, a.slice(), 0, a.length)).toBe(true)
      }),
      propertyOptions(1000),
    )
  })
})

test('a hash of two depends on both and on their order', () => {
  const seen = new Set<number>()
  for (let a = 0; a < 300; a++) for (let b = 0; b < 300; b++) seen.add(mix(a, b))
  expect(seen.size).toBeGreaterThan(89_900)
  expect(mix(1, 2)).not.toBe(mix(2, 1))
})
