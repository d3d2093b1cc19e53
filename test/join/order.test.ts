/** The order in which a batch's results go out, against a sort that takes its time. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { admit, admitTick, gather, settleBatch } from '../../src/join/batch.ts'
import * as B from '../../src/join/blocks.ts'
import { EventBatch } from '../../src/join/event.ts'
import { dropUser } from '../../src/join/evolve.ts'
import * as L from '../../src/join/layout.ts'
import { orderGaveUp, orderSealed } from '../../src/join/order.ts'
import { JoinState } from '../../src/join/state.ts'
import { takeTurn } from '../../src/join/turn.ts'
import { arrange, batchesOf, HARSH, joinStreams, propertyOptions, randomOf } from '../support/joinStreams.ts'
import { fillBatch, rulesOf } from '../support/pureJoin.ts'

type Key = readonly (number | Buffer)[]

function compare(a: Key, b: Key): number {
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k], b[k]]
    const by = typeof x === 'number' ? x - (y as number) : Buffer.compare(x, y as Buffer)
    if (by !== 0) return by
  }
  return 0
}

/** The advance, the deadline, the identity and the offset. */
function sealedKey(s: JoinState, k: number): Key {
  const view = s.sealed.items[k]
  const at = B.viewIdAt(view)
  const id = Buffer.from(B.bytesOf(s.arena, view).subarray(at, at + B.viewIdLength(s.arena, view)))
  return [s.sealedFire.items[k], B.f64(s.arena, view, L.V_TIME), id, B.f64(s.arena, view, L.V_OFFSET)]
}

function gaveUpKey(s: JoinState, k: number): Key {
  const e = s.gaveUp.items[k]
  const offset = B.f64(s.arena, e, L.E_OFFSET)
  return [s.gaveUpFire.items[k], B.f64(s.arena, e, L.E_TIME), B.u32(s.arena, e, L.E_SOURCE), offset]
}

function expectOrdered(order: Int32Array, length: number, key: (k: number) => Key): number {
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, k) => k))
  for (let k = 1; k < length; k++) expect(compare(key(order[k - 1]), key(order[k]))).toBeLessThan(0)
  return length
}

describe('what a batch brings about', () => {
  test('goes out by the advance, then the deadline, then the identity; side outputs by advance, time, source, offset', () => {
    const batch = new EventBatch()
    let ordered = 0
    fc.assert(
      fc.property(joinStreams(HARSH), (stream) => {
        const random = randomOf(stream, 1)
        const s = new JoinState(rulesOf(stream.config), stream.config.sources.length)
        const finish = (): void => {
          gather(s)
          for (let k = 0; k < s.touched.length; k++) takeTurn(s, s.touched.items[k])
          ordered += expectOrdered(orderSealed(s), s.sealed.length, (k) => sealedKey(s, k))
          ordered += expectOrdered(orderGaveUp(s), s.gaveUp.length, (k) => gaveUpKey(s, k))
          settleBatch(s, (user) => dropUser(s, user))
        }
        for (const events of batchesOf(arrange(stream, random, { copies: 0.1, beyond: 0.2 }), () =>
          random.chance(0.05),
        )) {
          fillBatch(batch, events)
          admit(s, batch, { source: events[0].source!, partition: 0, partitions: 1, wallMs: 0 })
          finish()
        }
        s.clocks.finish()
        admitTick(s)
        finish()
      }),
      propertyOptions(200),
    )
    expect(ordered).toBeGreaterThan(2000)
  })
})
