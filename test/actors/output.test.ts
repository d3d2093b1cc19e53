/** What a partition writes of engagements that it gives up, also where their records cannot be read any more. */
import { describe, expect, test } from 'vitest'
import { PartitionOutput } from '../../src/actors/output.ts'
import { AvroFileSource } from '../../src/codec/avro/fileSource.ts'
import { AvroWireSource } from '../../src/codec/avro/wireSource.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import type { RegistryClient, SchemaAnswer } from '../../src/codec/registry.ts'
import type { AvroSchema, Format } from '../../src/config/model.ts'
import { admitTick, gather } from '../../src/join/batch.ts'
import type { JoinState } from '../../src/join/state.ts'
import { takeTurn } from '../../src/join/turn.ts'
import { nowhere } from '../../src/sinks/lines.ts'
import { Durations } from '../../src/time/durations.ts'
import { avroFormat, engagementSource, LIMITS, record, varint } from '../codec/support.ts'
import { type OracleConfig, PureJoin } from '../support/pureJoin.ts'

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

/** An engagement that found no view, as the batch that gives it up leaves it to the output. */
function orphaned(bytes: Buffer): JoinState {
  const join = new PureJoin(CONFIG)
  const s = join.state
  join.take([{ source: 1, offset: 40, user: 'ann', item: 'i', type: 'click', time: 5, bytes: bytes.toString() }])
  s.clocks.watermarkMs = 9000
  admitTick(s)
  gather(s)
  for (let k = 0; k < s.touched.length; k++) takeTurn(s, s.touched.items[k])
  expect(s.gaveUp.length).toBe(1)
  return s
}

async function written(reader: SourceReader, bytes = RECORD) {
  const orphans: { readonly key: string; readonly value: unknown }[] = []
  const unreadable: number[][] = []
  const collect = {
    ...nowhere,
    add(...[, , key, keyAt, keyLength, value, at, length]: Parameters<typeof nowhere.add>) {
      const text = (of: Uint8Array, from: number, size: number) =>
        Buffer.from(of.subarray(from, from + size)).toString()
      orphans.push({ key: text(key!, keyAt, keyLength), value: JSON.parse(text(value!, at, length)) })
    },
  }
  const output = new PartitionOutput({
    outputBytes: 1 << 20,
    partition: 3,
    outlets: { samples: [], late: nowhere, orphans: collect, deadLetters: nowhere },
    topics: ['views', 'clicks'],
    readers: [reader, reader],
    emissions: new Durations(),
    onDead: () => {},
    onUnreadable: (...place) => unreadable.push(place),
  })
  const s = orphaned(bytes)
  await output.gaveUp(s, 0, 1)
  return { orphans, unreadable }
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
})
