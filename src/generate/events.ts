/**
 * Synthetic views and engagements whose samples are known.
 *
 * The answer is known by construction, not by joining: each engagement is made for one view, and is placed where the
 * rules leave no doubt that it belongs to it.
 * 1. A user views an item once, save for a chain of repeated views that is planned as a whole.
 * 2. An engagement that names no view comes before the next view of its chain could be its owner.
 * 3. An event arrives at most `disorderMs` after its time, and a copy too: nothing is late, and every copy meets its
 *    original.
 * 4. No two engagements of a view have the same time: neither folds nor identities have ties.
 *
 * In memory are the events that are yet to arrive, about a window's worth, and a number a user.
 */
import type { Label } from '../config/model.ts'
import { outcomeOf, type PlannedEngagement } from './answer.ts'
import { Arrivals } from './arrivals.ts'
import { planDelays } from './delays.ts'
import {
  type Answer,
  ENGAGEMENTS,
  type EventFields,
  type GeneratedEvent,
  type GenerateOptions,
  VIEWS,
} from './event.ts'
import { Random } from './random.ts'

const MAX_CHAIN = 4
const ORPHAN_SHARE = 0.01
/** Items that nobody views. */
const ORPHAN_ITEMS = 1_000_000_000
const MAX_VALUE = 60_000
const NEGATIVE_SHARE = 0.05

/** In order of arrival. The same options give the same events. */
export function* generateEvents(options: GenerateOptions): Generator<GeneratedEvent> {
  yield* new Generation(options).run()
}

class Generation {
  private readonly options: GenerateOptions
  private readonly random: Random
  private readonly arrivals = new Arrivals()
  private readonly itemsOfUser: Uint32Array
  private readonly longestMs: number
  private viewsMade = 0
  private eventsMade = 0

  constructor(options: GenerateOptions) {
    this.options = options
    this.random = new Random(options.seed)
    this.itemsOfUser = new Uint32Array(options.users)
    this.longestMs = Math.max(...options.labels.map((label) => label.withinMs))
  }

  *run(): Generator<GeneratedEvent> {
    const { views, startMs, spanMs } = this.options
    while (this.viewsMade < views) {
      const timeMs = startMs + this.wholeMs((this.viewsMade / views) * spanMs)
      // The earliest that is still to be made is an engagement just before its view.
      yield* this.arrived(timeMs - this.options.clockSkewToleranceMs)
      this.makeChain(timeMs)
    }
    yield* this.arrived(Number.POSITIVE_INFINITY)
  }

  private *arrived(beforeMs: number): Generator<GeneratedEvent> {
    for (
      let event = this.arrivals.takeBefore(beforeMs);
      event !== undefined;
      event = this.arrivals.takeBefore(beforeMs)
    ) {
      yield event
    }
  }

  /** A user's views of one item, each with the engagements that are made for it. */
  private makeChain(firstMs: number): void {
    const { users, views, repeats, clockSkewToleranceMs } = this.options
    // Squared: some users view much more than others.
    const user = Math.floor(users * this.random.share() ** 2)
    // New to this user, known to others.
    const item = this.itemsOfUser[user]++ + (user % 1000)
    const times = [firstMs]
    while (times.length < Math.min(MAX_CHAIN, views - this.viewsMade) && this.random.chance(repeats)) {
      const gapMs = 2 * clockSkewToleranceMs + this.random.below(1.5 * this.longestMs)
      times.push(times.at(-1)! + this.wholeMs(gapMs) + this.options.resolutionMs)
    }
    for (const [i, timeMs] of times.entries()) {
      const nextMs = times[i + 1] ?? Number.POSITIVE_INFINITY
      this.makeView(this.idOf('user', user), this.idOf('item', item), timeMs, nextMs)
    }
  }

  private makeView(user: string, itemId: string, timeMs: number, nextMs: number): void {
    const number = this.viewsMade++
    const viewId = this.options.viewIds ? this.idOf('view', number) : null
    const planned: PlannedEngagement[] = []
    const taken = new Set<number>()
    for (const type of this.options.types) {
      if (!this.random.chance(type.rate)) continue
      for (const delayMs of planDelays(type.name, this.options, this.random)) {
        const isNamed = viewId !== null && this.random.chance(type.namedShare)
        const isOwned = isNamed || timeMs + delayMs + this.options.clockSkewToleranceMs < nextMs
        if (!isOwned || taken.has(delayMs)) continue
        taken.add(delayMs)
        const value = this.random.chance(type.valuedShare) ? this.value() : null
        planned.push({ type: type.name, delayMs, value })
        const fields = { viewId: isNamed ? viewId : null, itemId, type: type.name, value }
        this.send(ENGAGEMENTS, user, timeMs + delayMs, fields)
      }
    }
    const answer = this.answer(viewId ?? `${user}:${itemId}:${timeMs}`, user, itemId, timeMs, planned)
    this.send(VIEWS, user, timeMs, { viewId, itemId, type: '', value: null }, answer)
    if (this.random.chance(ORPHAN_SHARE)) this.makeOrphan(user, timeMs)
  }

  private makeOrphan(user: string, timeMs: number): void {
    const { types } = this.options
    if (types.length === 0) return
    const type = types[this.random.below(types.length)]
    const viewId =
      type.namedShare === 1 && this.options.viewIds ? this.idOf('view', ORPHAN_ITEMS + this.eventsMade) : null
    const itemId = this.idOf('item', ORPHAN_ITEMS + this.eventsMade)
    this.send(ENGAGEMENTS, user, timeMs, { viewId, itemId, type: type.name, value: type.valuedShare > 0 ? 1 : null })
  }

  private send(source: 0 | 1, user: string, timeMs: number, fields: EventFields, answer?: Answer): void {
    const { disorderMs, duplicates } = this.options
    const number = this.eventsMade++
    const lag = this.random.below(disorderMs + 1)
    const event = { source, number, user, key: user, timeMs, arrivalMs: timeMs + lag, fields }
    this.arrivals.add(answer === undefined ? event : { ...event, answer })
    if (!this.random.chance(duplicates)) return
    this.arrivals.add({ ...event, arrivalMs: timeMs + lag + this.random.below(disorderMs - lag + 1) })
  }

  private answer(
    sampleId: string,
    userId: string,
    itemId: string,
    timeMs: number,
    planned: readonly PlannedEngagement[],
  ): Answer {
    const labels = new Map<string, number | null>()
    const delaysMs = new Map<string, number | null>()
    for (const label of this.options.labels) {
      const outcome = outcomeOf(label, planned, this.options.clockSkewToleranceMs)
      labels.set(label.name, outcome.label)
      delaysMs.set(label.name, outcome.delayMs)
    }
    return { sampleId, userId, itemId, timeMs, labels, delaysMs, isClosing: false }
  }

  /** Never -0, which is 0 to the join (SEMANTICS.md section 1: one text). */
  private value(): number {
    return this.random.chance(NEGATIVE_SHARE) ? 0 - this.random.below(1000) : this.random.below(MAX_VALUE)
  }

  private idOf(kind: 'user' | 'item' | 'view', number: number): string {
    return this.options.numericIds ? String(number) : `${kind}-${number}`
  }

  private wholeMs(ms: number): number {
    return Math.floor(ms / this.options.resolutionMs) * this.options.resolutionMs
  }
}

/** What an answer looks like where nothing counted. */
export function defaultsOf(labels: readonly Label[]): ReadonlyMap<string, number | null> {
  return new Map(labels.map((label) => [label.name, label.default]))
}
