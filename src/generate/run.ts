/**
 * Runs a generation: events in their order of arrival to a target, at a rate or as fast as it takes them, and the known
 * answer line by line to whoever wants it.
 */
import { closingEvents } from './closing.ts'
import { type Answer, type GeneratedEvent, VIEWS } from './event.ts'
import { generateEvents } from './events.ts'
import type { Plan } from './plan.ts'
import type { Target } from './target.ts'

export interface RunRules {
  /** Events a second; undefined: as fast as it goes. */
  readonly rate?: number
  readonly close: boolean
  readonly onAnswer?: (answer: Answer) => Promise<void> | undefined
  readonly onProgress?: (counts: RunCounts) => void
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** True once the run is to end early. */
  readonly isStopped?: () => boolean
}

export interface RunCounts {
  views: number
  engagements: number
  copies: number
}

/** Between looks at the clock and calls of `onProgress`. */
const STEP_EVENTS = 500
const MAX_STEP_MS = 50

export async function runGeneration(plan: Plan, target: Target, rules: RunRules): Promise<RunCounts> {
  const counts: RunCounts = { views: 0, engagements: 0, copies: 0 }
  const pace = new Pace(rules)
  for (const event of eventsOf(plan, target, rules)) {
    if (rules.isStopped?.() === true) break
    const source = event.source === VIEWS ? 0 : plan.sourceOfType.get(event.fields.type)!
    const sent = target.send(source, event)
    if (sent !== undefined) await sent
    count(event, counts)
    if (event.answer !== undefined) await rules.onAnswer?.(event.answer)
    if (pace.isDue()) {
      rules.onProgress?.(counts)
      await pace.wait(target)
    }
  }
  await target.flush()
  rules.onProgress?.(counts)
  return counts
}

function* eventsOf(plan: Plan, target: Target, rules: RunRules): Generator<GeneratedEvent> {
  let latestMs = Number.NEGATIVE_INFINITY
  for (const event of generateEvents(plan.options)) {
    latestMs = Math.max(latestMs, event.timeMs)
    yield event
  }
  if (rules.close) yield* closingEvents(plan.options, plan.closing(target.partitions), latestMs)
}

/** A view without an answer is a copy; of engagements, copies are not told apart. */
function count(event: GeneratedEvent, counts: RunCounts): void {
  if (event.source !== VIEWS) counts.engagements++
  else if (event.answer !== undefined) counts.views++
  else counts.copies++
}

class Pace {
  private readonly rules: RunRules
  private readonly startMs: number
  private readonly stepEvents: number
  private sent = 0

  constructor(rules: RunRules) {
    this.rules = rules
    this.startMs = rules.nowMs()
    const { rate } = rules
    this.stepEvents =
      rate === undefined ? STEP_EVENTS : Math.max(1, Math.min(STEP_EVENTS, Math.floor((rate * MAX_STEP_MS) / 1000)))
  }

  /** To be asked once for each event. */
  isDue(): boolean {
    this.sent++
    return this.sent % this.stepEvents === 0
  }

  async wait(target: Target): Promise<void> {
    const { rate, nowMs, sleep } = this.rules
    // As fast as it goes, others still get their turn.
    if (rate === undefined) return new Promise((resolve) => setImmediate(resolve))
    const aheadMs = (this.sent / rate) * 1000 - (nowMs() - this.startMs)
    if (aheadMs < 1) return
    await target.flush()
    await sleep(Math.max(0, (this.sent / rate) * 1000 - (nowMs() - this.startMs)))
  }
}
