/** What a partition writes of what it gives up, also where records cannot be read any more or topics cannot hold them. */
import { describe, expect, test } from 'vitest'
import { type Outlets, PartitionOutput } from '../../src/actors/output.ts'
import { AvroFileSource } from '../../src/codec/avro/fileSource.ts'
import { AvroWireSource } from '../../src/codec/avro/wireSource.ts'
import { append } from '../../src/codec/byteBuffer.ts'
import type { SampleEncoder, SourceReader } from '../../src/codec/port.ts'
import type { RegistryClient, SchemaAnswer } from '../../src/codec/registry.ts'
import type { AvroSchema, Format } from '../../src/config/model.ts'
import { admitTick, gather } from '../../src/join/batch.ts'
import { SAMPLES, VIEWS, VIEWS_QUARANTINED } from '../../src/join/ledger.ts'
import type { JoinState } from '../../src/join/state.ts'
import { takeTurn } from '../../src/join/turn.ts'
import type { RecordHeader } from '../../src/log/recordBatch/builder.ts'
import { nowhere, type SideOutlet } from '../../src/sinks/lines.ts'
import type { SampleSink } from '../../src/sinks/port.ts'
import { Durations } from '../../src/time/durations.ts'
import { avroFormat, engagementSource, LIMITS, record, varint } from '../codec/support.ts'
import { type OracleConfig, type OracleEvent, PureJoin } from '../support/pureJoin.ts'

const CONFIG: OracleConfig = {
  partitions: 1,
  sources: ['views', 'clicks'],
  basis: 'event',
  outOfOrdernessMs: 0,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 1000,
  maxClockSkewMs: null,
  unseen: 'skip',
  labels: [{ name: 'click', on: 'click', withinMs: 1000, fold: 'any', default: 0 }],
}
const FIELDS = { userId: ['u'], itemId: ['u'], time: { path: ['t'] }, type: { const: 'click' } }
const SCHEMA = record('C', { u: 'long', t: 'long' })
const RECORD = Buffer.concat([varint(7), varint(5)])

/** The state after a batch of that event and all its windows, as it is left to the output. */
function settled(event: Partial<OracleEvent>): JoinState {
  const join = new PureJoin(CONFIG)
  const s = join.state
  join.take([{ offset: 40, user: 'ann', item: 'i', time: 5, ...event }])
  s.clocks.watermarkMs = 9000
  admitTick(s)
  gather(s)
  for (let k = 0; k < s.touched.length; k++) takeTurn(s, s.touched.items[k])
  return s
}

/** An engagement that found no view. */
function orphaned(bytes: Buffer): JoinState {
  const s = settled({ source: 1, type: 'click', bytes: bytes.toString() })
  expect(s.gaveUp.length).toBe(1)
  return s
}

interface Written {
  readonly key: string
  readonly value: string
  readonly headers: ReadonlyMap<string, string>
}

/** A topic that takes records of so many bytes, and keeps what it took. */
function topicOf(roomBytes = Number.POSITIVE_INFINITY) {
  const records: Written[] = []
  const size = (headers: readonly RecordHeader[] = []) =>
    headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  const text = (of: Uint8Array | null, from: number, length: number) =>
    Buffer.from(of!.subarray(from, from + length)).toString()
  const topic: SideOutlet = {
    ...nowhere,
    roomBytes,
    refusal: (...[, , keyLength, , , length, headers]) =>
      keyLength + length + size(headers) <= roomBytes ? undefined : `${keyLength + length} are too many`,
    add(...[, , key, keyAt, keyLength, value, at, length, headers = []]) {
      expect(topic.refusal(key, keyAt, keyLength, value, at, length, headers)).toBeUndefined()
      const told = new Map(headers.map(([name, bytes]) => [name, String(bytes)]))
      records.push({ key: text(key, keyAt, keyLength), value: text(value, at, length), headers: told })
    },
  }
  return { topic, records }
}

function outputOf(outlets: Partial<Outlets>, reader: SourceReader, onUnreadable?: (...place: number[]) => void) {
  return new PartitionOutput({
    outputBytes: 1 << 20,
    partition: 3,
    owner: 'me',
    outlets: { samples: [], late: nowhere, orphans: nowhere, deadLetters: nowhere, ...outlets },
    topics: ['views', 'clicks'],
    readers: [reader, reader],
    emissions: new Durations(),
    onDead: () => {},
    onUnreadable,
  })
}

async function written(reader: SourceReader, bytes = RECORD, roomBytes?: number) {
  const unreadable: number[][] = []
  const { topic, records } = topicOf(roomBytes)
  const output = outputOf({ orphans: topic }, reader, (...place) => unreadable.push(place))
  await output.gaveUp(orphaned(bytes), 0, 1)
  return { orphans: records.map(({ key, value }) => ({ key, value: JSON.parse(value) as unknown })), unreadable }
}

const format: Format = { type: 'avro', registry: { url: 'http://none' } }

/** Answers as told, and asked without end, fails: the process would not. */
function registryOf(answer: SchemaAnswer) {
  let asked = 0
  const schemaOf = async (): Promise<SchemaAnswer> => {
    if (++asked > 100) throw new Error('asked without end')
    return answer
  }
  return { schemaOf, asked: () => asked }
}

const wireReader = (registry: object) =>
  new AvroWireSource(engagementSource(format, FIELDS), registry as RegistryClient, LIMITS)
const fileReader = (schema: AvroSchema) => {
  const source = engagementSource(avroFormat(schema), FIELDS)
  return new AvroFileSource(source, schema, LIMITS)
}
const PLACE = { topic: 'clicks', partition: 3, offset: 40, reason: 'orphan' }

describe('an engagement that is given up', () => {
  test('has its own fields, once the schema that its state names is known', async () => {
    const registry = registryOf({ schema: SCHEMA })
    expect(await written(wireReader(registry))).toEqual({
      orphans: [{ key: 'ann', value: { u: 7, t: 5, ...PLACE } }],
      unreadable: [],
    })
    expect(registry.asked()).toBe(1)
  })

  test('and whose schema the registry has no more, says where it lies and why', async () => {
    const registry = registryOf({ reason: 'the schema registry has no schema 0' })
    expect(await written(wireReader(registry))).toEqual({
      orphans: [{ key: 'ann', value: { unreadable: 'the schema registry has no schema 0', ...PLACE } }],
      unreadable: [[1, 40]],
    })
    expect(registry.asked()).toBe(1)
  })

  test('and cannot be read with its schema, stops nothing', async () => {
    expect(await written(fileReader(SCHEMA), RECORD.subarray(0, 1))).toEqual({
      orphans: [{ key: 'ann', value: { unreadable: 'the record ends too early', ...PLACE } }],
      unreadable: [[1, 40]],
    })
  })

  test('and that its topic cannot hold, says where it lies and why', async () => {
    expect(await written(fileReader(SCHEMA), RECORD, 100)).toMatchObject({ orphans: [{ value: { u: 7, t: 5 } }] })
    const wide = record('C', { u: 'long', t: 'long', a: 'string', b: 'string', c: 'string' })
    const text = Buffer.concat([varint(60), Buffer.alloc(60, 'x')])
    expect(await written(fileReader(wide), Buffer.concat([RECORD, text, text, text]), 200)).toEqual({
      orphans: [{ key: 'ann', value: { too_large: '278 are too many', ...PLACE } }],
      unreadable: [],
    })
  })
})

describe('a sample whose view was rewritten to another schema', () => {
  test('is counted once, however many sinks it goes to, and not where it goes to none', () => {
    const noSink: SampleSink = { ...nowhere, add() {}, discard() {}, close: async () => {} }
    const encoder = () => ({
      schema: null,
      transcoded: 0,
      prepare: () => undefined,
      encode(this: { transcoded: number }) {
        this.transcoded++
      },
    })
    const full = { ...noSink, refusal: () => 'it is full' }
    const of = (...sinks: SampleSink[]) => sinks.map((sink) => ({ encoder: encoder(), sinks: [sink] }))
    const sampled = (samples: Outlets['samples']) => {
      const output = outputOf({ samples }, fileReader(SCHEMA))
      output.sample(settled({ source: 0, viewId: 'v' }), 0, 1)
      return output.transcoded
    }
    expect([of(noSink, noSink), of(noSink, full), []].map(sampled)).toEqual([1, 0, 0])
  })
})

describe('a view whose sample one of the sinks cannot hold', () => {
  const encoder: SampleEncoder = {
    schema: null,
    transcoded: 0,
    prepare: () => undefined,
    encode: (row, out) => append(out, row.payload, row.payloadAt, row.payloadLength),
  }
  const view = { source: 0, viewId: 'v', bytes: 'x'.repeat(900) }

  function sampled(sinkBytes: readonly number[], deadBytes?: number) {
    const sinks = sinkBytes.map((roomBytes) => topicOf(roomBytes))
    const dead = topicOf(deadBytes)
    const asSink = ({ topic }: { topic: SideOutlet }) => {
      const add: SampleSink['add'] = (partition, key, keyAt, keyLength, value, at, length, stampMs) =>
        topic.add(partition, stampMs, key, keyAt, keyLength, value, at, length)
      return { ...topic, add, discard() {}, close: async () => {} }
    }
    const samples = sinks.map((sink) => ({ encoder, sinks: [asSink(sink)] }))
    const s = settled(view)
    expect(s.sealed.length).toBe(1)
    outputOf({ samples, deadLetters: dead.topic }, fileReader(SCHEMA)).sample(s, 0, 1)
    const counts = [s.ledger[VIEWS], s.ledger[SAMPLES], s.ledger[VIEWS_QUARANTINED]]
    return { samples: sinks.map(({ records }) => records), dead: dead.records, counts }
  }

  test('goes to none of them, and to the dead letters with the reason; the ledger balances', () => {
    const { samples, dead, counts } = sampled([1_000, 902])
    expect(samples).toEqual([[], []])
    expect(dead).toMatchObject([{ key: 'ann', value: view.bytes }])
    expect(Object.fromEntries(dead[0].headers)).toEqual({
      topic: 'views',
      partition: '3',
      offset: '40',
      reason: 'its sample is too large: 903 are too many',
    })
    expect(counts).toEqual([1, 0, 1])
  })

  test('is cut to what the dead letters can hold', () => {
    const { dead } = sampled([1_000, 902], 600)
    expect(dead).toHaveLength(1)
    expect(dead[0].value.length).toBeGreaterThan(300)
    expect(view.bytes.startsWith(dead[0].value)).toBe(true)
    expect(dead[0].headers.get('value_bytes')).toBe('900')
    expect(dead[0].headers.get('key_bytes')).toBeUndefined()
  })

  test('goes to all of them, where they can', () => {
    const { samples, dead, counts } = sampled([1_000, 903])
    expect(samples.map((records) => records.length)).toEqual([1, 1])
    expect(dead).toEqual([])
    expect(counts).toEqual([1, 1, 0])
  })
})
