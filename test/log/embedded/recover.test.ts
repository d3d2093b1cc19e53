import { copyFile, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LogError } from '../../../src/log/port.ts'
import { type TempDir, tempDir } from '../../support/tempDir.ts'
import { keysIn, numbers, openAt, seeded, upTo } from './opened.ts'

const SEED = 20_261_121

describe('opening an embedded log again', () => {
  let dir: TempDir
  let partitionFolder: string

  beforeEach(async () => {
    dir = await tempDir()
    partitionFolder = `${dir.path}/topics/views/0`
  })

  afterEach(async () => {
    await dir.remove()
  })

  /** A log of 200 records in 20 batches; the ends of the batches in the last segment, by the records before them. */
  async function write(segmentBytes: number): Promise<void> {
    const log = await openAt(dir.path, { segmentBytes })
    await log.createTopics([{ topic: 'views', partitions: 1 }])
    const writer = await log.writer()
    for (let i = 0; i < 20; i++) await writer.append('views', 0, numbers(i * 10, i * 10 + 10))
    await log.close()
  }

  async function segments(): Promise<string[]> {
    const names = (await readdir(partitionFolder)).sort()
    return names.map((name) => `${partitionFolder}/${name}`)
  }

  it('finds what was written, in one segment and in many', async () => {
    for (const segmentBytes of [1 << 20, 1000]) {
      await write(segmentBytes)
      const log = await openAt(dir.path, { segmentBytes })
      expect(log.tornBytes).toBe(0)
      expect(await keysIn(log, 'views')).toEqual(upTo(200))
      const writer = await log.writer()
      expect(await writer.append('views', 0, numbers(200, 210))).toBe(200)
      expect(await keysIn(log, 'views', 195, 205)).toEqual([195, 196, 197, 198, 199, 200, 201, 202, 203, 204])
      await log.close()
      await dir.remove()
    }
  })

  it('cuts off a torn end, wherever it tears, counts it, warns of it and goes on', async () => {
    await write(1 << 20)
    const [path] = await segments()
    const whole = await readFile(path)
    const batchBytes = whole.length / 20
    const random = seeded(SEED)
    for (let round = 0; round < 40; round++) {
      const size = random(whole.length)
      await writeFile(path, whole)
      await truncate(path, size)
      const warnings: object[] = []
      const log = await openAt(dir.path, { logger: { warn: (fields) => warnings.push(fields) } })
      const batches = batchesWithin(whole, size)
      const torn = size - batches.end
      expect(log.tornBytes, `truncated to ${size}`).toBe(torn)
      expect(warnings).toEqual(torn === 0 ? [] : [{ topic: 'views', partition: 0, tornBytes: torn }])
      expect(await keysIn(log, 'views')).toEqual(upTo(batches.count * 10))
      const next = batches.count * 10
      expect(await (await log.writer()).append('views', 0, numbers(next, next + 10))).toBe(next)
      expect(await keysIn(log, 'views')).toEqual(upTo(next + 10))
      await log.close()
      expect((await stat(path)).size).toBeLessThanOrEqual(batches.end + 2 * batchBytes)
    }
  })

  it('cuts off at a flipped byte and never hands out what was changed', async () => {
    await write(1 << 20)
    const [path] = await segments()
    const whole = await readFile(path)
    const random = seeded(SEED + 1)
    for (let round = 0; round < 60; round++) {
      const bytes = Buffer.from(whole)
      const place = random(bytes.length)
      bytes[place] ^= 1 + random(255)
      await writeFile(path, bytes)
      const log = await openAt(dir.path)
      const keys = await keysIn(log, 'views')
      expect(keys, `flipped at ${place}`).toEqual(upTo(keys.length))
      // Only the leader epoch is outside the checksum and without meaning here.
      if (keys.length < 200) expect(log.tornBytes).toBeGreaterThan(0)
      await log.close()
    }
  })

  it('tells damage in an older segment when it is read, and hands out nothing of it', async () => {
    await write(1000)
    const [, damaged] = await segments()
    const whole = await readFile(damaged)
    const random = seeded(SEED + 2)
    for (let round = 0; round < 60; round++) {
      const bytes = Buffer.from(whole)
      const place = random(bytes.length)
      bytes[place] ^= 1 + random(255)
      await writeFile(damaged, bytes)
      const log = await openAt(dir.path, { segmentBytes: 1000 })
      const result = await keysIn(log, 'views').catch((error: unknown) => error)
      if (result instanceof LogError) {
        expect(result.code).toBe('CORRUPT')
        expect(result.message).toMatch(/topic views, partition 0.*offset \d+/)
      } else {
        expect(place % (whole.length / 2), 'leader epoch').toSatisfy((at: number) => at >= 12 && at < 16)
        expect(result).toEqual(upTo(200))
      }
      await log.close()
    }
  })

  it('tells an older segment that was cut or taken away as a missing range', async () => {
    await write(1000)
    const files = await segments()
    await copyFile(files[1], `${dir.path}/kept`)
    const from = Number(/(\d+)\.log$/.exec(files[1])![1])
    const to = Number(/(\d+)\.log$/.exec(files[2])![1])
    await truncate(files[1], 0)
    let log = await openAt(dir.path, { segmentBytes: 1000 })
    await expect(keysIn(log, 'views')).rejects.toMatchObject({
      code: 'OUT_OF_RANGE',
      message: expect.stringContaining(`offsets ${from} to ${to - 1} are missing`),
    })
    expect((await keysIn(log, 'views', to))[0]).toBe(to)
    await log.close()
    await copyFile(`${dir.path}/kept`, files[1])
    log = await openAt(dir.path, { segmentBytes: 1000 })
    expect(await keysIn(log, 'views')).toEqual(upTo(200))
    await log.close()
  })

  it('keeps committed offsets, and refuses a file of them that was changed', async () => {
    await write(1 << 20)
    let log = await openAt(dir.path)
    const assigned = { onAssigned: async () => [{ topic: 'views', partition: 0, offset: 200 }] }
    const quiet = { onRevoking: async () => {}, onChunk: () => {}, onFailed: () => {} }
    const limits = { fetchBytesPerPartition: 1000, maxWaitMs: 10, maxInflatedBytes: 1000 }
    const reader = log.reader({ group: 'a/../b', topics: ['views'], ...assigned, ...quiet, ...limits })
    await reader.start()
    await reader.commit([{ topic: 'views', partition: 0, offset: 120, metadata: 'watermark' }])
    await log.close()
    log = await openAt(dir.path)
    const expected = [{ topic: 'views', partition: 0, offset: 120, metadata: 'watermark' }]
    expect(await log.committed('a/../b', ['views'])).toEqual(expected)
    await log.close()

    const [name] = await readdir(`${dir.path}/commits`)
    const path = `${dir.path}/commits/${name}`
    await writeFile(path, (await readFile(path, 'utf8')).replace('120', '121'))
    log = await openAt(dir.path)
    await expect(log.committed('a/../b', ['views'])).rejects.toMatchObject({ code: 'CORRUPT' })
    await log.close()
  })
})

/** How many whole batches lie within the first `size` bytes, and where the last of them ends. */
function batchesWithin(bytes: Buffer, size: number): { count: number; end: number } {
  let count = 0
  let end = 0
  for (;;) {
    const next = end + 12 <= bytes.length ? end + 12 + bytes.readInt32BE(end + 8) : Number.POSITIVE_INFINITY
    if (next > size) return { count, end }
    end = next
    count++
  }
}
