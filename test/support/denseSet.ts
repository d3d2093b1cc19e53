/**
 * Dense events from a seed, unlike real ones: users who see an item again and again and engage with most of what they
 * see, before, within and beyond the windows, at their very edges, with and without naming the view.
 *
 * `denseEvents` makes them; `namedSet` and `itemSet` are two ways to write them down. In the first views have ids, all
 * ids are integers beyond 2^53 whose neighbours a double cannot tell apart, and records are Avro (but one topic); in the
 * second there are no view ids, users have awkward texts, and records are JSON (but one topic).
 */
import { Random } from './random.ts'
import { exactType, parseExact, type TestEvent, type TestSource } from './testSource.ts'

export interface DenseEvents {
  readonly views: readonly TestEvent[]
  /** Of one topic: clicks, plays, likes and skips. */
  readonly gestures: readonly TestEvent[]
  /** Of another: ratings. */
  readonly ratings: readonly TestEvent[]
}

export interface DenseOptions {
  readonly seed: number
  readonly views: number
  readonly user: (i: number) => string
  readonly item: (i: number) => string
  /** null: views have no ids. */
  readonly viewId: ((i: number) => string) | null
}

export const FROM_MS = 1_767_225_600_000
export const SPAN_MS = 2_400_000
const USERS = 240
const ITEMS = 9
const GESTURES = ['click', 'click', 'play', 'play', 'like', 'skip'] as const
/** At, and just beyond, the ends of windows and of the tolerance of denseRules. */
const EDGES_MS = [0, 30_000, 30_001, 120_000, 120_001, 240_001, 600_000, 600_001, -1_000, -1_001]

export function denseEvents(options: DenseOptions): DenseEvents {
  const random = new Random(options.seed)
  const views: TestEvent[] = []
  const gestures: TestEvent[] = []
  const ratings: TestEvent[] = []
  for (let i = 0; i < options.views; i++) {
    const view = viewAt(i, options, random, views)
    views.push(view)
    for (let left = random.below(4); left > 0; left--) {
      const engagement = engagementWith(view, options, random)
      const topic = engagement.type === 'rating' ? ratings : gestures
      topic.push(engagement)
      // Another value under the same engagement id and time is a copy, of which the first to arrive stands.
      if (random.chance(0.03)) topic.push({ ...engagement, value: random.below(9) })
    }
  }
  return { views, gestures, ratings }
}

function viewAt(i: number, options: DenseOptions, random: Random, earlier: readonly TestEvent[]): TestEvent {
  const viewId = options.viewId === null ? {} : { viewId: options.viewId(i) }
  const timeMs = FROM_MS + Math.floor((i * SPAN_MS) / options.views)
  // The same item at the same moment: of two ids the greater owns; without ids they are one view, told twice.
  if (i > 0 && random.chance(0.03)) return { ...earlier[i - 1], ...viewId, note: i }
  return { user: options.user(userNumber(random)), item: options.item(random.below(ITEMS)), timeMs, ...viewId, note: i }
}

/** A tenth of all is one user's. */
function userNumber(random: Random): number {
  return random.chance(0.1) ? 0 : Math.floor(USERS * random.next() ** 1.5)
}

function engagementWith(view: TestEvent, options: DenseOptions, random: Random): TestEvent {
  const { user, item, timeMs, viewId, note } = view
  const delayMs = random.chance(0.1) ? random.pick(EDGES_MS) : Math.floor(-Math.log(1 - random.next()) * 90_000)
  const type = random.chance(0.3) ? 'rating' : random.pick(GESTURES)
  const namesNone = random.chance(0.4)
  const isStray = random.chance(0.05)
  return {
    user,
    item: isStray ? options.item(ITEMS + random.below(5)) : item,
    timeMs: timeMs + delayMs,
    viewId: viewId === undefined || namesNone ? null : isStray ? options.viewId!(1e6 + random.below(50)) : viewId,
    engagementId: random.chance(0.5) ? `e%${note}:${random.below(3)}` : null,
    type,
    value: random.chance(0.15) ? null : someValue(random),
    note,
  }
}

/** Negative ones, zeros, and fractions whose sum depends on the order in which it is taken. */
function someValue(random: Random): number {
  return random.pick([0, -3, 0.1, 0.2, 0.3, 1e-7, 1e12, -1e12, random.below(60_000), random.next() - 0.5])
}

const VIEW_SCHEMA = {
  type: 'record',
  name: 'Impression',
  namespace: 'dense',
  fields: [
    { name: 'scores', type: { type: 'array', items: 'double' } },
    { name: 'view_id', type: ['null', 'long'] },
    {
      name: 'meta',
      type: {
        type: 'record',
        name: 'Meta',
        fields: [
          { name: 'note', type: 'int' },
          { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
          { name: 'user', type: 'long' },
        ],
      },
    },
    { name: 'item', type: 'int' },
  ],
}

const RATING_SCHEMA = {
  type: 'record',
  name: 'Rating',
  namespace: 'dense',
  fields: [
    { name: 'stars', type: ['null', 'double'] },
    { name: 'user', type: 'string' },
    { name: 'view', type: ['string', 'null'] },
    { name: 'item', type: 'string' },
    { name: 'seconds', type: 'long' },
    { name: 'at', type: 'long' },
  ],
}

export interface DenseSet {
  readonly options: DenseOptions
  readonly sources: readonly [TestSource, TestSource, TestSource]
  /** Of the views; null for JSON without one. */
  readonly schema: object | null
}

/** `place` keeps a schema file and says where. */
export type Place = (name: string, schema: object) => string

/** Near the end of 64 bits. */
const big = (least: bigint) => (i: number) => String(least + BigInt(i))

export function namedSet(name: string, place: Place, seed: number, views: number): DenseSet {
  const user = big(9_223_372_036_854_770_000n)
  const viewId = big(9_007_199_254_740_993n)
  return {
    options: { seed, views, user, item: (i) => String(i * 7), viewId },
    sources: [avroViews(name, place), jsonGestures(name), avroRatings(name, place)],
    schema: VIEW_SCHEMA,
  }
}

export function itemSet(name: string, place: Place, seed: number, views: number): DenseSet {
  const user = (i: number) => `${['u:', '%3A', 'ü ', '', '"\\', '𝒳'][i % 6]}${i}`
  const item = (i: number) => (i % 2 === 0 ? `i:${i}%` : String(1_000 + i))
  return {
    options: { seed, views, user, item, viewId: null },
    sources: [jsonViews(name), jsonGestures(name, false), avroRatings(name, place)],
    schema: null,
  }
}

function avroViews(name: string, place: Place): TestSource {
  const type = exactType(VIEW_SCHEMA)
  return {
    topic: `${name}-views`,
    format: { type: 'avro', schema: place('view', VIEW_SCHEMA) },
    fields: { viewId: 'view_id', userId: 'meta.user', itemId: 'item', time: 'meta.at' },
    encode: ({ viewId, user, item, timeMs, note = 0 }) =>
      type.toBuffer({
        scores: [note / 7, -note],
        view_id: viewId == null ? null : BigInt(viewId),
        // Less than a millisecond more is the same millisecond.
        meta: { note, at: BigInt(timeMs) * 1000n + BigInt(note % 1000), user: BigInt(user) },
        item: Number(item),
      }),
    decode(value) {
      const { view_id, meta, item } = type.fromBuffer(value)
      const viewId = view_id === null ? null : String(view_id)
      return { viewId, user: String(meta.user), item: String(item), time: Number(meta.at / 1000n) }
    },
  }
}

function jsonViews(name: string): TestSource {
  return {
    topic: `${name}-views`,
    format: { type: 'json' },
    fields: { userId: 'who.user', itemId: 'item', time: 'when.shown' },
    encode: ({ user, item, timeMs, note = 0 }) =>
      Buffer.from(
        JSON.stringify({ note, who: { user, x: [1, { user: 0 }] }, when: { shown: isoText(timeMs, note) }, item }),
      ),
    decode(value) {
      const { who, item, when } = JSON.parse(value.toString())
      return { user: who.user, item, time: Date.parse(when.shown) }
    },
  }
}

/** UTC, and the same instant elsewhere. */
function isoText(timeMs: number, note: number): string {
  if (note % 2 === 0) return new Date(timeMs).toISOString()
  return `${new Date(timeMs + 19_800_000).toISOString().slice(0, -1)}+05:30`
}

interface Gesture {
  readonly who: { readonly user: unknown }
  readonly seen: { readonly item: unknown; readonly view?: unknown }
  readonly id: string | null
  readonly at: string
  readonly kind: string
  readonly amount: number | null
}

/** Integers as digits where they are ids beyond 2^53, else texts. */
function jsonGestures(name: string, integers = true): TestSource {
  const id = (text: string) => (integers ? text : JSON.stringify(text))
  return {
    topic: `${name}-gestures`,
    format: { type: 'json' },
    fields: {
      ...(integers ? { viewId: 'seen.view' } : {}),
      engagementId: 'id',
      userId: 'who.user',
      itemId: 'seen.item',
      time: 'at',
      type: 'kind',
      value: 'amount',
    },
    encode({ user, item, viewId, engagementId, timeMs, type, value, note = 0 }) {
      const view = !integers ? '' : `,"view":${viewId ?? 'null'}`
      const rest = JSON.stringify({ id: engagementId, at: isoText(timeMs, note), kind: type, amount: value })
      return Buffer.from(`{"who":{"user":${id(user)}},"seen":{"item":${id(item)}${view}},${rest.slice(1)}`)
    },
    decode(bytes) {
      const { who, seen, id: engagementId, at, kind, amount } = parseExact(bytes.toString()) as Gesture
      return {
        user: String(who.user),
        item: String(seen.item),
        viewId: seen.view == null ? null : String(seen.view),
        engagementId,
        time: Date.parse(at),
        type: kind,
        value: amount,
      }
    },
  }
}

/** A topic of one type; its times are plain microseconds. */
function avroRatings(name: string, place: Place): TestSource {
  const type = exactType(RATING_SCHEMA)
  return {
    topic: `${name}-ratings`,
    format: { type: 'avro', schema: place('rating', RATING_SCHEMA) },
    fields: {
      viewId: 'view',
      userId: 'user',
      itemId: 'item',
      time: { field: 'at', unit: 'us' },
      type: { const: 'rating' },
      value: 'stars',
    },
    encode: ({ user, item, viewId = null, timeMs, value }) =>
      type.toBuffer({ stars: value, user, view: viewId, item, seconds: 0n, at: BigInt(timeMs) * 1000n }),
    decode(bytes) {
      const { user, item, view, at, stars } = type.fromBuffer(bytes)
      return { user, item, viewId: view, time: Number(at) / 1000, type: 'rating', value: stars }
    },
  }
}
