/** Records that the consolidated topic cannot hold stop nobody: they are in the dead letters, cut, with their places. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { Random } from '../support/random.ts'
import { RepartitionWorld, T } from './world.ts'

let world: RepartitionWorld
beforeAll(async () => {
  world = await RepartitionWorld.open()
}, 60_000)
afterAll(() => world.remove())

/** An event of so many bytes, which gzip makes smaller and LZ4 does not. */
function eventOf(bytes: number): Buffer {
  const random = new Random(bytes)
  const bare = JSON.stringify({ v: 'v', u: 'ann', i: 'x', t: T + 90_000, pad: '' })
  const pad = Array.from({ length: bytes - bare.length }, () => random.below(16).toString(16)).join('')
  return Buffer.from(bare.replace('"pad":""', `"pad":"${pad}"`))
}

test('what the consolidated topic cannot hold goes to the dead letters, and the join goes on', async () => {
  await world.start()
  const sizes = [
    // Beyond limits.record; and one that could be joined, if it were not for the headers beside it.
    1_300_000, 1_048_570,
  ]
  const writer = await world.log.writer()
  const key = Buffer.from('x')
  for (const value of sizes.map(eventOf)) {
    const builder = new RecordBatchBuilder({ compression: 'gzip' })
    builder.add(T, key, 0, key.length, value, 0, value.length)
    await writer.append('views', 1, builder.finish())
  }
  await writer.close()
  await world.send([
    { source: 'views', v: 'v1', u: 'ann', i: 'a', t: T },
    { source: 'clicks', v: 'v1', u: 'ann', i: 'a', t: T + 1_000 },
  ])
  await world.reached('refused', 2)
  await world.reached('engagements', 1)
  await world.close(60_000)
  await world.reached('samples', 1)
  await world.stop()

  const dead = await world.readAll('dead')
  expect(dead).toHaveLength(2)
  for (const { headers, value } of dead) {
    const offset = Number(headers.get('source_offset'))
    expect(headers.get('source_topic')).toBe('views')
    expect(headers.get('source_partition')).toBe('1')
    expect(headers.get('topic')).toBe('all')
    expect(headers.get('reason')).toMatch(/^\d+ bytes are more than topic all takes \(max.message.bytes: 1048588\)$/)
    expect(headers.get('value_bytes')).toBe(String(sizes[offset]))
    expect(value.length).toBeGreaterThan(1_000_000)
    expect(eventOf(sizes[offset]).subarray(0, value.length).equals(value)).toBe(true)
  }
  expect(new Set(dead.map(({ headers }) => headers.get('source_offset')))).toEqual(new Set(['0', '1']))
}, 60_000)
