/** After every batch the state is whole: see test/support/checkState.ts for what that means. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as B from '../../src/join/blocks.ts'
import { freeUser } from '../../src/join/evolve.ts'
import * as L from '../../src/join/layout.ts'
import type { JoinState } from '../../src/join/state.ts'
import { checkState } from '../support/checkState.ts'
import {
  arrange,
  batchesOf,
  HARSH,
  joinStreams,
  propertyOptions,
  randomOf,
  runJoin,
  takeBatch,
} from '../support/joinStreams.ts'
import { type OracleEvent, PureJoin } from '../support/pureJoin.ts'

const HOW = { copies: 0.3, beyond: 0.3, ticks: 0.2, refused: 0.1 }

describe('the state of a partition', () => {
  test('is whole after every record, the ledger balances, and nothing is left at the end', () => {
    let checked = 0
    fc.assert(
      fc.property(joinStreams(HARSH), (stream) => {
        const events = arrange(stream, randomOf(stream, 1), HOW)
        const join = runJoin(
          stream.config,
          batchesOf(events, () => true),
          ({ state }) => {
            checkState(state)
            checked++
          },
        )
        expect(join.state.arena.usedBytes).toBe(0)
        expect(join.state.timers.size).toBe(0)
        expect(join.state.users.size).toBe(0)
      }),
      propertyOptions(180),
    )
    expect(checked).toBeGreaterThan(2500)
  })

  test('is whole after every batch of many records', () => {
    fc.assert(
      fc.property(joinStreams(HARSH), (stream) => {
        const random = randomOf(stream, 1)
        const events = arrange(stream, random, HOW)
        runJoin(
          stream.config,
          batchesOf(events, () => random.chance(0.1)),
          ({ state }) => checkState(state),
        )
      }),
      propertyOptions(180),
    )
  })

  test('gives back everything of a user that is freed in the middle', () => {
    fc.assert(
      fc.property(joinStreams(HARSH), (stream) => {
        const random = randomOf(stream, 1)
        const batches = batchesOf(arrange(stream, random, HOW), () => random.chance(0.1))
        const stopAt = random.below(batches.length + 1)
        let count = 0
        runJoin(stream.config, batches, ({ state }) => {
          if (count++ !== stopAt) return
          const users: number[] = []
          state.users.forEach((user) => {
            users.push(user)
          })
          for (const user of users) freeUser(state, user)
          expect(state.arena.usedBytes).toBe(0)
          expect(state.needed.map((needed) => needed.size)).toEqual(stream.config.sources.map(() => 0))
          expect([state.ids.size, state.items.size, state.engagements.size, state.users.size]).toEqual([0, 0, 0, 0])
          state.ledger.fill(0)
        })
      }),
      propertyOptions(150),
    )
  })
})

describe('the checker itself', () => {
  const config = { ...fc.sample(joinStreams(HARSH), { numRuns: 1, seed: 7 })[0].config, rememberSealedMs: 1e9 }
  const batches: OracleEvent[][] = [
    [
      { source: 0, offset: 1, user: 'u', item: 'i', time: 0 },
      { source: 0, offset: 2, user: 'u', item: 'i', time: 10_000 },
    ],
    [{ source: 1, offset: 1, user: 'u', item: 'i', time: 10_000, type: 'click' }],
    [{ watermark: 5000 }],
  ]

  test.each<[string, (s: JoinState) => void, RegExp]>([
    ['a needed offset that was forgotten', (s) => s.needed[0].remove(2), /has no bit/],
    ['a needed offset too many', (s) => s.needed[1].add(99), /needed offsets of source 1/],
    ['memory that leaks', (s) => s.arena.allocate(40), /bytes used in the arena/],
    [
      'a lost timer',
      (s) =>
        s.timers.take(
          1e9,
          () => 0,
          () => {},
        ),
      /no timer/,
    ],
    ['a count that is off', (s) => s.ledger.fill(0), /in the ledger/],
    ['an overdue view', (s) => s.watermarkAt.fill(1e9), /overdue|too long/],
    ['a segment that was not released', (s) => s.retained.push(12), /events of segment 12/],
    ['an event that a table has lost', (s) => s.engagements.remove(first(s, L.U_UNDECIDED)), /engagement table/],
    ['a sum of bytes that is off', (s) => B.setU32(s.arena, userOf(s), L.U_BYTES, 5), /U_BYTES/],
    ['a count of pending views that is off', (s) => B.setU32(s.arena, userOf(s), L.U_PENDING, 5), /U_PENDING/],
  ])('sees %s', (_, damage, message) => {
    const join = new PureJoin(config)
    for (const batch of batches) takeBatch(join, batch)
    checkState(join.state)
    damage(join.state)
    expect(() => checkState(join.state)).toThrow(message)
  })

  function userOf(s: JoinState): number {
    let found = 0
    s.users.forEach((user) => {
      found = user
    })
    return found
  }

  function first(s: JoinState, word: number): number {
    return B.u32(s.arena, userOf(s), word)
  }
})
