import { describe, expect, test } from 'vitest'
import { Rooms } from '../../src/journal/rooms.ts'

describe('rooms for segments', () => {
  test('are used again once they are given back, and by one write at a time', () => {
    const rooms = new Rooms()
    const first = rooms.take(100_000)
    const second = rooms.take(100_000)
    expect(second).not.toBe(first)
    rooms.giveBack(first)
    expect(rooms.take(90_000)).toBe(first)
    expect(rooms.take(90_000)).not.toBe(first)
  })

  test('are large enough, and neither many nor huge ones are kept', () => {
    const rooms = new Rooms()
    rooms.giveBack(rooms.take(1_000))
    expect(rooms.take(1_000_000).length).toBeGreaterThanOrEqual(1_000_000)
    const huge = rooms.take(20_000_000)
    rooms.giveBack(huge)
    expect(rooms.take(1_000_000)).not.toBe(huge)
    const many = Array.from({ length: 10 }, () => rooms.take(1_000))
    for (const room of many) rooms.giveBack(room)
    const again = new Set(Array.from({ length: 10 }, () => rooms.take(1_000)))
    expect(many.filter((room) => again.has(room)).length).toBe(4)
  })
})
