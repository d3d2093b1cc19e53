/** Which partitions a node holds: what leaves is gone before the next is built, and what was lost is asked for again. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Partition } from '../../src/actors/partition.ts'
import { Holdings } from '../../src/cluster/holdings.ts'

let left: number[]
let rejoins: number
let failures: Error[]
let leave: (index: number) => Promise<void>
let held: Holdings

const partition = (index: number) => ({ index }) as Partition

beforeEach(() => {
  vi.useFakeTimers()
  left = []
  failures = []
  rejoins = 0
  leave = async () => {}
  held = new Holdings({
    leave: async ({ index }) => {
      await leave(index)
      left.push(index)
    },
    rejoin: () => {
      rejoins++
    },
    onFailed: (error) => failures.push(error),
  })
})
afterEach(() => vi.useRealTimers())

describe('holdings', () => {
  it('give up what an assignment does not leave, and say when it is gone', async () => {
    for (const index of [0, 1, 2]) held.hold(partition(index))
    const release: (() => void)[] = []
    leave = () => new Promise((resolve) => release.push(resolve))
    let isAssigned = false
    const assigned = held.assign([1, 2, 3], [1]).then(() => {
      isAssigned = true
    })
    expect(held.numbers).toEqual([1])
    await vi.advanceTimersByTimeAsync(100)
    expect(isAssigned).toBe(false)
    for (const resolve of release) resolve()
    await assigned
    expect(left.sort()).toEqual([0, 2])
  })

  it('ask the group again for what was lost, once it is clear that it is still theirs', async () => {
    await held.assign([0, 1], [])
    const [zero, one] = [partition(0), partition(1)]
    held.hold(zero)
    held.hold(one)
    held.lose([zero])
    expect(held.has(0)).toBe(false)
    await vi.advanceTimersByTimeAsync(999)
    expect(rejoins).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(rejoins).toBe(1)
    expect(left).toEqual([0])
  })

  it('ask for nothing where an assignment has come meanwhile', async () => {
    await held.assign([0, 1], [])
    const [zero, one] = [partition(0), partition(1)]
    held.hold(zero)
    held.hold(one)
    held.lose([zero])
    await held.assign([1], [1])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(rejoins).toBe(0)
    expect(held.numbers).toEqual([1])
  })

  it('leave alone what was built anew under the same number', async () => {
    const [old, next] = [partition(0), partition(0)]
    held.hold(old)
    held.giveUp(old)
    await held.settled()
    held.hold(next)
    held.giveUp(old)
    expect(held.get(0)).toBe(next)
    await held.giveUpAll()
    expect(left).toEqual([0, 0])
  })

  it('tell what cannot be ended in order', async () => {
    leave = async () => Promise.reject(new Error('the journal is stuck'))
    held.hold(partition(4))
    await held.giveUpAll()
    expect(failures).toMatchObject([{ message: 'the journal is stuck' }])
  })
})
