/** Remembered views against a plain list: any order of adding, looking up and dropping. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RememberedViews } from '../../src/delays/remembered.ts'

interface Kept {
  readonly user: number
  readonly id: number
  readonly item: number
  readonly timeMs: number
}

const small = fc.integer({ min: 1, max: 4 })
const step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), user: small, id: fc.nat(1000), item: small, timeMs: fc.nat(50) }),
  fc.record({ do: fc.constant('drop' as const) }),
  fc.record({ do: fc.constant('find' as const), user: small, pick: fc.nat(20) }),
  fc.record({ do: fc.constant('latest' as const), user: small, item: small, latestMs: fc.nat(50) }),
)

test('the ring knows the newest views, and of an item the latest in time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
      const views = new RememberedViews(capacity * 40)
      expect(views.capacity).toBe(capacity)
      let kept: Kept[] = []
      const used = new Set<number>()
      for (const one of steps) {
        if (one.do === 'add') {
          if (used.has(one.id)) continue
          used.add(one.id)
          views.add(one.user, one.id, one.item, one.timeMs)
          kept = [...kept, one].slice(-capacity)
        } else if (one.do === 'drop') {
          if (kept.length === 0) continue
          views.dropOldest()
          kept = kept.slice(1)
        } else if (one.do === 'find') {
          const wanted = kept[one.pick % Math.max(1, kept.length)]
          if (wanted === undefined) continue
          const found = views.find(wanted.user, wanted.id)
          expect(found).not.toBe(0)
          expect(views.timeOf(found)).toBe(wanted.timeMs)
        } else {
          const times = kept
            .filter((view) => view.user === one.user && view.item === one.item && view.timeMs <= one.latestMs)
            .map((view) => view.timeMs)
          const found = views.findLatest(one.user, one.item, one.latestMs)
          if (times.length === 0) expect(found).toBe(0)
          else expect(views.timeOf(found)).toBe(Math.max(...times))
        }
        expect(views.size).toBe(kept.length)
        expect(views.oldestMs).toBe(kept[0]?.timeMs ?? Number.POSITIVE_INFINITY)
      }
      for (const id of used) {
        const view = kept.find((one) => one.id === id)
        const user = steps.find((one) => one.do === 'add' && one.id === id) as Kept
        expect(views.find(user.user, id) !== 0).toBe(view !== undefined)
      }
    }),
    { numRuns: 500 },
  )
})
