/** When one schema's bytes are another's, and how they are rewritten where they are not: also by schemas that avsc refuses. */
import { describe, expect, test } from 'vitest'
import { avscType, sameBytes, transcoder } from '../../../src/codec/avro/transcode.ts'
import { SchemaError } from '../../../src/codec/error.ts'
import type { AvroSchema } from '../../../src/config/model.ts'
import { record } from '../support.ts'

const older = record('View', { id: 'long', ref: ['null', 'string'] })
const value = { id: 2n ** 60n, ref: { string: 'r' } }

function withField(schema: AvroSchema, field: object): AvroSchema {
  const { fields } = schema as { fields: object[] }
  return { ...(schema as object), fields: [...fields, field] }
}

/** Others never looked at defaults, or count on 64 bits where JSON has fewer. */
const ODD: readonly (readonly [AvroSchema, unknown, unknown])[] = [
  ['long', 2 ** 63, 5n],
  [['null', 'string'], 'q', { string: 's' }],
  ['double', 'NaN', 0.5],
  ['int', '0', 5],
]

describe.each(ODD)('with a field of %j by default %j, which avsc refuses', (type, odd, read) => {
  const field = { name: 'odd', type, default: odd }
  const writer = withField(older, field)
  const reader = withField(writer, { name: 'position', type: 'int', default: -1 })

  test('schemas are compared', () => {
    expect(sameBytes(writer, withField(older, { name: 'odd', type, doc: 'Of old.', aliases: ['old'] }))).toBe(true)
    expect(sameBytes(writer, reader)).toBe(false)
  })

  test('records that have it are rewritten', () => {
    const bytes = avscType(withField(older, { name: 'odd', type })).toBuffer({ ...value, odd: read })
    const rewritten = transcoder(writer, reader)(bytes)
    const bare = withField(withField(older, { name: 'odd', type }), { name: 'position', type: 'int' })
    expect(avscType(bare).fromBuffer(rewritten)).toEqual({ ...value, odd: read, position: -1 })
  })

  test('records that need it are not: both schemas are named', () => {
    expect(() => transcoder(older, reader)).toThrow(SchemaError)
    expect(() => transcoder(older, reader)).toThrow(
      /views of schema View cannot be read with the pipeline's schema View: ./,
    )
  })
})

test('names, types, their order, sizes and symbols tell schemas apart; where names are declared does not', () => {
  const fixed = (size: number): object => ({ type: 'fixed', name: 'F', size })
  const symbols = (...names: string[]): object => ({ type: 'enum', name: 'E', symbols: names })
  const types = ['int', 'long', ['null', 'int'], ['int', 'null'], fixed(1), fixed(2), symbols('A'), symbols('A', 'B')]
  const more = [{ type: 'array', items: 'int' }, { type: 'map', values: 'int' }, record('R', {}), record('S', {})]
  const all = [...types, ...more].map((type) => record('V', { a: type, b: 'int' }))
  all.push(record('V', { b: 'int', a: 'int' }), record('W', { a: 'int', b: 'int' }))
  for (let i = 0; i < all.length; i++) {
    for (let k = 0; k < all.length; k++) expect(sameBytes(all[i], structuredClone(all[k]))).toBe(i === k)
  }
  const list = { ...(record('List', { next: ['null', 'List'] }) as object), namespace: 'a' }
  const named = record('a.List', { next: ['null', 'a.List'] })
  expect(sameBytes(list, named)).toBe(true)
  const time = record('V', { a: { type: 'long', logicalType: 'timestamp-millis' } })
  expect(sameBytes(time, record('V', { a: 'long' }))).toBe(true)
})
