/** What /late, /orphans and /dead read, hold and make, over a log that counts. */
import { expect, it } from 'vitest'
import { newestOf } from '../../src/inspect/sideOutputs.ts'
import type { RawChunk } from '../../src/log/chunk.ts'
import type { Log } from '../../src/log/port.ts'

const PARTITIONS = 8
const RECORDS = 1000
const CHUNK = 10

/** Of each partition, records whose stamp tells their place; of the first the newest. */
class CountingLog {
  open = 0
  mostOpen = 0
  held = 0
  mostHeld = 0

  topics = async () => [{ topic: 't', partitions: PARTITIONS }]

  ends = async () =>
    Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: 't', partition, low: 0, high: RECORDS }))

  async *readRange(topic: string, partition: number, from: number, to: number): AsyncGenerator<RawChunk> {
    this.mostOpen = Math.max(this.mostOpen, ++this.open)
    for (let at = from; at < to; at += CHUNK) {
      this.mostHeld = Math.max(this.mostHeld, ++this.held)
      const offset = Float64Array.from({ length: CHUNK }, (_, i) => at + i)
      const stampMs = offset.map((one) => one * PARTITIONS - partition)
      const release = (): void => void this.held--
      yield { topic, partition, count: CHUNK, offset, stampMs, release } as unknown as RawChunk
    }
    this.open--
  }
}

it('reads one partition after the other, gives each part back, and makes little that is not among the newest', async () => {
  const log = new CountingLog()
  let made = 0
  const read = (chunk: RawChunk, i: number) => {
    made++
    return { writtenAtMs: chunk.stampMs[i], place: `${chunk.partition} ${chunk.offset[i]}` }
  }
  const limit = 20
  const { count, records } = await newestOf(log as unknown as Log, 't', limit, read)
  expect(count).toBe(PARTITIONS * RECORDS)
  const all = Array.from({ length: limit * PARTITIONS }, (_, k) => (RECORDS - 1) * PARTITIONS - k)
  expect(records.map(({ writtenAtMs }) => writtenAtMs)).toEqual(all.slice(0, limit))
  expect(records.slice(0, 2).map(({ place }) => place)).toEqual(['0 999', '1 999'])
  expect(log).toMatchObject({ mostOpen: 1, mostHeld: 1, held: 0 })
  expect(made).toBeLessThan(limit * PARTITIONS)
})
