import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LogError, type Reader } from '../../../src/log/port.ts'
import { type TempDir, tempDir } from '../../support/tempDir.ts'
import { keysIn, numbers, openAt, upTo } from './opened.ts'

const DAY_MS = 86_400_000

describe('a partition of the embedded log', () => {
  let dir: TempDir

  beforeEach(async () => {
    dir = await tempDir()
  })

  afterEach(async () => {
    vi.restoreAllMocks()
    await dir.remove()
  })

  /** The methods that every open file shares, to be made to fail. */
  async function fileMethods(): Promise<FileHandle> {
    const handle = await open(`${dir.path}/probe`, 'w')
    await handle.close()
    return Object.getPrototypeOf(handle)
  }

  function full(): Error {
    return Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }

  async function withTopic(options: Parameters<typeof openAt>[1] = {}, settings: Record<string, string> = {}) {
    const log = await openAt(dir.path, options)
    await log.createTopics([{ topic: 'views', partitions: 1, settings }])
    return log
  }

  it('rejects appends while the disk is full, cuts off what they left, and takes later ones', async () => {
    const log = await withTopic()
    const writer = await log.writer()
    await writer.append('views', 0, numbers(0, 10))
    const path = `${dir.path}/topics/views/0/${'0'.repeat(20)}.log`
    const sizeBytes = (await stat(path)).size

    const methods = await fileMethods()
    const real = methods.writev
    vi.spyOn(methods, 'writev').mockImplementation(async function (this: FileHandle, buffers, at) {
      await real.call(this, [Buffer.from(buffers[0].buffer, buffers[0].byteOffset, 30)], at)
      throw full()
    })
    const failed = await Promise.allSettled([1, 2, 3].map(() => writer.append('views', 0, numbers(10, 20))))
    for (const one of failed) {
      expect(one.status).toBe('rejected')
      expect((one as PromiseRejectedResult).reason).toBeInstanceOf(LogError)
      expect((one as PromiseRejectedResult).reason.message).toMatch(/topic views, partition 0.*ENOSPC/)
    }
    expect((await stat(path)).size).toBe(sizeBytes)
    expect((await log.ends(['views']))[0].high).toBe(10)

    vi.restoreAllMocks()
    expect(await writer.append('views', 0, numbers(10, 20))).toBe(10)
    await log.close()
    const again = await openAt(dir.path)
    expect(again.tornBytes).toBe(0)
    expect(await keysIn(again, 'views')).toEqual(upTo(20))
    await again.close()
  })

  it('cuts off what a failed append left even where cutting fails at first', async () => {
    const log = await withTopic()
    const writer = await log.writer()
    await writer.append('views', 0, numbers(0, 10))
    const methods = await fileMethods()
    vi.spyOn(methods, 'datasync').mockRejectedValueOnce(full())
    vi.spyOn(methods, 'truncate').mockRejectedValueOnce(full())
    await expect(writer.append('views', 0, numbers(10, 30))).rejects.toThrow('ENOSPC')
    expect(await keysIn(log, 'views')).toEqual(upTo(10))
    vi.restoreAllMocks()
    expect(await writer.append('views', 0, numbers(10, 12))).toBe(10)
    await log.close()
    const again = await openAt(dir.path)
    expect(again.tornBytes).toBe(0)
    expect(await keysIn(again, 'views')).toEqual(upTo(12))
    await again.close()
  })

  it('shows nothing and answers nothing before it is durable', async () => {
    const log = await withTopic()
    const writer = await log.writer()
    const methods = await fileMethods()
    const real = methods.datasync
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const syncing = vi.spyOn(methods, 'datasync').mockImplementation(async function (this: FileHandle) {
      await held
      await real.call(this)
    })
    let answered = false
    const appending = writer.append('views', 0, numbers(0, 10)).then(() => {
      answered = true
    })
    await vi.waitUntil(() => syncing.mock.calls.length === 1)
    expect((await log.ends(['views']))[0].high).toBe(0)
    expect(answered).toBe(false)
    release()
    await appending
    expect((await log.ends(['views']))[0].high).toBe(10)
    await log.close()
  })

  it('makes appends that wait together durable with one fsync', async () => {
    for (const fsyncMs of [0, 20]) {
      const log = await withTopic({ fsyncMs })
      const writer = await log.writer()
      const syncing = vi.spyOn(await fileMethods(), 'datasync')
      const offsets = await Promise.all(upTo(50).map((i) => writer.append('views', 0, numbers(i, i + 1))))
      expect([...offsets].sort((a, b) => a - b)).toEqual(upTo(50).map((i) => i + offsets[0]))
      expect(syncing.mock.calls.length).toBeLessThanOrEqual(2)
      vi.restoreAllMocks()
      await log.close()
    }
  })

  it('deletes whole segments that are older than the retention, never the active one, and says what is missing', async () => {
    let nowMs = 10 * DAY_MS
    const settings = { 'retention.ms': String(2 * DAY_MS) }
    const log = await withTopic({ segmentBytes: 1000, nowMs: () => nowMs }, settings)
    const writer = await log.writer()
    // A day a batch of 10, two batches a segment.
    for (let day = 0; day < 8; day++)
      await writer.append('views', 0, numbers(day * 10, day * 10 + 10, (10 + day) * DAY_MS))
    expect((await log.ends(['views']))[0].low).toBe(0)
    await log.close()

    nowMs = 15.5 * DAY_MS
    const again = await openAt(dir.path, { segmentBytes: 1000, nowMs: () => nowMs })
    const [{ low, high }] = await again.ends(['views'])
    expect([low, high]).toEqual([40, 80])
    expect((await readdir(`${dir.path}/topics/views/0`)).sort()[0]).toBe(`${'0'.repeat(18)}40.log`)
    expect(await keysIn(again, 'views', 40)).toEqual(upTo(80).slice(40))
    await expect(keysIn(again, 'views', 25)).rejects.toMatchObject({
      code: 'OUT_OF_RANGE',
      message: expect.stringMatching(/topic views, partition 0.*offsets 25 to 39 are missing/),
    })
    await again.close()

    nowMs = 1000 * DAY_MS
    const later = await openAt(dir.path, { segmentBytes: 1000, nowMs: () => nowMs })
    const ends = (await later.ends(['views']))[0]
    expect(ends.high).toBe(80)
    expect(ends.low).toBe(60)
    expect(await keysIn(later, 'views', 60)).toEqual(upTo(80).slice(60))
    await later.close()
  })

  it('tells a reader whose position retention has passed, and commits nothing', async () => {
    let nowMs = 0
    const log = await withTopic({ segmentBytes: 1000, retentionMs: DAY_MS, nowMs: () => nowMs })
    const writer = await log.writer()
    for (let i = 0; i < 8; i++) await writer.append('views', 0, numbers(i * 10, i * 10 + 10, 0))
    const failures: Error[] = []
    let delivered = 0
    const reader: Reader = log.reader({
      group: 'g',
      topics: ['views'],
      fetchBytesPerPartition: 100,
      maxWaitMs: 10,
      maxInflatedBytes: 1000,
      onAssigned: async () => [{ topic: 'views', partition: 0, offset: 0 }],
      onRevoking: async () => {},
      onChunk: (chunk) => {
        delivered += chunk.count
        reader.pause(chunk)
      },
      onFailed: (error) => failures.push(error),
    })
    await reader.start()
    await vi.waitUntil(() => delivered === 10)
    nowMs = 10 * DAY_MS
    // Rolling deletes what has expired.
    for (let i = 8; i < 12; i++) await writer.append('views', 0, numbers(i * 10, i * 10 + 10, nowMs))
    reader.resume({ topic: 'views', partition: 0 })
    await vi.waitUntil(() => failures.length === 1)
    expect(failures[0]).toMatchObject({ code: 'OUT_OF_RANGE' })
    expect(failures[0].message).toMatch(/offsets 10 to \d+ are missing/)
    expect(delivered).toBe(10)
    expect(await log.committed('g', ['views'])).toEqual([{ topic: 'views', partition: 0, offset: -1, metadata: '' }])
    await log.close()
  })

  it('refuses names that would lead out of its folder, and batches that are none', async () => {
    const log = await withTopic()
    for (const topic of ['..', '.', 'a/b', '', 'x'.repeat(250), 'ä']) {
      await expect(log.createTopics([{ topic, partitions: 1 }])).rejects.toMatchObject({ code: 'FAILED' })
    }
    for (const partitions of [0, -1, 1.5, 1e9]) {
      await expect(log.createTopics([{ topic: 'n', partitions }])).rejects.toMatchObject({ code: 'FAILED' })
    }
    const writer = await log.writer()
    const { bytes } = numbers(0, 3)
    const flipped = Buffer.from(bytes)
    flipped[80] ^= 1
    for (const bad of [Buffer.alloc(0), bytes.subarray(0, 70), Buffer.concat([bytes, bytes]), flipped]) {
      await expect(writer.append('views', 0, { bytes: bad, count: 3 })).rejects.toMatchObject({ code: 'CORRUPT' })
    }
    await expect(writer.append('views', 1, { bytes, count: 3 })).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
    expect(await writer.append('views', 0, { bytes, count: 3 })).toBe(0)
    await log.close()
    await expect(writer.append('views', 0, { bytes, count: 3 })).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
