/**
 * Streams for the properties of the join: sets of events by fast-check, so that a failure shrinks, and their order of
 * arrival from a seed.
 *
 * Times are few and close together, so that ties, edges of windows and races with the watermark are common; ids are such
 * that some need encoding and some are prefixes of others.
 */
import fc from 'fast-check'
import type { OracleConfig, OracleEvent } from './pureJoin.ts'
import { PureJoin } from './pureJoin.ts'
import { Random } from './random.ts'

export interface JoinStream {
  readonly config: OracleConfig
  /** Distinct events, in no order. */
  readonly events: readonly OracleEvent[]
  readonly seed: number
}

export interface Ranges {
  readonly bounds: readonly number[]
  readonly lateness: readonly number[]
  readonly tolerances: readonly number[]
  readonly remembers: readonly number[]
  readonly windows?: readonly number[]
  /** Event times lie within one of these. */
  readonly spreads?: readonly number[]
  readonly events?: number
}

export const LONG_MS = 1_000_000_000_000
export const CALM: Ranges = {
  bounds: [0, 7, 60],
  lateness: [0, 0, 9],
  tolerances: [0, 0, 3],
  remembers: [LONG_MS],
}
/** All that is small: what is late, forgotten and seen again too soon. */
export const HARSH: Ranges = { ...CALM, remembers: [0, 1, 20, 300, LONG_MS], events: 60 }

const USERS = ['u', 'u', 'u', 'u:1', '50%']
const ITEMS = ['i', 'i', 'i:']
const TYPES = ['click', 'click', 'watch', 'nobody-wants-this']
const FOLDS = ['any', 'count', 'first', 'last', 'max', 'sum'] as const
const VALUES = [null, 0, 1, -3, 2.5, 0.1, 1e21]
const BASES_MS = [0, -1000, 1_700_000_000_000]

export function joinStreams(ranges: Ranges): fc.Arbitrary<JoinStream> {
  return configs(ranges).chain((config) =>
    fc.record({
      config: fc.constant(config),
      events: fc
        .constantFrom(...BASES_MS)
        .chain((baseMs) => fc.array(events(config, ranges, baseMs), { maxLength: ranges.events ?? 40, size: 'max' }))
        .map(distinct),
      seed: fc.integer(),
    }),
  )
}

function configs(ranges: Ranges): fc.Arbitrary<OracleConfig> {
  return fc.record({
    partitions: fc.constant(1),
    sources: fc.constantFrom(['views', 'a'], ['views', 'a', 'b']),
    basis: fc.constant('event' as const),
    outOfOrdernessMs: fc.constantFrom(...ranges.bounds),
    allowedLatenessMs: fc.constantFrom(...ranges.lateness),
    clockSkewToleranceMs: fc.constantFrom(...ranges.tolerances),
    rememberSealedMs: fc.constantFrom(...ranges.remembers),
    maxClockSkewMs: fc.constant(null),
    labels: fc.tuple(...FOLDS.map((fold) => labelOf(ranges, fold))),
  })
}

function labelOf(ranges: Ranges, fold: (typeof FOLDS)[number]) {
  return fc.record({
    name: fc.constant(fold),
    on: fc.constantFrom(...TYPES.slice(0, 3)),
    withinMs: fc.constantFrom(...(ranges.windows ?? [0, 20, 60, 60, 700])),
    fold: fc.constant(fold),
    default: fc.constantFrom(0, null, -1),
  })
}

function events(config: OracleConfig, ranges: Ranges, baseMs: number): fc.Arbitrary<OracleEvent> {
  const times = fc.oneof(...(ranges.spreads ?? [50, 50, 1000]).map((ms) => fc.nat(ms))).map((ms) => baseMs + ms)
  const common = { user: fc.constantFrom(...USERS), item: fc.constantFrom(...ITEMS), time: times }
  // A view's own id follows from user, item and time: an id keeps its view time.
  const view = fc
    .record({ ...common, named: fc.boolean() })
    .map(({ named, ...e }) => ({ source: 0, ...e, viewId: named ? nameOf(e.item, e.time) : null }))
  const engagement = fc
    .record({
      ...common,
      source: fc.integer({ min: 1, max: config.sources.length - 1 }),
      type: fc.constantFrom(...TYPES),
      value: fc.constantFrom(...VALUES),
      viewAgoMs: fc.option(fc.nat(20), { freq: 2 }),
      engagementId: fc.option(fc.constantFrom('', 'e', 'ee'), { freq: 1 }),
    })
    .map(({ viewAgoMs, ...e }) => ({ ...e, viewId: viewAgoMs === null ? null : nameOf(e.item, e.time - viewAgoMs) }))
  return fc.oneof({ arbitrary: view, weight: 2 }, { arbitrary: engagement, weight: 3 })
}

function nameOf(item: string, timeMs: number): string {
  return `${item}${timeMs % 977}`
}

/** The identity within which a later event is a copy (SEMANTICS.md section 1). */
export function identityOf(e: OracleEvent): string {
  if (e.source === 0) return JSON.stringify([0, e.user, e.viewId ?? [e.item, e.time]])
  if (e.engagementId !== null) return JSON.stringify([1, e.user, e.engagementId, e.time])
  return JSON.stringify([2, e.user, e.viewId, e.item, e.type, e.time, e.value])
}

function distinct(list: readonly OracleEvent[]): OracleEvent[] {
  const first = new Map<string, OracleEvent>()
  for (const e of list) if (!first.has(identityOf(e))) first.set(identityOf(e), e)
  return [...first.values()]
}

export interface Arrangement {
  /** The chance of a (further) copy of an event, that an event is beyond the bound, of a tick and of a refused record. */
  readonly copies?: number
  readonly beyond?: number
  readonly ticks?: number
  readonly refused?: number
}

/** The events in a random order of arrival, with offsets: within the bound, unless `beyond` or a tick says otherwise. */
export function arrange(stream: JoinStream, random: Random, how: Arrangement = {}): OracleEvent[] {
  const { config } = stream
  const queues = config.sources.map((): { place: number; e: OracleEvent }[] => [])
  for (const e of stream.events) {
    let place = e.time! + random.below(config.outOfOrdernessMs + 1)
    if (random.chance(how.beyond ?? 0)) place += random.below(1500)
    queues[e.source!].push({ place, e })
    while (random.chance(how.copies ?? 0)) {
      const bytes = e.source === 0 && random.chance(0.3) ? 'other' : undefined
      place += random.pick([0, 1, 50, 800])
      queues[e.source!].push({ place, e: bytes === undefined ? e : { ...e, bytes } })
    }
  }
  const starts = queues.map(() => random.pick([0, 0, 7, 5_000_000_000]))
  const sorted = queues.map((queue) => queue.sort((a, b) => a.place - b.place).map(({ e }) => e))
  return interleave(sorted, starts, random, how)
}

function interleave(queues: OracleEvent[][], offsets: number[], random: Random, how: Arrangement): OracleEvent[] {
  const all: OracleEvent[] = []
  const at = queues.map(() => 0)
  const abreast = random.chance(0.6) // else sources run far ahead of one another
  for (;;) {
    const open = queues.flatMap((queue, source) => (at[source] < queue.length ? [source] : []))
    if (open.length === 0) return all
    const headMs = (source: number): number => queues[source][at[source]].time!
    const source = abreast ? open.reduce((a, b) => (headMs(b) < headMs(a) ? b : a)) : random.pick(open)
    for (
      let burst = abreast ? 1 : random.pick([1, 1, 2, 5, 20]);
      burst > 0 && at[source] < queues[source].length;
      burst--
    ) {
      const e = queues[source][at[source]++]
      offsets[source] += random.pick([1, 1, 1, 3]) // offsets have gaps
      all.push({ ...e, offset: offsets[source] })
      if (random.chance(how.refused ?? 0)) all.push({ source, refused: true, offset: ++offsets[source] })
      if (random.chance(how.ticks ?? 0)) all.push({ watermark: e.time! + random.below(900) - 600 })
    }
  }
}

/** The input as batches: a tick alone, else records of one source, cut where `cut` says besides. */
export function batchesOf(events: readonly OracleEvent[], cut: () => boolean): OracleEvent[][] {
  const batches: OracleEvent[][] = []
  for (const e of events) {
    const last = batches.at(-1)
    const joins = last !== undefined && e.watermark === undefined && last[0].watermark === undefined
    if (joins && last[0].source === e.source && !cut()) last.push(e)
    else batches.push([e])
  }
  return batches
}

export function takeBatch(join: PureJoin, batch: readonly OracleEvent[]): void {
  if (batch[0].watermark !== undefined) join.watermark(batch[0].watermark)
  else join.take(batch)
}

/** A whole run, up to the end of the input. */
export function runJoin(
  config: OracleConfig,
  batches: readonly (readonly OracleEvent[])[],
  after: (join: PureJoin) => void = () => {},
): PureJoin {
  const join = new PureJoin(config)
  for (const batch of batches) {
    takeBatch(join, batch)
    after(join)
  }
  join.end()
  after(join)
  return join
}

/** How a property is run: a fixed seed, printed, so that a failure is the same for all; JOIN_SEED gives another. */
export function propertyOptions(numRuns: number): { numRuns: number; seed: number } {
  const seed = Number(process.env.JOIN_SEED ?? 20241014)
  console.log(`${numRuns} runs from seed ${seed} (JOIN_SEED for another)`)
  return { numRuns, seed }
}

export function randomOf(stream: JoinStream, salt: number): Random {
  return new Random(stream.seed ^ Math.imul(salt, 0x9e3779b1))
}
