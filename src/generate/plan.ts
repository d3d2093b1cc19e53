/**
 * What to generate for a pipeline: which types of engagements its topics can carry, what may be null, which ids are
 * numbers, how fine times are. So that the events fit the sources, and the answer is the pipeline's.
 */
import avro from 'avsc'
import { carries } from '../config/carrier.ts'
import type { Pipeline, Source } from '../config/model.ts'
import { recordTypeOf, typesAt } from '../config/recordType.ts'
import { type ClosingRules, closingDelayMs } from './closing.ts'
import type { GeneratedType, GenerateOptions } from './event.ts'
import { isNumeric, RecordError } from './record.ts'

export interface Wishes {
  readonly views: number
  readonly users: number
  readonly seed: number
  readonly spanMs: number
  /** Undefined: so that everything, the closing events too, is in the past. */
  readonly startMs?: number
  readonly engagementRate: number
  /** Undefined: all that the pipeline allows. */
  readonly disorderMs?: number
  readonly duplicates: number
  readonly repeats: number
}

export interface Plan {
  readonly options: GenerateOptions
  /** Index of the pipeline's source that carries engagements of a type. */
  readonly sourceOfType: ReadonlyMap<string, number>
  closing(partitions: number): ClosingRules
}

/** The share of engagements that name their view, where they may and need not. */
const NAMED_SHARE = 0.7
const VALUED_SHARE = 0.9
/** Of a type that no label counts. */
const UNUSED_RATE = 0.05
const UNUSED_TYPE = 'skip'

export function planGeneration(pipeline: Pipeline, wishes: Wishes, nowMs: number): Plan {
  const { time, labels, sources } = pipeline
  const disorderMs = wishes.disorderMs ?? time.outOfOrdernessMs
  if (disorderMs > time.outOfOrdernessMs) {
    throw new RecordError(`a disorder of ${disorderMs} ms is beyond time.outOfOrderness: the answer would not be known`)
  }
  const sourceOfType = typesOf(pipeline)
  const options: GenerateOptions = {
    views: wishes.views,
    users: wishes.users,
    seed: wishes.seed,
    startMs: 0,
    spanMs: wishes.spanMs,
    labels,
    types: [...sourceOfType].map(([name, index]) => typeFrom(name, sources[index], pipeline, wishes)),
    clockSkewToleranceMs: time.clockSkewToleranceMs,
    disorderMs,
    duplicates: wishes.duplicates,
    repeats: wishes.repeats,
    viewIds: sources[0].fields.viewId !== undefined,
    numericIds: sources.some(hasNumericIds),
    resolutionMs: sources.some((source) => source.fields.time.unit === 's') ? 1000 : 1,
  }
  const closing = (partitions: number): ClosingRules => ({
    partitions,
    types: closingTypes(sourceOfType),
    outOfOrdernessMs: time.outOfOrdernessMs,
    allowedLatenessMs: time.allowedLatenessMs,
  })
  const startMs = wishes.startMs ?? nowMs - reachMs(options, closing(1))
  const { resolutionMs } = options
  return { options: { ...options, startMs: Math.floor(startMs / resolutionMs) * resolutionMs }, sourceOfType, closing }
}

/** From the first view to the last closing event, at most. */
function reachMs(options: GenerateOptions, rules: ClosingRules): number {
  const longestMs = Math.max(...options.labels.map((label) => label.withinMs))
  const chainMs = 3 * (1.5 * longestMs + 2 * options.clockSkewToleranceMs + options.resolutionMs)
  return (
    options.spanMs +
    chainMs +
    1.3 * longestMs +
    options.disorderMs +
    closingDelayMs(options, rules) +
    options.resolutionMs
  )
}

/** The types of the labels, and one that none counts, each with a topic that carries it. */
function typesOf(pipeline: Pipeline): Map<string, number> {
  const found = new Map<string, number>()
  for (const name of new Set([...pipeline.labels.map((label) => label.on), UNUSED_TYPE])) {
    const index = pipeline.sources.findIndex((source) => source.role === 'engagements' && carries(source, name))
    if (index >= 0) found.set(name, index)
  }
  return found
}

function typeFrom(name: string, source: Source, pipeline: Pipeline, wishes: Wishes): GeneratedType {
  const { viewId, value } = source.fields
  return {
    name,
    rate: pipeline.labels.some((label) => label.on === name) ? wishes.engagementRate : UNUSED_RATE,
    namedShare: viewId === undefined ? 0 : isNullable(source, viewId) ? NAMED_SHARE : 1,
    valuedShare: value === undefined ? 0 : isNullable(source, value) ? VALUED_SHARE : 1,
  }
}

/** One type of each engagement topic: each needs an event to move its clock. */
function closingTypes(sourceOfType: ReadonlyMap<string, number>): string[] {
  const first = new Map<number, string>()
  for (const [type, index] of sourceOfType) if (!first.has(index)) first.set(index, type)
  return [...first.values()]
}

function hasNumericIds(source: Source): boolean {
  const { userId, itemId, viewId } = source.fields
  return [userId, itemId, viewId].some((path) => path !== undefined && isNumeric(typeOfField(source, path)))
}

function isNullable(source: Source, path: readonly string[]): boolean {
  const schema = recordTypeOf(source)
  if (schema === undefined) return true
  const record = path.length === 1 ? schema : typesAt(schema, path.slice(0, -1))[0]
  const fields = record instanceof avro.types.RecordType ? record.fields : []
  const field = fields.find((candidate) => candidate.name === path[path.length - 1])
  return field?.type.isValid(null) ?? false
}

function typeOfField(source: Source, path: readonly string[]): avro.Type | undefined {
  const schema = recordTypeOf(source)
  return schema && typesAt(schema, path)[0]
}
