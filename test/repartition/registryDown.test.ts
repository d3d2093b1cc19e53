/** A registry that does not answer for a while holds the rewriting up, and ends nothing. */
import { expect, test } from 'vitest'
import type { SourceReader } from '../../src/codec/port.ts'
import { RepartitionWorld, T } from './world.ts'

test('a chunk whose schema cannot be asked for is tried again, and nothing is lost', { timeout: 30_000 }, async () => {
  const world = await RepartitionWorld.open()
  try {
    let refused = 0
    const reader = world.sources[0] as { -readonly [K in keyof SourceReader]: SourceReader[K] }
    const prepare = reader.prepare.bind(reader)
    reader.prepare = (chunk) => {
      // The first tries, by the repartitioner: its chunks are of the source's own topic.
      if (chunk.topic === 'views' && refused < 3) return Promise.reject(new Error(`registry: no answer (${++refused})`))
      return prepare(chunk)
    }
    await world.send([{ source: 'views', v: 'v1', u: 'u1', i: 'i1', t: T + 1_000 }])
    await world.start()
    await world.reached('views', 1)
    expect(refused).toBe(3)
    await world.stop()
  } finally {
    await world.remove()
  }
})
