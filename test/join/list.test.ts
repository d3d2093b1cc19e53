import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NumberList } from '../../src/join/list.ts'

test('a number list holds what was pushed, through growth, reservation and reuse', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer(), { maxLength: 300, size: 'max' }), { maxLength: 4 }),
      fc.nat(500),
      (rounds, room) => {
        const list = new NumberList(Int32Array)
        for (const round of rounds) {
          list.clear()
          list.reserve(room)
          for (const value of round) list.push(value)
          expect([...list.items.subarray(0, list.length)]).toEqual(round)
          expect(list.items.length).toBeGreaterThanOrEqual(Math.max(room, round.length))
        }
      },
    ),
    { seed: 1 },
  )
})

test('a number list keeps what was there when room is made', () => {
  const list = new NumberList(Float64Array)
  for (let k = 0; k < 64; k++) list.push(k + 0.5)
  list.reserve(1000)
  expect([...list.items.subarray(0, 64)]).toEqual(Array.from({ length: 64 }, (_, k) => k + 0.5))
})
