import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import avro from 'avsc'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileError } from '../../src/files/error.ts'
import { type EventFile, type EventFileOptions, openEventFile } from '../../src/files/open.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postview-files-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

interface Read {
  values: Buffer[]
  offsets: number[]
  chunks: number
  file: EventFile
}

async function read(path: string, options: EventFileOptions = {}): Promise<Read> {
  const file = await openEventFile(path, options)
  const result: Read = { values: [], offsets: [], chunks: 0, file }
  for await (const chunk of file.chunks) {
    result.chunks++
    for (let i = 0; i < chunk.count; i++) {
      expect(chunk.keyLength[i]).toBe(-1)
      result.values.push(Buffer.from(chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])))
      result.offsets.push(chunk.offset[i])
    }
    expect(chunk.nextOffset).toBe(chunk.offset[chunk.count - 1] + 1)
  }
  return result
}

const texts = (result: Read) => result.values.map(String)
const FIELDS = { userId: ['u'], itemId: ['i'], time: { path: ['t'] }, value: ['v'] }

describe('JSON lines', () => {
  test('are handed on byte by byte, numbered from 0; blank lines and line ends are no part of them', async () => {
    const path = put('a.jsonl', '\ufeff{"id": 9007199254740993}\r\n\n   \n{"b" : 2}\nnot json\n{"last":1}')
    const result = await read(path)
    expect(texts(result)).toEqual(['{"id": 9007199254740993}', '{"b" : 2}', 'not json', '{"last":1}'])
    expect(result.offsets).toEqual([0, 1, 2, 3])
    expect(result.file.bytesRead()).toBe(result.file.bytesTotal)
  })

  test('come in chunks of bounded size, whatever the sizes of lines and reads', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => JSON.stringify({ i, pad: 'x'.repeat((i * 37) % 300) }))
    const result = await read(put('a.ndjson', lines.join('\n')), { chunkBytes: 10_000 })
    expect(texts(result)).toEqual(lines)
    expect(result.chunks).toBeGreaterThan(50)
    expect(result.offsets).toEqual(lines.map((_, i) => i))
  })

  test('beyond the limit are refused by what is handed on of them, without being kept', async () => {
    const long = `{"a":"${'x'.repeat(400_000)}"}`
    const spaces = `{}${' '.repeat(3000)}`
    const result = await read(put('a.jsonl', ['{"a":1}', long, '{"b":2}', spaces, '{"c":3}', long].join('\n')), {
      maxRecordBytes: 2000,
    })
    const [a, bad1, b, bad2, c, bad3, ...more] = texts(result)
    expect([a, b, c, more]).toEqual(['{"a":1}', '{"b":2}', '{"c":3}', []])
    for (const bad of [bad1, bad2, bad3]) {
      expect(bad.length).toBeLessThan(1100)
      expect(() => JSON.parse(bad)).toThrow()
    }
    const reason = 'the line is longer than 2000 bytes'
    expect(result.file.problems.first).toEqual([
      { record: 1, line: 2, reason },
      { record: 3, line: 4, reason },
      { record: 5, line: 6, reason },
    ])
  })

  test('may be gzipped', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `{"i":${i}}`)
    const result = await read(put('a.jsonl.gz', gzipSync(lines.join('\n'))))
    expect(texts(result)).toEqual(lines)
    expect(result.file.bytesTotal).toBeLessThan(20_000)
    expect(result.file.bytesRead()).toBe(result.file.bytesTotal)
  })

  test('cut off within their gzip are an error that names the file', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `{"i":${i}}`).join('\n')
    const path = put('cut.jsonl.gz', gzipSync(lines).subarray(0, 2000))
    await expect(read(path)).rejects.toThrow(/cut\.jsonl\.gz: cannot be read beyond byte/)
  })
})

describe('CSV', () => {
  test('rows become objects by their header; ids stay text, times and values are numbers with all their digits', async () => {
    const path = put('a.csv', 'u,i,t,v,note\n007,9007199254740993,1700000000000,-1.5e3,"a, ""b"""\nx,,12,,\n')
    expect(texts(await read(path, { fields: FIELDS }))).toEqual([
      '{"u":"007","i":"9007199254740993","t":1700000000000,"v":-1.5e3,"note":"a, \\"b\\""}',
      '{"u":"x","i":null,"t":12,"v":null,"note":null}',
    ])
  })

  test('without a header takes a list of columns', async () => {
    const result = await read(put('a.csv', '1,2,pv,1511658000\n3,4,buy,1511658001\n'), {
      columns: ['u', 'i', 'type', 't'],
      fields: FIELDS,
    })
    expect(texts(result)).toEqual([
      '{"u":"1","i":"2","type":"pv","t":1511658000}',
      '{"u":"3","i":"4","type":"buy","t":1511658001}',
    ])
  })

  test('cells take the types of a schema where there is one', async () => {
    const schema = {
      type: 'record',
      name: 'V',
      fields: [
        { name: 'id', type: { type: 'long', logicalType: 'timestamp-millis' } },
        { name: 'ok', type: ['null', 'boolean'] },
        { name: 'list', type: { type: 'array', items: 'float' } },
        { name: 't', type: 'string' },
      ],
    }
    const path = put('a.tsv', 'id\tok\tlist\tt\n9223372036854775807\ttrue\t[1.5, 2]\t5\nx\tno\t[1\t6\n')
    expect(texts(await read(path, { schema, fields: FIELDS }))).toEqual([
      '{"id":9223372036854775807,"ok":true,"list":[1.5, 2],"t":"5"}',
      '{"id":"x","ok":"no","list":"[1","t":"6"}',
    ])
  })

  test('a number that is none stays text, so that it is refused and not read as something else', async () => {
    const result = await read(put('a.csv', 'u,i,t,v\na,b,0x10,1_000\na,b,01,NaN\n'), { fields: FIELDS })
    expect(texts(result)).toEqual(['{"u":"a","i":"b","t":"0x10","v":"1_000"}', '{"u":"a","i":"b","t":"01","v":"NaN"}'])
  })

  test('a row with another number of cells is handed on in its place as what no reader of objects takes', async () => {
    const result = await read(put('a.csv', 'a,b\n1,2\n3\n4,5,6\n\n7,8\n'))
    expect(texts(result)).toEqual(['{"a":"1","b":"2"}', '["3"]', '["4","5","6"]', '{"a":"7","b":"8"}'])
    expect(result.file.problems.first).toEqual([
      { record: 1, line: 3, reason: 'the row has 1 cells where there are 2 columns' },
      { record: 2, line: 4, reason: 'the row has 3 cells where there are 2 columns' },
    ])
  })

  test('a stray quote costs its own row at most', async () => {
    const result = await read(put('a.csv', 'a,b\n"x"y,1\n2,3\nz"w,4\n5,6\n'))
    expect(texts(result)).toContain('{"a":"2","b":"3"}')
    expect(texts(result)).toContain('{"a":"5","b":"6"}')
    expect(texts(result)).toHaveLength(4)
  })

  test('a quote that is never closed is a problem with its line, or ends the reading where it swallows too much', async () => {
    const result = await read(put('a.csv', 'a,b\n1,2\n"3,4\n5,6\n'))
    expect(texts(result)[0]).toBe('{"a":"1","b":"2"}')
    expect(texts(result)).toHaveLength(2)
    expect(result.file.problems.first[0]).toMatchObject({
      record: 1,
      reason: 'the row cannot be parsed: a quote is not closed',
    })
    const swallowed = put('b.csv', `a,b\n1,2\n"3,4\n${'5,6\n'.repeat(100_000)}`)
    await expect(read(swallowed, { maxRecordBytes: 1000 })).rejects.toThrow(/b\.csv: the row after line 2 is too long/)
  })

  test('many rows in bounded chunks, also gzipped', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => `u${i},${'y'.repeat(i % 50)}`)
    const result = await read(put('a.csv.gz', gzipSync(`u,pad\n${rows.join('\n')}\n`)), { chunkBytes: 20_000 })
    expect(result.values).toHaveLength(rows.length)
    expect(result.offsets).toEqual(rows.map((_, i) => i))
    expect(result.chunks).toBeGreaterThan(20)
    expect(JSON.parse(texts(result)[12_345])).toEqual({ u: 'u12345', pad: 'y'.repeat(45) })
  })

  test('a header with a name twice or without a name is refused', async () => {
    await expect(read(put('a.csv', 'a,b,a\n1,2,3\n'))).rejects.toThrow(/a\.csv: two columns are named a/)
    await expect(read(put('a.csv', 'a,,b\n1,2,3\n'))).rejects.toThrow(/a column has no name/)
  })

  test('names that are dangerous in objects are plain columns', async () => {
    const [text] = texts(await read(put('a.csv', '__proto__,constructor\n1,2\n')))
    expect(text).toBe('{"__proto__":"1","constructor":"2"}')
  })

  test('an empty file has no records', async () => {
    expect((await read(put('a.csv', ''))).values).toEqual([])
    expect((await read(put('b.csv', 'a,b\n'))).values).toEqual([])
    expect((await read(put('c.jsonl', ''))).values).toEqual([])
  })
})

describe('Avro containers', () => {
  const SCHEMA = {
    type: 'record',
    name: 'V',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'n', type: 'long' },
    ],
  } as const
  const TYPE = avro.Type.forSchema(SCHEMA as unknown as avro.Schema)

  async function container(name: string, bodies: Buffer[], codec = 'null'): Promise<string> {
    const encoder = new avro.streams.BlockEncoder(SCHEMA as unknown as avro.Schema, { codec })
    for (const body of bodies) encoder.write(TYPE.fromBuffer(body))
    encoder.end()
    const parts: Buffer[] = []
    for await (const part of encoder) parts.push(part as Buffer)
    return put(name, Buffer.concat(parts))
  }
  const bodies = Array.from({ length: 3000 }, (_, i) => TYPE.toBuffer({ id: `v${i}`, n: i * 1e9 }))

  test.each(['null', 'deflate'])('give their schema and their records as they lie, codec %s', async (codec) => {
    const path = await container('a.avro', bodies, codec)
    const result = await read(path, { chunkBytes: 5000 })
    expect(result.file.schema).toEqual(SCHEMA)
    expect(result.values).toHaveLength(bodies.length)
    expect(Buffer.concat(result.values).equals(Buffer.concat(bodies))).toBe(true)
    expect(result.chunks).toBeGreaterThan(5)
  })

  test('keep 64-bit numbers that a double does not hold', async () => {
    const path = await container('a.avro', [TYPE.toBuffer({ id: 'a', n: 1 })])
    const bytes = readFileSync(path)
    // The one record: "a" and 1. Of the same length: an empty string and two bytes of a long.
    const at = bytes.lastIndexOf(Buffer.from([2, 0x61, 2]))
    Buffer.from([0, 0x80, 0x01]).copy(bytes, at)
    writeFileSync(path, bytes)
    expect((await read(path)).values).toEqual([Buffer.from([0, 0x80, 0x01])])
  })

  test('that are none, or cut off, are an error that names the file', async () => {
    await expect(read(put('none.avro', 'hello, this is no container at all'))).rejects.toThrow(
      /none\.avro: not a readable Avro container/,
    )
    await expect(read(put('empty.avro', ''))).rejects.toThrow(/empty\.avro: not a readable Avro container/)
    const path = await container('cut.avro', bodies)
    writeFileSync(path, readFileSync(path).subarray(0, 20_000))
    await expect(read(path)).rejects.toThrow(/cut\.avro: not a readable Avro container/)
  })

  test('with a codec that is not read here name it', async () => {
    const path = await container('a.avro', bodies.slice(0, 3))
    const bytes = readFileSync(path)
    const at = bytes.indexOf('null', bytes.indexOf('avro.codec'))
    bytes.write('zstd', at)
    writeFileSync(path, bytes)
    await expect(read(path)).rejects.toThrow(/a\.avro: not a readable Avro container: .*zstd/)
  })
})

test('a file that is not there, is a folder, or has no known ending is a clear error', async () => {
  await expect(openEventFile(join(folder, 'no.csv'))).rejects.toThrow(/no\.csv: no such file/)
  await expect(openEventFile(folder, { format: 'csv' })).rejects.toThrow(/is not a file/)
  await expect(openEventFile(put('a.txt', ''))).rejects.toThrow(FileError)
  expect((await openEventFile(put('a.txt', ''), { format: 'jsonl' })).format).toBe('jsonl')
})
