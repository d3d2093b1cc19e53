/**
 * What must hold when all is sealed, however often the node was killed: against the oracle's samples and ledger, from
 * what lies in the topics, from their first record on.
 *
 * Fails: `expect` in each check; an empty run fails by the counts that are asked for.
 */
import { expect } from 'vitest'
import { LEDGER_FIELDS } from '../../src/join/ledger.ts'
import { type OracleSample, runOracle } from '../oracle/run.ts'
import { DEAD_LETTERS, EVENT_TYPES, ORACLE, SAMPLE_TYPE, SAMPLES, TOPICS } from './crashPipeline.ts'
import { type CrashWorld, committedLedger, type LogRecord } from './crashWorld.ts'
import type { OracleEvent } from './pureJoin.ts'

export type ExpectedSample = Omit<OracleSample, 'offset' | 'view' | 'order'>

/** Of what is wrong, in a failure's message. */
const SHOWN = 5

export interface Outcome {
  readonly events: number
  readonly samples: number
  /** Records of samples that repeat another. */
  readonly repeated: number
  readonly bound: number
  readonly deadLetters: number
  /** When each record of samples was made, by the machine's clock. */
  readonly madeAtMs: readonly number[]
}

interface Decoded {
  readonly view_id: string | null
  readonly user_id: string
  readonly item_id: string
  readonly event_time: number
  readonly type?: string
  readonly watched?: number | null
}

/** Reads the topics and compares; only while no node runs. `isPoison`: events that crash their actor whenever they are taken. */
export async function checkOutcome(
  world: CrashWorld,
  isPoison: (event: OracleEvent) => boolean = () => false,
): Promise<Outcome> {
  const raw: { source: number; record: LogRecord; event: OracleEvent }[] = []
  for (const [source, topic] of TOPICS.entries()) {
    for (const record of await world.readAll(topic)) {
      const event = eventOf(source, record)
      // To the oracle it is one ahead of the clock: quarantined.
      if (event.time !== undefined && isPoison(event)) event.now = 0
      raw.push({ source, record, event })
    }
  }
  raw.sort((a, b) => a.record.stampMs - b.record.stampMs || a.source - b.source || a.record.offset - b.record.offset)
  const events = raw.map(({ event }) => event)
  const expected = runOracle(ORACLE, events)
  const samples = await world.readAll(SAMPLES)
  const repeated = checkSamples(samples, expected.samples)
  checkLedger(committedLedger(await world.committed(), TOPICS[0]), expected.ledger.total)
  const bad = raw.filter(({ event }) => event.refused || (event.time ?? 0) > (event.now ?? 0))
  const deadLetters = await world.readAll(DEAD_LETTERS)
  const placeOf = ({ headers }: LogRecord): string =>
    `${headers.get('topic')} ${headers.get('partition')} ${headers.get('offset')}`
  expect(new Set(deadLetters.map(placeOf))).toEqual(
    new Set(bad.map(({ source, record }) => `${TOPICS[source]} ${record.partition} ${record.offset}`)),
  )
  return {
    events: events.length,
    samples: expected.samples.length,
    repeated,
    bound: expected.ledger.total.engagements.bound,
    deadLetters: bad.length,
    madeAtMs: samples.map(({ stampMs }) => stampMs),
  }
}

/** A record as the oracle takes it, decoded by avsc. */
export function eventOf(source: number, { partition, offset, stampMs, value }: LogRecord): OracleEvent {
  const place = { source, partition, offset, stamp: stampMs, now: Date.now() }
  let decoded: Decoded
  try {
    decoded = EVENT_TYPES[source].fromBuffer(value) as Decoded
  } catch {
    return { ...place, refused: true }
  }
  const event = {
    ...place,
    user: decoded.user_id,
    item: decoded.item_id,
    viewId: decoded.view_id,
    time: Number(decoded.event_time),
  }
  if (source === 0) return { ...event, bytes: value.toString('base64') }
  return { ...event, type: decoded.type ?? 'watch', value: decoded.watched ?? null }
}

/** Each expected sample is there and right, nothing else is, and copies are the same bytes. Returns how many are copies. */
export function checkSamples(records: readonly LogRecord[], expected: readonly ExpectedSample[]): number {
  const first = new Map<string, LogRecord>()
  const differing: unknown[] = []
  for (const record of records) {
    const { sample_id: id, user_id: user } = SAMPLE_TYPE.fromBuffer(record.value) as OracleSample
    const known = first.get(`${user} ${id}`)
    if (known === undefined) first.set(`${user} ${id}`, record)
    else if (!known.value.equals(record.value) || known.partition !== record.partition)
      differing.push(copies(known, record))
  }
  expect(differing.slice(0, SHOWN), `${differing.length} samples whose copies differ`).toEqual([])
  const wrong: unknown[] = []
  const missing: string[] = []
  for (const sample of expected) {
    const record = first.get(`${sample.user_id} ${sample.sample_id}`)
    if (record === undefined) missing.push(sample.sample_id)
    else if (!isEqual(record, sample)) wrong.push([textOf(record.value), JSON.stringify(sample)])
    first.delete(`${sample.user_id} ${sample.sample_id}`)
  }
  expect(missing, 'samples that are missing').toEqual([])
  expect(wrong.slice(0, SHOWN), `${wrong.length} samples that are wrong`).toEqual([])
  expect([...first.keys()], 'samples of no view').toEqual([])
  return records.length - expected.length
}

function copies(...records: LogRecord[]): unknown {
  return records.map(
    ({ partition, offset, stampMs, value }) => `${partition} ${offset} at ${stampMs}: ${textOf(value)}`,
  )
}

function textOf(sample: Buffer): string {
  return JSON.stringify(SAMPLE_TYPE.fromBuffer(sample))
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

function checkLedger(counts: readonly number[], expected: ReturnType<typeof runOracle>['ledger']['total']): void {
  const got = Object.fromEntries(LEDGER_FIELDS.map((field, i) => [field, counts[i]]))
  const { views, engagements, refused } = expected
  // Which of the two it is may hang on what has been forgotten (SEMANTICS.md section 3), which a restart counts anew.
  expect(got.outside + got.orphan).toBe(engagements.outside + engagements.orphan)
  expect(got).toMatchObject({
    refused,
    views: views.in,
    samples: views.samples,
    pending: views.pending,
    viewDuplicates: views.duplicates,
    conflicts: views.conflicts,
    viewsQuarantined: views.quarantined,
    engagements: engagements.in,
    bound: engagements.bound,
    unused: engagements.unused,
    late: engagements.late,
    undecided: engagements.undecided,
    engagementDuplicates: engagements.duplicates,
    engagementsQuarantined: engagements.quarantined,
  })
}
