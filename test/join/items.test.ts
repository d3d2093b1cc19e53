/** The index by item: latest first whatever the order of coming and going, and found without walking where it is one. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as B from '../../src/join/blocks.ts'
import { addUser, addView, freeView } from '../../src/join/evolve.ts'
import { indexByItem } from '../../src/join/items.ts'
import * as L from '../../src/join/layout.ts'
import { JoinState } from '../../src/join/state.ts'
import { propertyOptions } from '../support/joinStreams.ts'
import { rulesOf } from '../support/pureJoin.ts'

const RULES = rulesOf({
  partitions: 1,
  sources: ['views', 'clicks'],
  basis: 'event',
  outOfOrdernessMs: 0,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 0,
  maxClockSkewMs: null,
  labels: [{ name: 'click', on: 'click', withinMs: 1000, fold: 'any', default: 0 }],
})

interface Model {
  readonly view: number
  readonly item: string
  readonly timeMs: number
  readonly id: string
}

class Views {
  readonly state = new JoinState(RULES, 2)
  readonly all: Model[] = []
  steps = 0
  private readonly user = addUser(this.state, 7, Buffer.from('u'), 0, 1)
  private count = 0

  constructor() {
    const { items } = this.state
    const next = items.next.bind(items)
    items.next = (address) => {
      this.steps++
      return next(address)
    }
  }

  add(item: string, timeMs: number): void {
    const offset = this.count++
    const id = String((offset * 7919) % 10_007).padStart(5, '0')
    const input = { timeMs, offset, flags: 0, writer: 0, segment: 0 }
    const [idBytes, itemBytes] = [Buffer.from(id), Buffer.from(item)]
    const view = addView(this.state, this.user, input, idBytes, 0, id.length, itemBytes, 0, item.length)
    this.all.push({ view, item, timeMs, id })
  }

  remove(at: number): void {
    const [{ view }] = this.all.splice(at % this.all.length, 1)
    freeView(this.state, view)
  }

  expectOrdered(): void {
    const found = new Map<number, number[]>()
    this.state.items.forEach((view) => {
      const hash = B.u32(this.state.arena, view, L.V_ITEM_HASH)
      found.set(hash, [...(found.get(hash) ?? []), view])
    })
    const items = [...new Set(this.all.map(({ item }) => item))]
    const latestFirst = items.map((item) =>
      this.all
        .filter((it) => it.item === item)
        .sort((a, b) => b.timeMs - a.timeMs || (a.id < b.id ? 1 : -1))
        .map(({ view }) => view),
    )
    const sorted = (lists: number[][]) => lists.map(String).sort()
    expect(sorted([...found.values()])).toEqual(sorted(latestFirst))
  }
}

const steps = fc.array(
  fc.record({
    does: fc.constantFrom('add', 'add', 'falling', 'remove'),
    item: fc.constantFrom('a', 'b', 'c'),
    timeMs: fc.nat(30),
    at: fc.nat(),
  }),
  { maxLength: 120, size: 'max' },
)

test('views of an item stand latest first, by time, then identity, while views come and go', () => {
  fc.assert(
    fc.property(steps, fc.nat(60), (list, indexedAt) => {
      const views = new Views()
      list.forEach(({ does, item, timeMs, at }, k) => {
        if (k === indexedAt) indexByItem(views.state)
        if (does === 'remove' && views.all.length > 0) views.remove(at)
        else views.add(item, does === 'falling' ? -k : timeMs)
      })
      indexByItem(views.state)
      views.expectOrdered()
    }),
    propertyOptions(300),
  )
})

test.each([
  ['rise', true, (k: number) => k],
  ['fall', true, (k: number) => -k],
  ['rise, and are indexed later', false, (k: number) => k],
  ['fall, and are indexed later', false, (k: number) => -k],
])('views of two items whose times %s find their places without walking', (_, isIndexed, timeAt) => {
  const views = new Views()
  if (isIndexed) indexByItem(views.state)
  for (let k = 0; k < 2000; k++) views.add(k % 2 === 0 ? 'a' : 'b', timeAt(k))
  indexByItem(views.state)
  expect(views.steps).toBeLessThan(2 * 2000)
  views.expectOrdered()
})
