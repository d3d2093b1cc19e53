/** A user moved out of memory and back is the same user: nothing of what follows can tell. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as B from '../../src/join/blocks.ts'
import { addUser, freeUser } from '../../src/join/evolve.ts'
import * as L from '../../src/join/layout.ts'
import { decodeUser, encodeUser, lowestOffsets, nextDueMs, SnapshotError } from '../../src/join/snapshot.ts'
import type { JoinState } from '../../src/join/state.ts'
import { checkState } from '../support/checkState.ts'
import { dumpState } from '../support/dumpState.ts'
import { arrange, batchesOf, HARSH, joinStreams, propertyOptions, randomOf, runJoin } from '../support/joinStreams.ts'
import { PureJoin } from '../support/pureJoin.ts'
import type { Random } from '../support/random.ts'

/** Moves some users out, all at once, and back in another order: their blocks are taken by others meanwhile. */
function moveOutAndBack(s: JoinState, random: Random): number {
  const users: number[] = []
  s.users.forEach((user) => {
    if (random.chance(0.5)) users.push(user)
  })
  const stored = users.map((user) => {
    const id = Buffer.from(B.userText(s.arena, user))
    const bytes = encodeUser(s, user)
    const hash = B.u32(s.arena, user, L.U_HASH)
    freeUser(s, user)
    return { id, bytes, hash }
  })
  for (const { id, bytes, hash } of stored.reverse()) decodeUser(s, addUser(s, hash, id, 0, id.length), bytes)
  return stored.length
}

const config = { ...fc.sample(joinStreams(HARSH), { numRuns: 1, seed: 3 })[0].config, rememberSealedMs: 1e9 }

describe('a user moved out of memory and back', () => {
  test('is the same: its state, what it still gives, and what is counted', () => {
    let moved = 0
    fc.assert(
      fc.property(joinStreams({ ...HARSH, events: 80 }), (stream) => {
        const random = randomOf(stream, 1)
        const events = arrange(stream, random, { copies: 0.3, beyond: 0.3, ticks: 0.1 })
        const batches = batchesOf(events, () => random.chance(0.3))
        const expected = runJoin(stream.config, batches)
        const join = runJoin(stream.config, batches, ({ state }) => {
          const before = dumpState(state)
          moved += moveOutAndBack(state, random)
          checkState(state)
          expect(dumpState(state)).toEqual(before)
        })
        expect(join.samples).toEqual(expected.samples)
        expect(join.side).toEqual(expected.side)
        expect(join.ledger).toEqual(expected.ledger)
        expect(join.state.arena.usedBytes).toBe(0)
      }),
      propertyOptions(130),
    )
    expect(moved).toBeGreaterThan(500)
  })

  test('leaves timers behind that never touch the bytes of the record that lies there now', () => {
    // A view's block is freed; a record of the same size, whose bytes look like a view's header, must not take its place.
    const join = new PureJoin(config)
    const s = join.state
    join.take([{ source: 0, offset: 1, user: 'gone', item: 'i', time: 1000 }])
    s.users.forEach((user) => {
      freeUser(s, user)
    })
    s.ledger.fill(0)
    const header = Buffer.alloc(96)
    header.writeUInt32LE(L.VIEW_BLOCK, L.KIND * 4)
    header.writeUInt32LE(1, L.V_USER * 4)
    header.writeDoubleLE(1000, L.V_TIME * 8)
    const views = Array.from({ length: 20 }, (_, k) => ({
      source: 0,
      offset: 10 + k,
      user: 'u',
      item: 'i',
      time: 1000 + k,
      bytes: header.toString('latin1'),
    }))
    join.take(views)
    join.end()
    expect(join.samples.map((sample) => sample.view)).toEqual(views.map((view) => view.bytes))
  })

  test('says when it is next due and which offsets it needs', () => {
    const join = new PureJoin({ ...config, allowedLatenessMs: 5, clockSkewToleranceMs: 0 })
    join.take([
      { source: 0, offset: 40, user: 'u', item: 'i', time: 1000 },
      { source: 0, offset: 41, user: 'u', item: 'j', time: 900 },
    ])
    join.take([{ source: 1, offset: 7, user: 'u', item: 'i', time: 800, type: 'click' }])
    let user = 0
    join.state.users.forEach((address) => {
      user = address
    })
    expect(nextDueMs(join.state, user)).toBe(805)
    expect([...lowestOffsets(join.state, user)].slice(0, 2)).toEqual([40, 7])
  })

  test('is not read from bytes that are no snapshot of this version', () => {
    const join = new PureJoin(config)
    join.take([{ source: 0, offset: 1, user: 'u', item: 'i', time: 1000 }])
    const s = join.state
    let user = 0
    s.users.forEach((address) => {
      user = address
    })
    const bytes = encodeUser(s, user)
    const other = Buffer.from(bytes)
    other.writeUInt32LE(99, 0)
    const fresh = new PureJoin(config).state
    const into = addUser(fresh, 1, Buffer.from('u'), 0, 1)
    for (const wrong of [other, bytes.subarray(0, bytes.length - 1), Buffer.alloc(3), Buffer.concat([bytes, bytes])]) {
      expect(() => decodeUser(fresh, into, wrong)).toThrow(SnapshotError)
    }
  })
})
