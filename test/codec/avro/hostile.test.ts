import { describe, expect, test, vi } from 'vitest'
import { avroToValue } from '../../../src/codec/avro/json.ts'
import { RecordReader } from '../../../src/codec/avro/reader.ts'
import { resolveSchema } from '../../../src/codec/avro/schema.ts'
import { openSourceReader } from '../../../src/codec/source.ts'
import type { AvroSchema, DecodeLimits } from '../../../src/config/model.ts'
import { avroFormat, avroString, LIMITS, readOne, record, varint, viewSource } from '../support.ts'

const fields = { userId: ['u'], itemId: ['u'], time: { path: ['t'] } }
const head = Buffer.concat([varint(1), varint(2)])
const inner = record('Inner', { words: { type: 'array', items: 'string' } })
const list: AvroSchema = { type: 'record', name: 'List', fields: [{ name: 'next', type: ['null', 'List'] }] }
const endless: AvroSchema = { type: 'record', name: 'Endless', fields: [{ name: 'self', type: 'Endless' }] }

async function read(type: unknown, bytes: Buffer, limits: Partial<DecodeLimits> = {}) {
  const schema = record('V', { u: 'long', t: 'long', x: type })
  const reader = await openSourceReader(viewSource(avroFormat(schema), fields), { ...LIMITS, ...limits })
  return readOne(reader, Buffer.concat([head, bytes]))
}

const arrayOf = (items: unknown) => ({ type: 'array', items })
const mapOf = (values: unknown) => ({ type: 'map', values })
/** Records of no bytes: one that holds 2^n others, and one that lies n levels below. */
const doubled = (n: number): AvroSchema =>
  n === 0 ? record('R0', {}) : record(`R${n}`, { a: doubled(n - 1), b: `R${n - 1}` })
const nested = (n: number): AvroSchema => (n === 0 ? record('R0', {}) : record(`R${n}`, { a: nested(n - 1) }))
const tooMany = 'x: it has more items than the limit of 10000'

describe('a hostile record is refused with the path and the reason', () => {
  test.each<[string, unknown, Buffer, string]>([
    ['10^8 nulls in five bytes', arrayOf('null'), varint(10 ** 8), tooMany],
    ['10^8 nulls in a block with a size', arrayOf('null'), Buffer.concat([varint(-(10 ** 8)), varint(0)]), tooMany],
    ['10^8 empty records', arrayOf(record('Empty', {})), varint(10 ** 8), tooMany],
    ['10^8 records of nulls', arrayOf(record('Nulls', { a: 'null', b: record('E', {}) })), varint(10 ** 8), tooMany],
    ['10^8 fixeds of no bytes', arrayOf({ type: 'fixed', name: 'F', size: 0 }), varint(10 ** 8), tooMany],
    ['2^63 - 1 items', arrayOf('int'), varint(2n ** 63n - 1n), tooMany],
    ['-2^63 items', arrayOf('int'), Buffer.concat([varint(-(2n ** 63n)), varint(0)]), tooMany],
    ['blocks that sum to too many', arrayOf('null'), Buffer.concat([varint(6000), varint(6000), varint(0)]), tooMany],
    ['a map of 10^8', mapOf('null'), varint(10 ** 8), 'x: it has more items than the limit of 10000'],
    ['floats that are not there', arrayOf('float'), varint(9000), 'x: the record ends too early'],
    ['a negative length', 'string', varint(-1), 'x: the length is negative'],
    ['a length of -2^63', 'bytes', varint(-(2n ** 63n)), 'x: the length is negative'],
    [
      'a length beyond the record',
      'string',
      Buffer.concat([varint(10), Buffer.from('abc')]),
      'x: the record ends too early',
    ],
    ['a length of 2^63 - 1', 'string', varint(2n ** 63n - 1n), 'x: the record ends too early'],
    ['a wrong union index', ['null', 'int'], varint(2), 'x: the union has no index 2'],
    ['a negative union index', ['null', 'int'], varint(-1), 'x: the union has no index -1'],
    ['a wrong symbol', { type: 'enum', name: 'E', symbols: ['A'] }, varint(1), 'x: the enum has no index 1'],
    ['a varint of eleven bytes', 'long', Buffer.alloc(11, 0x80), 'x: a varint is longer than 64 bits'],
    [
      'a varint of 70 bits',
      'long',
      Buffer.concat([Buffer.alloc(9, 0xff), Buffer.of(0x7f)]),
      'x: a varint is longer than 64 bits',
    ],
    ['a varint that does not end', 'long', Buffer.of(0x80), 'x: the record ends too early'],
    ['an int of 33 bits', 'int', varint(2 ** 31), 'x: an int is out of its 32 bits'],
    ['a boolean of 2', 'boolean', Buffer.of(2), 'x: a boolean is the byte 2'],
    ['half a double', 'double', Buffer.alloc(7), 'x: the record ends too early'],
    ['bytes behind it', 'null', Buffer.alloc(3), '3 bytes are left after the record'],
    ['nothing', 'int', Buffer.alloc(0), 'x: the record ends too early'],
    [
      'a wrong block size',
      arrayOf('int'),
      Buffer.concat([varint(-1), varint(2), varint(5), varint(0)]),
      'x: a block does not have the size that it states',
    ],
    [
      'a block size beyond the record',
      arrayOf('int'),
      Buffer.concat([varint(-1), varint(99), varint(5)]),
      'x: the record ends too early',
    ],
    [
      'a negative block size',
      arrayOf('int'),
      Buffer.concat([varint(-1), varint(-1), varint(5)]),
      'x: the size of a block is negative',
    ],
    [
      'a wrong size in a map',
      mapOf('int'),
      Buffer.concat([varint(-1), varint(9), avroString('k'), varint(5), varint(0), Buffer.alloc(9)]),
      'x: a block does not have the size that it states',
    ],
    [
      'a deep list',
      list,
      Buffer.concat([Buffer.alloc(1000, 2), Buffer.of(0)]),
      `x${'.next'.repeat(31)}: it is nested deeper than the limit of 32`,
    ],
    [
      'a record that never ends',
      endless,
      Buffer.alloc(0),
      `x${'.self'.repeat(31)}: it is nested deeper than the limit of 32`,
    ],
    [
      'a bad word deep inside',
      arrayOf(inner),
      Buffer.concat([varint(1), varint(2), avroString('a'), varint(-7)]),
      'x[].words[]: the length is negative',
    ],
  ])('%s', async (_, type, bytes, reason) => {
    expect(await read(type, bytes)).toBe(reason)
  })

  test('a text, a key and a record over their limits', async () => {
    expect(await read('string', avroString('12345'), { stringBytes: 4 })).toBe(
      'x: it is longer than the limit of 4 bytes',
    )
    const map = Buffer.concat([varint(1), avroString('12345'), varint(0), varint(0)])
    expect(await read(mapOf('int'), map, { stringBytes: 4 })).toBe('x{}: it is longer than the limit of 4 bytes')
    expect(await read('string', avroString('12345'), { recordBytes: 7 })).toBe(
      'a record of 8 bytes is over the limit of 7',
    )
  })

  test('nulls hidden in many arrays are counted together', async () => {
    const bytes = Buffer.concat([
      varint(9),
      ...Array.from({ length: 9 }, () => Buffer.concat([varint(9000), varint(0)])),
      varint(0),
    ])
    expect(await read(arrayOf(arrayOf('null')), bytes)).toBe(
      'x[]: items without bytes are more than the limit of 10000',
    )
  })

  test.each<[string, (type: unknown) => unknown, Buffer]>([
    ['a field', (type) => type, Buffer.alloc(0)],
    ['a branch', (type) => ['null', type], varint(1)],
    ['an item', arrayOf, Buffer.concat([varint(1), varint(0)])],
    ['an entry', mapOf, Buffer.concat([varint(1), avroString('k'), varint(0)])],
  ])('schemas that hold much in no bytes as %s: by as much as showing it would write', async (_, within, bytes) => {
    const items = 'items without bytes are more than the limit of 10000'
    expect(await read(within(doubled(12)), bytes)).toMatchObject({ user: '1' })
    expect(await read(within(doubled(13)), bytes)).toContain(items)
    expect(await read(within(doubled(180)), bytes)).toContain('it is nested deeper than the limit of 32')
    expect(await read(within(nested(29)), bytes)).toMatchObject({ user: '1' })
    expect(await read(within(nested(70)), bytes)).toContain('it is nested deeper than the limit of 32')
  })

  test('and what is read can be shown, to the last item and level', async () => {
    const kinds = [(type: unknown) => type, (type: unknown) => ['null', type], arrayOf, mapOf]
    const bytes = [Buffer.alloc(0), varint(1), Buffer.concat([varint(1), varint(0)])]
    bytes.push(Buffer.concat([varint(1), avroString('k'), varint(0)]))
    const limits = { ...LIMITS, items: 62, depth: 5 }
    const seen = new Set<string>()
    for (const type of [3, 4, 5, 6].map(doubled).concat([1, 2, 3, 4, 5, 6].map(nested))) {
      for (let k = 0; k < kinds.length; k++) {
        const schema = record('V', { u: 'long', t: 'long', x: kinds[k](type) })
        const reader = await openSourceReader(viewSource(avroFormat(schema), fields), limits)
        const value = Buffer.concat([head, bytes[k]])
        const isRead = typeof (await readOne(reader, value)) !== 'string'
        const show = () => reader.toJson(value, 0)
        if (isRead) expect(show).not.toThrow()
        else expect(show).toThrow(/nested|without bytes/)
        seen.add(`${k} ${isRead}`)
      }
    }
    expect(seen.size).toBe(8)
  })

  test('what was read under other limits ends as well, when it is shown', () => {
    const show = () => avroToValue(resolveSchema(doubled(14)), Buffer.alloc(0), LIMITS)
    expect(show).toThrow('it has too many values without bytes')
  })

  test('what stays within the limits is read', async () => {
    const nulls = Buffer.concat([varint(10_000), varint(0)])
    expect(await read(arrayOf('null'), nulls)).toMatchObject({ user: '1' })
    const sized = Buffer.concat([varint(-2), varint(2), varint(5), varint(6), varint(1), varint(7), varint(0)])
    expect(await read(arrayOf('int'), sized)).toMatchObject({ user: '1' })
    const sizedMap = Buffer.concat([varint(-1), varint(3), avroString('k'), varint(5), varint(0)])
    expect(await read(mapOf('int'), sizedMap)).toMatchObject({ user: '1' })
    expect(await read(list, Buffer.concat([Buffer.alloc(30, 2), Buffer.of(0)]))).toMatchObject({ user: '1' })
    const proto = Buffer.concat([varint(1), avroString('__proto__'), varint(5), varint(0)])
    expect(await read(mapOf('int'), proto)).toMatchObject({ user: '1' })
  })

  test('its work is a handful of steps, however many items it claims', async () => {
    const walk = vi.spyOn(RecordReader.prototype as unknown as { walk: () => void }, 'walk')
    await read(arrayOf('null'), varint(10 ** 8))
    await read(arrayOf('null'), Buffer.concat([varint(10_000), varint(0)]))
    await read(arrayOf(record('Empty', {})), Buffer.concat([varint(10_000), varint(0)]))
    expect(walk.mock.calls.length).toBeLessThanOrEqual(3 * 4)
    walk.mockRestore()
  })
})
