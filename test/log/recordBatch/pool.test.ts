import { describe, expect, test, vi } from 'vitest'
import { takeBuffer } from '../../../src/log/recordBatch/pool.ts'

const MiB = 2 ** 20

describe('the pool of chunks', () => {
  test('gives a buffer to one chunk at a time, also when it is given back twice', () => {
    const first = takeBuffer(MiB)
    first.buffer.fill(1)
    first.release()
    first.release()
    const second = takeBuffer(MiB)
    const third = takeBuffer(MiB)
    expect(second.buffer.buffer).toBe(first.buffer.buffer)
    expect(third.buffer.buffer).not.toBe(second.buffer.buffer)
    first.release()
    expect(takeBuffer(MiB).buffer.buffer).not.toBe(second.buffer.buffer)
  })

  test('gives as many bytes as were asked for, and wastes no large buffer on a small chunk', () => {
    const large = takeBuffer(3 * MiB)
    large.release()
    const small = takeBuffer(1000)
    expect(small.buffer.length).toBe(1000)
    expect(small.buffer.buffer).not.toBe(large.buffer.buffer)
    expect(takeBuffer(2.5 * MiB).buffer.length).toBe(2.5 * MiB)
  })

  test('keeps a bounded number of bytes', () => {
    const taken = Array.from({ length: 12 }, () => takeBuffer(3 * MiB))
    const memories = new Set(taken.map(({ buffer }) => buffer.buffer))
    for (const { release } of taken) release()
    const again = Array.from({ length: 12 }, () => takeBuffer(3 * MiB))
    const reused = again.filter(({ buffer }) => memories.has(buffer.buffer))
    expect(reused.length).toBeGreaterThan(0)
    expect(reused.length).toBeLessThanOrEqual(5)
  })

  test('gives its spare buffers back after some seconds without a chunk', async () => {
    vi.useFakeTimers()
    vi.resetModules()
    const pool = await import('../../../src/log/recordBatch/pool.ts')
    const first = pool.takeBuffer(MiB)
    first.release()
    vi.advanceTimersByTime(4_000)
    const second = pool.takeBuffer(MiB)
    expect(second.buffer.buffer).toBe(first.buffer.buffer)
    second.release()
    vi.advanceTimersByTime(6_000)
    expect(pool.takeBuffer(MiB).buffer.buffer).not.toBe(first.buffer.buffer)
    vi.useRealTimers()
  })
})
