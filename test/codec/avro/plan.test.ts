import { describe, expect, test } from 'vitest'
import { compilePlan } from '../../../src/codec/avro/plan.ts'
import { resolveSchema } from '../../../src/codec/avro/schema.ts'
import { SchemaError } from '../../../src/codec/error.ts'
import type { AvroSchema, FieldMap } from '../../../src/config/model.ts'
import { record, VIEW_FIELDS } from '../support.ts'

const good = { view_id: 'long', user_id: 'long', item_id: 'long', at: 'long' }

function compile(schema: AvroSchema, fields: Partial<FieldMap> = {}): unknown {
  return compilePlan(resolveSchema(schema), 'engagements', { ...VIEW_FIELDS, ...fields })
}

describe('a plan that cannot be is refused with schema and path', () => {
  test.each<[string, AvroSchema, Partial<FieldMap>, RegExp]>([
    [
      'a missing field',
      record('View', { ...good, item_id: 'long' }),
      { itemId: ['item'] },
      /View, field item: .*has no field item \(it has view_id, user_id/,
    ],
    [
      'a missing nested field',
      record('V', { ...good, meta: record('M', { a: 'int' }) }),
      { userId: ['meta', 'user'] },
      /V, field meta\.user: record M has no field user/,
    ],
    [
      'a path through a scalar',
      record('V', good),
      { userId: ['user_id', 'x'] },
      /V, field user_id\.x: user_id is a long, not a record/,
    ],
    [
      'a path through an array',
      record('V', { ...good, list: { type: 'array', items: 'long' } }),
      { userId: ['list', 'x'] },
      /field list\.x: list is an array/,
    ],
    [
      'a double as id',
      record('V', { ...good, user_id: 'double' }),
      {},
      /field user_id: the user id cannot be a double \(it may be string, int, long, enum\)/,
    ],
    ['bytes as id', record('V', { ...good, item_id: 'bytes' }), {}, /field item_id: the item id cannot be a bytes/],
    [
      'a record as id',
      record('V', { ...good, view_id: record('Id', { a: 'long' }) }),
      {},
      /field view_id: the view id cannot be an Id/,
    ],
    [
      'a union of several',
      record('V', { ...good, user_id: ['null', 'long', 'string'] }),
      {},
      /field user_id: a mapped field may be a union of null and one type, not of null, long, string/,
    ],
    [
      'a union of null alone',
      record('V', { ...good, user_id: ['null'] }),
      {},
      /field user_id: a mapped field may be a union/,
    ],
    ['a double as time', record('V', { ...good, at: 'double' }), {}, /field at: the time cannot be a double/],
    [
      'an unknown kind of time',
      record('V', { ...good, at: { type: 'long', logicalType: 'timestamp-nanos' } }),
      {},
      /field at: the logical type timestamp-nanos .* state its unit/,
    ],
    [
      'a time without a zone',
      record('V', { ...good, at: { type: 'long', logicalType: 'local-timestamp-millis' } }),
      {},
      /field at: the logical type local-timestamp-millis/,
    ],
    [
      'a number as type',
      record('V', { ...good, kind: 'int' }),
      { type: { path: ['kind'] } },
      /field kind: the type cannot be an int/,
    ],
    [
      'a text as value',
      record('V', { ...good, v: 'string' }),
      { value: ['v'] },
      /field v: the value cannot be a string/,
    ],
    [
      'a field and its inside',
      record('V', { ...good, m: record('M', { a: 'long' }) }),
      { userId: ['m'], itemId: ['m', 'a'] },
      /field m: is mapped itself and has mapped fields inside/,
    ],
    ['no record', 'string', {}, /string is not a record/],
  ])('%s', (_, schema, fields, message) => {
    expect(() => compile(schema, fields)).toThrow(SchemaError)
    expect(() => compile(schema, fields)).toThrow(message)
  })

  test('a stated unit makes a time of any integer', () => {
    const at = { type: 'long', logicalType: 'timestamp-nanos' }
    expect(() => compile(record('V', { ...good, at }), { time: { path: ['at'], unit: 'us' } })).not.toThrow()
  })
})

describe('a schema that is none is refused', () => {
  test.each<[string, unknown, RegExp]>([
    ['an unknown type', record('V', { a: 'lnog' }), /unknown type "lnog"/],
    ['a type declared twice', record('V', { a: record('X', {}), b: record('X', {}) }), /X is declared twice/],
    ['a name that is none', { type: 'record', name: 'a b', fields: [] }, /"a b" is no name/],
    ['no name', { type: 'record', fields: [] }, /a record has no name/],
    [
      'a field twice',
      {
        type: 'record',
        name: 'V',
        fields: [
          { name: 'a', type: 'int' },
          { name: 'a', type: 'int' },
        ],
      },
      /record V: "a" is no field name, or is there twice/,
    ],
    ['no fields', { type: 'record', name: 'V' }, /record V has no fields/],
    ['a field that is no object', { type: 'record', name: 'V', fields: [null] }, /no field name/],
    ['a union in a union', record('V', { a: ['null', ['int']] }), /a union holds/],
    ['a union of the same type', record('V', { a: ['int', 'int'] }), /a union holds int twice/],
    ['an empty union', record('V', { a: [] }), /no branches/],
    ['an enum without symbols', record('V', { a: { type: 'enum', name: 'E' } }), /enum E has no proper symbols/],
    [
      'a fixed of negative size',
      record('V', { a: { type: 'fixed', name: 'F', size: -1 } }),
      /fixed F has no proper size/,
    ],
    ['a number', 5, /not a schema: 5/],
    ['null', null, /not a schema: null/],
  ])('%s', (_, schema, message) => {
    expect(() => resolveSchema(schema as AvroSchema)).toThrow(message)
  })

  test('one nested without end is refused before the stack is', () => {
    let schema: AvroSchema = 'int'
    for (let k = 0; k < 100_000; k++) schema = { type: 'array', items: schema }
    expect(() => resolveSchema(schema)).toThrow(/nested deeper/)
  })
})

describe('names', () => {
  test('a nested type inherits the namespace, and is found by its short and its full name', () => {
    const type = resolveSchema({
      type: 'record',
      name: 'a.b.V',
      fields: [
        { name: 'x', type: { type: 'enum', name: 'E', symbols: ['A'] } },
        { name: 'y', type: 'E' },
        { name: 'z', type: 'a.b.E' },
        { name: 'w', type: { type: 'fixed', name: 'F', namespace: 'c', size: 1 } },
        { name: 'v', type: 'c.F' },
      ],
    })
    if (type.kind !== 'record') throw new Error('no record')
    const [x, y, z, w, v] = type.fields.map((field) => field.type)
    expect(x).toMatchObject({ kind: 'enum', name: 'a.b.E' })
    expect(y).toBe(x)
    expect(z).toBe(x)
    expect(w).toMatchObject({ kind: 'fixed', name: 'c.F' })
    expect(v).toBe(w)
  })

  test('a record that holds itself points to itself', () => {
    const type = resolveSchema({ type: 'record', name: 'L', fields: [{ name: 'next', type: ['null', 'L'] }] })
    if (type.kind !== 'record' || type.fields[0].type.kind !== 'union') throw new Error('not as declared')
    expect(type.fields[0].type.branches[1]).toBe(type)
  })
})
