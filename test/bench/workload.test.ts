/** The benchmark's generator: what the long tests and the numbers of docs/PERFORMANCE.md stand on. */
import { createHash } from 'node:crypto'
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

test.each([{}, { engagements: 2.5, hotShare: 0.3 }])(
  'the answer is that of a plain join of what is handed out: %o',
  (options) => {
    const workload = new Workload({ views: VIEWS, closingUsers: [1, 2], ...options })
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
  },
)

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

test('what is varied is what it says', () => {
  const shares = (options: object): { views: Arrival[]; engagements: Arrival[] } => {
    const events = [...new Workload({ views: 5_000, ...options }).events()]
    return { views: events.filter(({ kind }) => kind === 0), engagements: events.filter(({ kind }) => kind === 1) }
  }
  const many = shares({ engagements: 3 })
  expect(many.engagements.length / many.views.length).toBeCloseTo(3, 0)
  const few = shares({ engagements: 0.1 })
  expect(few.engagements.length / few.views.length).toBeCloseTo(0.1, 1)
  const skewed = shares({ hotShare: 0.5, users: 1_000 })
  for (const events of Object.values(skewed)) {
    expect(events.filter(({ user }) => user === 1_000).length / events.length).toBeCloseTo(0.5, 1)
  }
  const sizes = shares({ scores: 2_500 }).views.map(({ value }) => value.length)
  expect(Math.min(...sizes)).toBeGreaterThan(10_000)
  expect(Math.max(...sizes)).toBeLessThan(10_200)
})

test('the default workload is the one that all figures so far were measured with', () => {
  const hash = createHash('sha256')
  for (const { kind, user, timeMs, value } of new Workload({ views: 20_000 }).events()) {
    hash.update(`${kind} ${user} ${timeMs} `).update(value)
  }
  expect(hash.digest('hex').slice(0, 32)).toBe('2b42104b533bb78d2a408764bc23956a')
})
