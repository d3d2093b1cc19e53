/**
 * Endless traffic from a seed: views and engagements with disorder within the bound, engagements that come before their
 * views, copies, engagements out of every window or of no view at all, records that cannot be decoded, and views stamped
 * far ahead of the clock. Event time is the generator's own: it moves by `STEP_MS` a step, however fast steps are taken.
 *
 * Invariants:
 * 1. Everything but the bad records and what `late` asks for comes within the bound, so the samples are a function of
 *    the set of events.
 * 2. What is late comes so late (VERY_LATE_MS) that the samples are one all the same; save for users of `isBeyondBound`,
 *    whose events come somewhat beyond the bound: what is late of them hangs on how sources interleave.
 */
import { EVENT_TYPES, LONGEST_WINDOW_MS, OUT_OF_ORDERNESS_MS } from './crashPipeline.ts'
import { Random } from './random.ts'

export interface RawEvent {
  readonly source: number
  readonly user: string
  readonly item: string
  /** When it comes, in the generator's time; the record's timestamp. */
  readonly arrivalMs: number
  readonly value: Buffer
}

export const STEP_MS = 200
/** Of the past, so that nothing but what is meant to be is ahead of the machine's clock. */
const START_MS = 1_700_000_000_000
const VIEWS_A_STEP = 16
/** Longer than sources may run apart (`alignWithin`), the longest window and what is remembered together. */
export const VERY_LATE_MS = 60_000
const LATE_USERS = 10
/** How late events of late users come, at most. */
const SOMEWHAT_LATE_MS = 10 * OUT_OF_ORDERNESS_MS
const USERS = 120
const ITEMS = 8
/** As keys these reach every partition. */
export const KEY_ITEMS = 64
/** Somewhat below the bound, and below it from the last step on. */
const DISORDER_MS = OUT_OF_ORDERNESS_MS - STEP_MS - 100
const SKEW_MS = 24 * 3_600_000
const SURFACES = ['feed', 'search', 'related', 'notification, with a longer text than others have'.repeat(3)]
const TYPES = ['click', 'click', 'like', 'like', 'share', 'watch', 'watch', 'watch', 'skip']

export interface TrafficOptions {
  readonly withGarbage?: boolean
  readonly viewsAStep?: number
  readonly items?: number
  /** Whether some events come beyond the bound. */
  readonly withLate?: boolean
}

/** Whether what is late of this user's events hangs on how its sources interleave. */
export const isBeyondBound = (user: string): boolean => user.startsWith('late-')

interface ViewPlan {
  readonly viewId: string | null
  readonly user: string
  readonly item: string
  readonly timeMs: number
}

export class Traffic {
  nowMs = START_MS
  /** Records made that nothing can decode, and views that are ahead of every clock. */
  garbage = 0
  skewed = 0
  private readonly random: Random
  private readonly waiting: RawEvent[] = []
  /** Sent only once time has gone on far enough. */
  private readonly veryLate: RawEvent[] = []
  private made = 0
  private readonly options: Required<TrafficOptions>

  constructor(seed: number, options: TrafficOptions = {}) {
    this.random = new Random(seed)
    this.options = { withGarbage: true, viewsAStep: VIEWS_A_STEP, items: ITEMS, withLate: false, ...options }
  }

  /** The events of the next step, in the order of their coming. */
  step(): RawEvent[] {
    for (let k = 0; k < this.options.viewsAStep; k++) this.plan()
    if (this.options.withLate) this.planLate()
    this.nowMs += STEP_MS
    return [...this.due(this.waiting), ...this.due(this.veryLate)].sort((a, b) => a.arrivalMs - b.arrivalMs)
  }

  /** What was planned and has not come: the stream's last events. What would no longer be very late stays out. */
  rest(): RawEvent[] {
    const rest = this.waiting.splice(0, this.waiting.length).sort((a, b) => a.arrivalMs - b.arrivalMs)
    this.nowMs = Math.max(this.nowMs, rest.at(-1)?.arrivalMs ?? 0)
    return rest
  }

  private due(waiting: RawEvent[]): RawEvent[] {
    const due = waiting.filter(({ arrivalMs }) => arrivalMs < this.nowMs)
    const rest = waiting.filter(({ arrivalMs }) => arrivalMs >= this.nowMs)
    waiting.splice(0, waiting.length, ...rest)
    return due
  }

  private planView(user: () => string): ViewPlan {
    const { random } = this
    return {
      viewId: random.chance(0.6) ? `v${++this.made}` : null,
      user: user(),
      item: `item ${random.below(this.options.items)}`,
      timeMs: this.nowMs + random.below(STEP_MS),
    }
  }

  private plan(): void {
    const { random } = this
    // A few users do much of what is done.
    const view = this.planView(() => `user-${random.chance(0.3) ? random.below(5) : random.below(USERS)}`)
    const surface = random.pick(SURFACES)
    this.put(0, view, view.timeMs, { ...common(view, view.timeMs), surface }, 0.05)
    for (let k = random.below(3); k > 0; k--) this.planEngagement(view)
    if (random.chance(0.03)) this.planEngagement({ ...view, viewId: 'v-unknown', item: 'item never seen' })
    if (random.chance(0.01)) this.planBad(view, surface)
  }

  /** Views, copies of views and engagements that come when all around them is long sealed; and late users' events. */
  private planLate(): void {
    const { random } = this
    if (random.chance(0.3)) {
      const view = this.planView(() => `user-${random.below(USERS)}`)
      const { timeMs } = view
      const record = { ...common(view, timeMs), surface: 'late' }
      // Where it came in time as well, what comes late is a copy beyond what is remembered.
      if (random.chance(0.5)) this.put(0, view, timeMs, record, 0)
      this.put(0, view, timeMs, record, 0.3, VERY_LATE_MS)
      const clickMs = timeMs + random.below(LONGEST_WINDOW_MS)
      this.put(1, view, clickMs, { ...common(view, clickMs), type: 'click' }, 0.3, VERY_LATE_MS)
    }
    if (random.chance(0.5)) {
      const view = this.planView(() => `late-${random.below(LATE_USERS)}`)
      const record = { ...common(view, view.timeMs), surface: 'somewhat late' }
      this.put(0, view, view.timeMs, record, 0, random.below(SOMEWHAT_LATE_MS))
      for (let k = random.below(3); k > 0; k--) this.planEngagement(view, random.below(SOMEWHAT_LATE_MS))
    }
  }

  private planEngagement(view: ViewPlan, laterMs = 0): void {
    const { random } = this
    const timeMs = view.timeMs + random.below(LONGEST_WINDOW_MS * (random.chance(0.5) ? 0.3 : 1.2))
    const type = random.pick(TYPES)
    const owner = random.chance(0.5) ? view : { ...view, viewId: null }
    if (type !== 'watch') this.put(1, view, timeMs, { ...common(owner, timeMs), type }, 0.05, laterMs)
    else {
      const watched = random.chance(0.1) ? null : random.below(10_000) - 500
      this.put(2, view, timeMs, { ...common(owner, timeMs), watched }, 0.05, laterMs)
    }
  }

  private planBad(view: ViewPlan, surface: string): void {
    if (this.options.withGarbage && this.random.chance(0.5)) {
      this.garbage++
      const source = this.random.below(EVENT_TYPES.length)
      const value = Buffer.from([0xff, 0xff, 0x01])
      this.waiting.push({ source, user: view.user, item: view.item, arrivalMs: view.timeMs, value })
      return
    }
    this.skewed++
    const record = { ...common({ ...view, viewId: `skewed-${this.skewed}` }, Date.now() + SKEW_MS), surface }
    const value = EVENT_TYPES[0].toBuffer(record)
    this.waiting.push({ source: 0, user: view.user, item: view.item, arrivalMs: view.timeMs, value })
  }

  private put(
    source: number,
    { user, item }: ViewPlan,
    timeMs: number,
    record: object,
    copies: number,
    laterMs = 0,
  ): void {
    const value = EVENT_TYPES[source].toBuffer(record)
    const waiting = laterMs === VERY_LATE_MS ? this.veryLate : this.waiting
    do {
      waiting.push({ source, user, item, arrivalMs: timeMs + laterMs + this.random.below(DISORDER_MS), value })
    } while (this.random.chance(copies))
  }
}

function common({ viewId, user, item }: ViewPlan, timeMs: number): object {
  return { view_id: viewId, user_id: user, item_id: item, event_time: timeMs }
}

/** Events that move every source's clock beyond all that came before; of each of the users, and keyed by them. */
export function closingEvents(users: readonly string[], timeMs: number): RawEvent[] {
  return users.flatMap((user) => {
    const record = { view_id: null, user_id: user, item_id: 'closing', event_time: timeMs }
    const own = [{ surface: 'closing' }, { type: 'skip' }, { watched: null }]
    return own.map((fields, source) => ({
      source,
      user,
      item: user,
      arrivalMs: timeMs,
      value: EVENT_TYPES[source].toBuffer({ ...record, ...fields }),
    }))
  })
}
