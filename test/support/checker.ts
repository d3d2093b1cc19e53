/**
 * Checks what a node wrote: decodes samples by the contract alone (DESIGN.md section 10: its own Avro schema, avsc,
 * JSON) and holds them against the oracle's, field by field and in their order.
 *
 * Owns: no state but the tallies of a Digest. Shares nothing with src.
 *
 * How it fails: what differs comes back as lines; what cannot be decoded throws with topic, partition and offset.
 */
import { isDeepStrictEqual } from 'node:util'
import type avro from 'avsc'
import type { OracleSample, OracleSide } from '../oracle/run.ts'
import type { OracleConfig } from './pureJoin.ts'
import { exactType, parseExact } from './testSource.ts'
import type { ReadRecord } from './topicReader.ts'

const SHOWN = 5

/** A sample as plain values, ids as text. */
export interface CheckedSample extends Omit<OracleSample, 'offset'> {
  readonly key: string
  readonly revision: number
  readonly weight: number
  /** As it lies in the topic. */
  readonly bytes: Buffer
}

type Labels = OracleConfig['labels']
type RawSample = Record<string, unknown>

/** The type of samples, as the contract has it. `ids` are the types of the view's user and item ids. */
export function sampleType(
  labels: Labels,
  view: object | 'string',
  ids: readonly [string, string],
  makeType: (schema: object) => avro.Type = exactType,
): avro.Type {
  const label = ({ name, fold, default: fallback }: Labels[number]) => {
    const type = fold === 'any' || fold === 'count' ? 'int' : 'double'
    return { name, type: fallback === null ? ['null', type] : type }
  }
  return makeType({
    type: 'record',
    name: 'CheckedSample',
    fields: [
      { name: 'sample_id', type: 'string' },
      { name: 'user_id', type: ids[0] },
      { name: 'item_id', type: ids[1] },
      { name: 'view_time', type: 'long' },
      { name: 'labels', type: { type: 'record', name: 'CheckedLabels', fields: labels.map(label) } },
      {
        name: 'delays_ms',
        type: {
          type: 'record',
          name: 'CheckedDelays',
          fields: labels.map(({ name }) => ({ name, type: ['null', 'long'] })),
        },
      },
      { name: 'late_view', type: 'boolean' },
      { name: 'revision', type: 'int' },
      { name: 'weight', type: 'double' },
      { name: 'view', type: view },
    ],
  })
}

export function fromAvro(type: avro.Type): (record: ReadRecord) => CheckedSample {
  return (record) => plain(record, readable(record, () => type.fromBuffer(record.value)) as RawSample)
}

export function fromJson(record: ReadRecord): CheckedSample {
  return plain(record, readable(record, () => parseExact(record.value.toString())) as RawSample)
}

function readable(record: ReadRecord, read: () => unknown): unknown {
  try {
    return read()
  } catch (cause) {
    throw new Error(`sample in partition ${record.partition} at offset ${record.offset} cannot be read`, { cause })
  }
}

function plain({ key, partition, value: bytes }: ReadRecord, sample: RawSample): CheckedSample {
  const numbers = (record: unknown) => {
    const entries = Object.entries(record as Record<string, number | bigint | null>)
    return Object.fromEntries(entries.map(([name, value]) => [name, value === null ? null : Number(value)]))
  }
  return {
    sample_id: sample.sample_id as string,
    user_id: String(sample.user_id),
    item_id: String(sample.item_id),
    view_time: Number(sample.view_time),
    labels: numbers(sample.labels),
    delays_ms: numbers(sample.delays_ms),
    late_view: sample.late_view as boolean,
    revision: sample.revision as number,
    weight: sample.weight as number,
    partition,
    key,
    bytes,
  }
}

/** What a sample's bytes must end with, given the oracle's sample: the view, its last field, as it came. */
export type ViewBytes = (expected: OracleSample) => Buffer

/**
 * What differs between samples, in the order of the topic's partitions, and the oracle's in its order of sealing: one
 * line for each of the first few, and how many there are.
 */
export function differences(
  samples: readonly CheckedSample[],
  expected: readonly OracleSample[],
  viewBytes: ViewBytes,
): readonly string[] {
  const found: string[] = []
  for (const partition of new Set([...samples, ...expected].map((sample) => sample.partition))) {
    const are = samples.filter((sample) => sample.partition === partition)
    const should = expected.filter((sample) => sample.partition === partition)
    if (are.length !== should.length) {
      found.push(`partition ${partition}: ${are.length} samples where there should be ${should.length}`)
    }
    for (let i = 0; i < Math.min(are.length, should.length); i++) {
      const { bytes, ...is } = are[i]
      const { offset: _, ...rest } = should[i]
      const whole = { ...rest, revision: 0, weight: 1, key: rest.user_id }
      const view = viewBytes(should[i])
      if (!isDeepStrictEqual(is, whole)) {
        found.push(`partition ${partition} sample ${i}: ${JSON.stringify(is)} should be ${JSON.stringify(whole)}`)
      } else if (!bytes.subarray(-view.length).equals(view)) {
        found.push(`partition ${partition} sample ${i}: its view is not the one that came`)
      }
    }
  }
  return found.length <= SHOWN ? found : [...found.slice(0, SHOWN), `and ${found.length - SHOWN} more`]
}

/** Side outputs as `reason source partition offset`, sorted. */
export function sideTexts(topics: readonly string[], records: readonly ReadRecord[]): string[] {
  return records
    .map(({ value }) => {
      const { reason, topic, partition, offset } = JSON.parse(value.toString()) as Record<string, unknown>
      return `${reason} ${topics.indexOf(String(topic))} ${partition} ${offset}`
    })
    .sort()
}

export function expectedSideTexts(side: readonly OracleSide[]): string[] {
  return side.map(({ reason, source, partition, offset }) => `${reason} ${source} ${partition} ${offset}`).sort()
}

const DIGEST_MODULUS = (1n << 53n) - 1n

/** The digest of the SPEC workload, over samples whose ids are numbers; those below 0 are the closing ones. */
export class Digest {
  duplicates = 0
  conflicts = 0
  private readonly seen = new Map<number, number>()
  private sum = 0n

  add(id: number, labels: Readonly<Record<string, number>>): void {
    if (id < 0) return
    const weight = labels.click + labels.like * 2 + labels.share * 4 + Math.round(labels.watch_ms)
    const earlier = this.seen.get(id)
    if (earlier !== undefined) {
      this.duplicates++
      if (earlier !== weight) this.conflicts++
      return
    }
    this.seen.set(id, weight)
    this.sum = (this.sum + BigInt(id) * 31n + BigInt(weight)) % DIGEST_MODULUS
  }

  get distinct(): number {
    return this.seen.size
  }

  get value(): string {
    return String(this.sum)
  }
}
