/**
 * The benchmark's events: views spread evenly over event time, users and items by a skewed draw, engagements after their
 * views, up to 5 s of disorder, 1 % of copies. Made from a seed, in the order of arrival, with the answer that every
 * correct join gives.
 *
 * Invariants:
 * 1. No event arrives 5 s or more behind its time, so none is late to a join with that bound.
 * 2. The answer is known without joining: which engagement counts is decided when it is made.
 */
import { createRequire } from 'node:module'

const avro = createRequire(import.meta.url)('avsc')

export const VIEWS = 0
export const ENGAGEMENTS = 1
export const TYPES = ['click', 'like', 'share', 'watch']
export const WINDOW_MS = 600_000
const START_MS = 1_700_000_000_000
const DISORDER_MS = 4_900
/** Views of 2 million in an hour: 333,000 lie within a window. */
export const VIEWS_PER_MS = 2_000_000 / 3_600_000
/** What a view has of engagements, as MIX says. */
export const ENGAGEMENTS_PER_VIEW = 0.44
const SCORES = 12
export const CLOSING_MS = 7 * 86_400_000
const BUCKET_MS = 1_000
/** Engagements may come this much before their view, and so into a bucket that lies behind. */
const BACK_MS = 2_000

const instant = { type: 'long', logicalType: 'timestamp-millis' }
const ids = ['view_id', 'user_id', 'item_id'].map((name) => ({ name, type: 'long' }))
export const viewSchema = {
  type: 'record',
  name: 'View',
  namespace: 'postview.bench',
  fields: [
    ...ids,
    { name: 'event_time', type: instant },
    { name: 'position', type: 'int' },
    ...['surface', 'device', 'session_id', 'country'].map((name) => ({ name, type: 'string' })),
    { name: 'scores', type: { type: 'array', items: 'float' } },
  ],
}
export const engagementSchema = {
  type: 'record',
  name: 'Engagement',
  namespace: 'postview.bench',
  fields: [
    ...ids,
    { name: 'event_time', type: instant },
    { name: 'type', type: { type: 'enum', name: 'EngagementType', symbols: TYPES } },
    { name: 'value', type: 'double' },
  ],
}

/** sfc32: a small, fast generator with a period that no run comes near. */
export function randomOf(seed) {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = 0xb7e15162
  let d = seed >>> 0
  const next = () => {
    const t = (a + b + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 4294967296
  }
  for (let k = 0; k < 15; k++) next()
  return next
}

const SURFACES = ['feed', 'search', 'profile', 'explore']
const DEVICES = ['android-13', 'android-12', 'ios-17', 'web']
const COUNTRIES = ['IN', 'BD', 'NP', 'LK']
const hex = (n) => (n >>> 0).toString(16).padStart(8, '0')

/** Avro bodies with view ids; JSON without them. */
const ENCODERS = {
  avro: () => {
    const types = [viewSchema, engagementSchema].map((schema) => avro.Type.forSchema(schema))
    return (kind, event) => types[kind].toBuffer(event)
  },
  json:
    () =>
    (_, { view_id, ...event }) =>
      Buffer.from(JSON.stringify(event)),
}

export function makeView(random, number, user, timeMs, scores = SCORES) {
  return {
    view_id: number,
    user_id: user,
    item_id: Math.floor(1e6 * random() ** 1.5),
    event_time: timeMs,
    position: number % 50,
    surface: SURFACES[number & 3],
    device: DEVICES[(user >> 2) & 3],
    session_id: hex(user * 7919) + hex(Math.floor(number / 1000)) + hex(user ^ 0x5bd1e995) + hex(number >>> 10),
    country: COUNTRIES[user & 3],
    scores: Array.from({ length: scores }, random),
  }
}

/** Which engagements a view gets: [type, how likely, whether it carries a value]. */
const MIX = [
  ['click', 0.1, false],
  ['like', 0.03, false],
  ['share', 0.01, false],
  ['watch', 0.25, true],
  ['watch', 0.05, true],
]

function delayOf(random) {
  // A few precede their view in time and do not count.
  if (random() < 0.02) return -Math.floor(random() * 1000)
  const meanMs = random() < 0.15 ? 400_000 : 40_000
  return Math.floor(-Math.log(1 - random()) * meanMs)
}

/** What a digest adds for a sample. */
export function digestOf(number, click, like, share, watchMs) {
  return number * 31 + click + like * 2 + share * 4 + Math.round(watchMs)
}

/**
 * Hands out events in the order of arrival: { kind, user, item, timeMs, value }. `answer` is complete at the end.
 * Options: views, users, seed, format, paceFactor (event time runs that much faster), windowMs, closingUsers (one in each
 * partition: their events, far later than all others, seal everything), hotShare (of all views, and so of all events, to
 * one user beside the others), scores (floats of a view, 4 bytes each), engagements (a view).
 */
export class Workload {
  constructor(options) {
    this.options = {
      users: 100_000,
      seed: 1,
      format: 'avro',
      paceFactor: 1,
      closingUsers: [],
      windowMs: WINDOW_MS,
      hotShare: 0,
      scores: SCORES,
      engagements: ENGAGEMENTS_PER_VIEW,
      ...options,
    }
    this.answer = { views: this.options.views, records: [0, 0], valueBytes: [0, 0], digest: 0, outside: 0 }
    this.encode = ENCODERS[this.options.format]()
    this.random = randomOf(this.options.seed)
    this.buckets = new Map()
    this.first = 0
    this.lastClosing = 0
  }

  *events() {
    const { views, paceFactor } = this.options
    for (let number = 1; number <= views; number++) {
      const sinceMs = Math.floor(((number - 1) / VIEWS_PER_MS) * paceFactor)
      this.view(number, START_MS + sinceMs)
      if ((number & 1023) === 0) yield* this.before(sinceMs - BACK_MS)
    }
    yield* this.before(Number.POSITIVE_INFINITY)
    yield* this.closingAt(this.endMs + CLOSING_MS)
  }

  /** The time of the last view. */
  get endMs() {
    const { views, paceFactor } = this.options
    return START_MS + Math.floor((views / VIEWS_PER_MS) * paceFactor)
  }

  view(number, timeMs) {
    const { random } = this
    const { users, format, hotShare, scores } = this.options
    const isHot = hotShare > 0 && random() < hotShare
    const user = isHot ? users : Math.floor(users * random() ** 2.2)
    const view = makeView(random, number, user, timeMs, scores)
    // Without view ids an engagement belongs to the user's latest view of the item: items that come once keep the answer.
    if (format === 'json') view.item_id = number
    this.arrive(VIEWS, timeMs, view)
    const labels = { click: 0, like: 0, share: 0, watch: 0 }
    // More of them than the mix has are the mix several times over, and a part of it.
    for (let left = this.options.engagements / ENGAGEMENTS_PER_VIEW; left > 0; left--) {
      this.engage(view, labels, Math.min(1, left))
    }
    this.answer.digest += digestOf(number, labels.click, labels.like, labels.share, labels.watch)
  }

  engage(view, labels, part) {
    const { random } = this
    for (const [type, share, hasValue] of MIX) {
      if (random() >= share * part) continue
      const delayMs = delayOf(random)
      const value = hasValue ? Math.floor(random() * 60_000) : 0
      const timeMs = view.event_time + delayMs
      const { view_id, user_id, item_id } = view
      this.arrive(ENGAGEMENTS, timeMs, { view_id, user_id, item_id, event_time: timeMs, type, value })
      if (delayMs < 0 || delayMs > this.options.windowMs) this.answer.outside++
      else labels[type] = hasValue ? Math.max(labels[type], value) : 1
    }
  }

  arrive(kind, timeMs, event) {
    const { user_id: user, item_id: item } = event
    const value = this.encode(kind, event)
    const at = timeMs - START_MS + this.random() * DISORDER_MS
    this.put({ at, kind, user, item, timeMs, value })
    if (this.random() < 0.01)
      this.put({
        at: Math.min(at + this.random() * 50, timeMs - START_MS + DISORDER_MS),
        kind,
        user,
        item,
        timeMs,
        value,
      })
  }

  put(arrival) {
    const bucket = Math.max(this.first, Math.floor(arrival.at / BUCKET_MS))
    const waiting = this.buckets.get(bucket)
    if (waiting === undefined) this.buckets.set(bucket, [arrival])
    else waiting.push(arrival)
  }

  *before(sinceMs) {
    const last =
      sinceMs === Number.POSITIVE_INFINITY ? Math.max(...this.buckets.keys()) + 1 : Math.floor(sinceMs / BUCKET_MS)
    for (; this.first < last; this.first++) {
      const bucket = this.buckets.get(this.first)
      if (bucket === undefined) continue
      this.buckets.delete(this.first)
      for (const arrival of bucket.sort((a, b) => a.at - b.at)) {
        this.answer.records[arrival.kind]++
        this.answer.valueBytes[arrival.kind] += arrival.value.length
        yield arrival
      }
    }
  }

  /** Events of each source for each closing user, at that time, whose ids are below 0: they move the clocks. */
  *closingAt(timeMs) {
    for (const user of this.options.closingUsers) {
      const view = { ...makeView(this.random, 0, user, timeMs), view_id: --this.lastClosing }
      const { view_id, user_id, item_id, event_time } = view
      const engagement = { view_id, user_id, item_id, event_time, type: 'click', value: 0 }
      for (const [kind, event] of [view, engagement].entries()) {
        this.answer.records[kind]++
        // Whatever sources are keyed by: in the same partitions of all of them.
        yield { at: timeMs, kind, user, item: user, timeMs, value: this.encode(kind, event) }
      }
    }
  }
}
