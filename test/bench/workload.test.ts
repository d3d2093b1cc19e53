/** The benchmark's generator: what the long tests and the numbers of docs/PERFORMANCE.md stand on. */
import avro from 'avsc'
import { expect, test } from 'vitest'
import { type Arrival, digestOf, engagementSchema, viewSchema, Workload } from '../../bench/workload.mjs'

const VIEWS = 20_000
const WINDOW_MS = 600_000
const types = [viewSchema, engagementSchema].map((schema) => avro.Type.forSchema(schema as avro.Schema))

interface Fields {
  readonly view_id: number
  readonly event_time: number
  readonly type: string
  readonly value: number
}

const decoded = ({ kind, value }: Arrival): Fields => types[kind].fromBuffer(value) as Fields

test('the answer is that of a plain join of the events that are handed out', () => {
  const workload = new Workload({ views: VIEWS, closingUsers: [1, 2] })
  const events = [...workload.events()].map((event) => ({ kind: event.kind, ...decoded(event) }))
  const views = new Map(events.filter(({ kind }) => kind === 0).map((view) => [view.view_id, view.event_time]))
  const labels = new Map([...views.keys()].map((id) => [id, { click: 0, like: 0, share: 0, watch: 0 }]))
  for (const { kind, view_id, event_time, type, value } of events) {
    const delayMs = event_time - views.get(view_id)!
    if (kind === 0 || delayMs < 0 || delayMs > WINDOW_MS) continue
    const of = labels.get(view_id)! as Record<string, number>
    of[type] = type === 'watch' ? Math.max(of.watch, value) : 1
  }
  let digest = 0
  for (const [id, { click, like, share, watch }] of labels) {
    if (id > 0) digest += digestOf(id, click, like, share, watch)
  }
  expect(digest).toBe(workload.answer.digest)
  expect([...labels.keys()].filter((id) => id > 0)).toHaveLength(VIEWS)
  expect(events).toHaveLength(workload.answer.records[0] + workload.answer.records[1])
})

test('no event of a source comes 5 s or more behind the highest time before it, and some come twice', () => {
  const events = [...new Workload({ views: VIEWS }).events()]
  const highest = [0, 0]
  for (const { kind, timeMs } of events) {
    highest[kind] = Math.max(highest[kind], timeMs)
    expect(highest[kind] - timeMs).toBeLessThan(5_000)
  }
  const copies = events.length - new Set(events.map(({ value }) => value)).size
  expect(copies / events.length).toBeGreaterThan(0.005)
  expect(copies / events.length).toBeLessThan(0.02)
})

test('a seed gives the same bytes again, another seed others', () => {
  const bytesOf = (seed: number) => Buffer.concat([...new Workload({ views: 500, seed }).events()].map((e) => e.value))
  expect(bytesOf(1).equals(bytesOf(1))).toBe(true)
  expect(bytesOf(1).equals(bytesOf(2))).toBe(false)
})
