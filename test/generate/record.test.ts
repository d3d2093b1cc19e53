import avro from 'avsc'
import { describe, expect, test } from 'vitest'
import type { Source } from '../../src/config/model.ts'
import { ENGAGEMENTS, type GeneratedEvent, VIEWS } from '../../src/generate/event.ts'
import { RecordMaker } from '../../src/generate/record.ts'

const VIEW: GeneratedEvent = {
  source: VIEWS,
  number: 3,
  user: 'user-1',
  key: 'user-1',
  timeMs: 1_700_000_000_000,
  arrivalMs: 0,
  fields: { viewId: 'view-1', itemId: 'item-1', type: '', value: null },
}
const CLICK: GeneratedEvent = {
  ...VIEW,
  source: ENGAGEMENTS,
  fields: { viewId: null, itemId: 'item-1', type: 'click', value: null },
}

const FIELDS = { viewId: ['view_id'], userId: ['user_id'], itemId: ['item_id'], time: { path: ['at'] } }

function source(format: Source['format'], fields: object = {}, role: Source['role'] = 'views'): Source {
  return { role, topic: 't', format, fields: { ...FIELDS, ...fields } }
}

function avroFormat(fields: { name: string; type: unknown; default?: unknown }[]): Source['format'] {
  return { type: 'avro', schemaFile: '', schema: { type: 'record', name: 'R', fields } }
}

const IDS = ['view_id', 'user_id', 'item_id'].map((name) => ({ name, type: 'string' as unknown }))

function decoded(from: Source, event: GeneratedEvent, seed = 1): unknown {
  const { schema } = from.format as { schema: unknown }
  return avro.Type.forSchema(schema as avro.Schema).fromBuffer(new RecordMaker(from, seed).encode(event))
}

describe('JSON records', () => {
  test('hold the mapped fields at their paths, in their units', () => {
    const made = new RecordMaker(
      source({ type: 'json' }, { userId: ['meta', 'user'], time: { path: ['meta', 'ts'], unit: 's' } }),
      1,
    )
    expect(JSON.parse(String(made.encode(VIEW)))).toEqual({
      meta: { user: 'user-1', ts: 1_700_000_000 },
      item_id: 'item-1',
      view_id: 'view-1',
    })
  })

  test('of engagements have type and value, null where there is none', () => {
    const made = new RecordMaker(source({ type: 'json' }, { type: { path: ['kind'] }, value: ['v'] }, 'engagements'), 1)
    expect(JSON.parse(String(made.encode(CLICK)))).toMatchObject({ kind: 'click', v: null, view_id: null })
  })
})

describe('Avro records', () => {
  test('hold a value in the branch of a union that it fits', () => {
    const kind = [{ type: 'enum', name: 'Kind', symbols: ['like'] }, 'string']
    const format = avroFormat([...IDS, { name: 'at', type: 'long' }, { name: 'kind', type: kind }])
    const from = source(format, { viewId: undefined, type: { path: ['kind'] } }, 'engagements')
    expect(decoded(from, CLICK)).toMatchObject({ kind: { string: 'click' } })
  })

  test('fill the rest of the schema, the same for each copy of an event', () => {
    const format = avroFormat([
      ...IDS,
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'position', type: 'int' },
      { name: 'surface', type: 'string' },
      { name: 'scores', type: { type: 'array', items: 'float' } },
      { name: 'extra', type: ['null', { type: 'map', values: ['string', 'long'] }, 'bytes'] },
      { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
      { name: 'next', type: ['null', 'R'] },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
      { name: 'ok', type: 'boolean' },
    ])
    const record = decoded(source(format), VIEW)
    expect(record).toMatchObject({ view_id: 'view-1', user_id: 'user-1', item_id: 'item-1', at: VIEW.timeMs })
    expect(decoded(source(format), { ...VIEW, arrivalMs: 99 })).toEqual(record)
    expect(decoded(source(format), { ...VIEW, number: 4 })).not.toEqual(record)
    expect(decoded(source(format), VIEW, 2)).not.toEqual(record)
  })

  test('have engagement ids of the type that the schema has for them', () => {
    for (const [type, id] of [
      ['string', 'engagement-3'],
      ['long', 3],
      [['null', 'int'], 3],
    ] as const) {
      const format = avroFormat([...IDS, { name: 'at', type: 'long' }, { name: 'eid', type }])
      const from = source(format, { time: { path: ['at'], unit: 'ms' }, engagementId: ['eid'] }, 'engagements')
      const made = { ...CLICK, fields: { ...CLICK.fields, viewId: 'v' } }
      expect(decoded(from, made)).toMatchObject({ eid: id })
      expect(JSON.parse(new RecordMaker(from, 1).json(made))).toMatchObject({ eid: id })
    }
  })

  test('put values into unions, enums, micros, long ids and nested records', () => {
    const inner = {
      type: 'record',
      name: 'Meta',
      fields: [
        { name: 'user', type: ['null', 'long'] },
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
      ],
    }
    const format = avroFormat([
      { name: 'view_id', type: ['null', 'string'] },
      { name: 'item_id', type: 'int' },
      { name: 'meta', type: ['null', inner] },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['click', 'like'] } },
      { name: 'value', type: ['null', 'double'] },
    ])
    const from = source(
      format,
      { userId: ['meta', 'user'], time: { path: ['meta', 'at'] }, type: { path: ['kind'] }, value: ['value'] },
      'engagements',
    )
    const event = { ...CLICK, user: '12', fields: { ...CLICK.fields, itemId: '34', value: -5 } }
    expect(decoded(from, event)).toEqual({
      view_id: null,
      item_id: 34,
      meta: { user: 12, at: VIEW.timeMs * 1000 },
      kind: 'click',
      value: -5,
    })
  })

  test('as JSON, for files, have numbers where the schema does', () => {
    const format = avroFormat([
      { name: 'view_id', type: 'string' },
      { name: 'user_id', type: ['null', 'long'] },
      { name: 'item_id', type: 'int' },
      { name: 'at', type: 'long' },
    ])
    const json = new RecordMaker(source(format), 1).json({
      ...VIEW,
      user: '12',
      fields: { ...VIEW.fields, itemId: '34' },
    })
    expect(JSON.parse(json)).toEqual({ view_id: 'view-1', user_id: 12, item_id: 34, at: VIEW.timeMs })
  })

  test('that an event does not fit are a clear error', () => {
    const format = avroFormat([...IDS, { name: 'at', type: 'boolean' }])
    expect(() => new RecordMaker(source(format), 1).encode(VIEW)).toThrow(/topic t: an event does not fit the schema/)
  })
})
