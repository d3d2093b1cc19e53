/**
 * What must hold when all is sealed, however often nodes were killed: against the oracle's samples and ledger, from what
 * lies in the topics, from their first record on.
 *
 * Where events came beyond the bound (traffic.ts), what is late of them may differ after a cold replay (SEMANTICS.md
 * section 6): their users' samples must be there, once an id, and what differs in them is told as explained. A copy of a
 * view that comes later than is remembered is a late view again, with the same id: such an id has the oracle's samples of
 * it, and no others, at most as often as it lies in the log.
 *
 * Fails: `expect` in each check; an empty run fails by the counts that are asked for.
 */
import { expect } from 'vitest'
import { LEDGER_FIELDS } from '../../src/join/ledger.ts'
import { type Expected, type OracleSample, runOracle } from '../oracle/run.ts'
import { ORACLE, PARTITIONS, SAMPLE_TYPE, TOPICS } from './crashPipeline.ts'
import {
  type CrashRecords,
  keyOf,
  placeOf,
  type ReadEvent,
  type ReadSample,
  readRecords,
  viewKeyOf,
} from './crashRead.ts'
import { type CrashWorld, committedLedger, type LogRecord } from './crashWorld.ts'
import type { OracleEvent } from './pureJoin.ts'

export type ExpectedSample = Omit<OracleSample, 'offset' | 'view' | 'order'>

/** Of what is wrong, in a failure's message. */
const SHOWN = 5

export interface CheckOptions {
  /** Events that crash their actor whenever they are taken. */
  readonly isPoison?: (event: OracleEvent) => boolean
  /** Users of whom events came beyond the bound. */
  readonly isBeyondBound?: (user: string) => boolean
  readonly partitions?: number
  /** With exactly-once no record repeats another. */
  readonly mayRepeat?: boolean
}

export interface Outcome {
  readonly events: number
  readonly samples: number
  /** Records of samples that repeat another. */
  readonly repeated: number
  /** Records of side outputs and dead letters that repeat another. */
  readonly repeatedBeside: number
  /** Samples that are not the oracle's, or not the same bytes each time, since events came beyond the bound. */
  readonly explained: readonly string[]
  readonly bound: number
  readonly deadLetters: number
  /** Events that belong in the dead letters, of one that was sent again (and is no garbage) one. */
  readonly badEvents: number
  /** When each record of samples was made, by the machine's clock. */
  readonly madeAtMs: readonly number[]
}

/** Reads the topics and compares; only while no node runs. */
export async function checkOutcome(world: CrashWorld, options: CheckOptions = {}): Promise<Outcome> {
  return checkRecords(await readRecords(world), committedLedger(await world.committed(), TOPICS[0]), options)
}

/** `counts`: the ledger as it was committed, of all partitions. */
export function checkRecords(
  records: CrashRecords,
  counts: readonly number[],
  { isPoison = () => false, isBeyondBound = () => false, partitions = PARTITIONS, mayRepeat = true }: CheckOptions,
): Outcome {
  const events = records.events.map(({ event }) => {
    // To the oracle it is one ahead of the clock: quarantined.
    return event.time !== undefined && isPoison(event) ? { ...event, now: 0 } : event
  })
  const expected = runOracle({ ...ORACLE, partitions }, events)
  const { explained, repeated } = checkSamples(records.samples, expected.samples, isBeyondBound, copiesIn(records))
  if (!mayRepeat) expect(repeated, 'samples that are sent again').toBe(0)
  const uncertain = events.filter(({ user }) => user !== undefined && isBeyondBound(user)).length
  const ledger = Object.fromEntries(LEDGER_FIELDS.map((field, i) => [field, counts[i]]))
  checkLedger(ledger, expected.ledger.total, uncertain)
  const bad = records.events.filter((_, i) => events[i].refused || (events[i].time ?? 0) > (events[i].now ?? 0))
  expect(new Set(records.deadLetters)).toEqual(new Set(bad.map(placeOf)))
  const altered = bad.filter((one) => !isCarriedBy(one, records.letters.get(placeOf(one))!))
  expect(altered.map(placeOf), 'dead letters without the bytes of what they are about').toEqual([])
  const given = new Set(records.beside)
  const aside = ledger.late + ledger.outside + ledger.orphan
  // What was decided and not committed may be decided otherwise the next time, where it came beyond the bound.
  if (uncertain === 0 || !mayRepeat) expect(given.size, 'events in side outputs').toBe(aside)
  else expect(given.size, 'events in side outputs').toBeGreaterThanOrEqual(aside)
  const repeatedBeside = records.beside.length - given.size + records.deadLetters.length - bad.length
  if (!mayRepeat) expect(repeatedBeside, 'side outputs and dead letters that are sent again').toBe(0)
  return {
    events: events.length,
    samples: expected.samples.length,
    repeated,
    repeatedBeside,
    explained,
    bound: expected.ledger.total.engagements.bound,
    deadLetters: bad.length,
    badEvents: bad.filter(isGarbage).length + new Set(bad.filter((one) => !isGarbage(one)).map(bytesOf)).size,
    madeAtMs: records.samples.map(({ record }) => record.stampMs),
  }
}

/** A dead letter has the key and the value as they came. */
function isCarriedBy({ record }: ReadEvent, { key, value }: LogRecord): boolean {
  return record.value.equals(value) && (record.key === null ? key === null : key !== null && record.key.equals(key))
}

const isGarbage = ({ event }: ReadEvent): boolean => Boolean(event.refused)
const bytesOf = ({ record }: ReadEvent): string => record.value.toString('base64')

/** Each expected sample is there and right, nothing else is, and copies are the same bytes. */
export function checkSamples(
  samples: readonly ReadSample[],
  expected: readonly ExpectedSample[],
  isBeyondBound: (user: string) => boolean = () => false,
  copies: ReadonlyMap<string, number> = new Map(),
): { explained: string[]; repeated: number } {
  const got = grouped(samples, ({ key }) => key)
  const should = grouped(expected, (sample) => keyOf(sample.user_id, sample.sample_id))
  const missing = [...should.keys()].filter((key) => !got.has(key))
  const wrong: unknown[] = []
  const differing: unknown[] = []
  const explained: string[] = []
  let repeated = 0
  for (const [key, oracles] of should) {
    const records = (got.get(key) ?? []).map(({ record }) => record)
    const kinds = distinct(records)
    // Of copies that come late, how many find the one before forgotten hangs on how sources interleave.
    const isLate = oracles.some((oracle) => oracle.late_view) || isBeyondBound(oracles[0].user_id)
    const most = isLate ? Math.max(oracles.length, copies.get(key) ?? 0) : oracles.length
    repeated += Math.max(0, records.length - most)
    const isRight = kinds.every((kind) => oracles.some((oracle) => isEqual(kind, oracle)))
    if (isBeyondBound(oracles[0].user_id)) {
      if (!isRight || kinds.length > oracles.length) explained.push(kinds.map(placeAndText).join(' | '))
    } else if (kinds.length > oracles.length) differing.push(kinds.map(placeAndText))
    else if (!isRight) wrong.push([kinds.map(placeAndText), oracles.map((oracle) => JSON.stringify(oracle))])
    // The view as it came in time; a late copy may have found it remembered.
    else if (kinds.length > 0 && !kinds.some((kind) => isEqual(kind, oracles[0]))) missing.push(key)
  }
  expect(differing.slice(0, SHOWN), `${differing.length} samples whose copies differ`).toEqual([])
  expect(missing.slice(0, SHOWN), `${missing.length} samples that are missing`).toEqual([])
  expect(wrong.slice(0, SHOWN), `${wrong.length} samples that are wrong`).toEqual([])
  const unknown = [...got.keys()].filter((key) => !should.has(key))
  expect(unknown.slice(0, SHOWN), `${unknown.length} samples of no view`).toEqual([])
  return { explained, repeated }
}

/** How often each view lies in the log. */
function copiesIn({ events }: CrashRecords): Map<string, number> {
  const copies = new Map<string, number>()
  for (const { source, event } of events) {
    if (source !== 0 || event.user === undefined) continue
    const key = viewKeyOf(event)
    copies.set(key, (copies.get(key) ?? 0) + 1)
  }
  return copies
}

function grouped<T>(items: readonly T[], keyOfItem: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOfItem(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

/** The first of each that differ. */
function distinct(records: readonly LogRecord[]): LogRecord[] {
  const found: LogRecord[] = []
  for (const record of records) {
    const isKnown = found.some(({ value, partition }) => value.equals(record.value) && partition === record.partition)
    if (!isKnown) found.push(record)
  }
  return found
}

function placeAndText({ partition, offset, stampMs, value }: LogRecord): string {
  return `${partition} ${offset} at ${stampMs}: ${JSON.stringify(SAMPLE_TYPE.fromBuffer(value))}`
}

function isEqual(record: LogRecord, expected: ExpectedSample): boolean {
  const got = JSON.parse(JSON.stringify(SAMPLE_TYPE.fromBuffer(record.value))) as OracleSample & { revision: number }
  return (
    record.partition === expected.partition &&
    Number(got.view_time) === expected.view_time &&
    got.item_id === expected.item_id &&
    got.late_view === expected.late_view &&
    got.revision === 0 &&
    JSON.stringify(got.labels) === JSON.stringify(expected.labels) &&
    JSON.stringify(got.delays_ms) === JSON.stringify(expected.delays_ms)
  )
}

/** `uncertain`: how many events came beyond the bound; by so many may buckets differ of which one may take for another. */
function checkLedger(got: Record<string, number>, expected: Expected['ledger']['total'], uncertain: number): void {
  const { views, engagements, refused } = expected
  const certain = {
    refused,
    views: views.in,
    pending: views.pending,
    conflicts: views.conflicts,
    viewsQuarantined: views.quarantined,
    engagements: engagements.in,
    undecided: engagements.undecided,
    engagementsQuarantined: engagements.quarantined,
  }
  expect(got).toMatchObject(certain)
  if (uncertain > 0) return checkUncertain(got, expected, uncertain)
  // Which of the two it is may hang on what has been forgotten (SEMANTICS.md section 3), which a restart counts anew.
  expect(got.outside + got.orphan).toBe(engagements.outside + engagements.orphan)
  expect(got).toMatchObject({
    samples: views.samples,
    viewDuplicates: views.duplicates,
    bound: engagements.bound,
    unused: engagements.unused,
    late: engagements.late,
    engagementDuplicates: engagements.duplicates,
  })
}

/** Views end as samples or copies, engagements in one of six buckets: the sums hold whatever came late. */
function checkUncertain(got: Record<string, number>, expected: Expected['ledger']['total'], uncertain: number): void {
  const { views, engagements } = expected
  expect(got.samples + got.viewDuplicates).toBe(views.samples + views.duplicates)
  const buckets = ['bound', 'unused', 'outside', 'late', 'orphan'] as const
  const total = (counts: Readonly<Record<string, number>>): number =>
    buckets.reduce((sum, bucket) => sum + counts[bucket], 0)
  expect(total(got) + got.engagementDuplicates).toBe(total(engagements) + engagements.duplicates)
  for (const bucket of ['bound', 'unused'] as const)
    expect(Math.abs(got[bucket] - engagements[bucket]), bucket).toBeLessThanOrEqual(uncertain)
}
