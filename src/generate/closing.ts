/**
 * Closing events: one view in each partition, and one engagement in each partition of each engagement topic, late enough
 * that the watermark passes every other view's deadline. The closing views themselves stay pending.
 */
import { murmur2, partitionOf } from '../join/hash.ts'
import { ENGAGEMENTS, type GeneratedEvent, type GenerateOptions, VIEWS } from './event.ts'
import { defaultsOf } from './events.ts'

export interface ClosingRules {
  readonly partitions: number
  /** One of each engagement topic. */
  readonly types: readonly string[]
  readonly outOfOrdernessMs: number
  readonly allowedLatenessMs: number
}

/** Above all other numbers that ids are made of, and within an int. */
const FIRST_NUMBER = 1_500_000_000
const STRANGERS = 250_000_000

/** How long after the last event the closing ones are. */
export function closingDelayMs(options: GenerateOptions, rules: ClosingRules): number {
  const longestMs = Math.max(...options.labels.map((label) => label.withinMs))
  const waitMs = longestMs + rules.allowedLatenessMs + options.clockSkewToleranceMs + rules.outOfOrdernessMs + 1
  return Math.ceil(waitMs / options.resolutionMs) * options.resolutionMs
}

export function* closingEvents(
  options: GenerateOptions,
  rules: ClosingRules,
  lastMs: number,
): Generator<GeneratedEvent> {
  const timeMs = lastMs + closingDelayMs(options, rules)
  const delaysMs = new Map(options.labels.map((label) => [label.name, null]))
  for (const [partition, user] of usersByPartition(options, rules.partitions).entries()) {
    const number = FIRST_NUMBER + partition
    const base = { number, user, key: user, timeMs, arrivalMs: timeMs }
    const itemId = idOf('item', number, options)
    const viewId = options.viewIds ? idOf('view', number, options) : null
    const sampleId = viewId ?? `${user}:${itemId}:${timeMs}`
    const answer = {
      sampleId,
      userId: user,
      itemId,
      timeMs,
      labels: defaultsOf(options.labels),
      delaysMs,
      isClosing: true,
    }
    yield { ...base, source: VIEWS, fields: { viewId, itemId, type: '', value: null }, answer }
    for (const type of rules.types) yield { ...base, source: ENGAGEMENTS, fields: orphan(type, number, options) }
  }
}

/** It finds no view: neither its item nor its view is known. */
function orphan(type: string, number: number, options: GenerateOptions) {
  const stranger = number + STRANGERS
  return { viewId: idOf('view', stranger, options), itemId: idOf('item', stranger, options), type, value: 0 }
}

/** A user for each partition, found by trying. */
function usersByPartition(options: GenerateOptions, partitions: number): string[] {
  const users = new Array<string | undefined>(partitions).fill(undefined)
  for (let number = FIRST_NUMBER, missing = partitions; missing > 0; number++) {
    const user = idOf('user', number, options)
    const key = Buffer.from(user)
    const partition = partitionOf(murmur2(key, 0, key.length), partitions)
    if (users[partition] !== undefined) continue
    users[partition] = user
    missing--
  }
  return users as string[]
}

function idOf(kind: string, number: number, options: GenerateOptions): string {
  return options.numericIds ? String(number) : `${kind}-closing-${number - FIRST_NUMBER}`
}
