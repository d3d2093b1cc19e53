import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import avro from 'avsc'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { translate } from '../../scripts/translate.mjs'
import { FileSink, type FileSinkOptions } from '../../src/sinks/file.ts'

const SCHEMA = {
  type: 'record',
  name: 'Sample',
  fields: [
    { name: 'sample_id', type: 'string' },
    { name: 'n', type: 'long' },
  ],
} as const
const TYPE = avro.Type.forSchema(SCHEMA as unknown as avro.Schema)
const NO_KEY = Buffer.alloc(0)

let folder = ''
let sinks: FileSink[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postview-sink-'))
  sinks = []
})
afterEach(async () => {
  await Promise.allSettled(sinks.map((sink) => sink.close()))
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: Partial<FileSinkOptions> = {}): Promise<FileSink> {
  const sink = await FileSink.open({
    folder,
    format: 'avro',
    schema: SCHEMA,
    rollBytes: 1 << 30,
    rollEveryMs: 3_600_000,
    ...options,
  })
  sinks.push(sink)
  return sink
}

function encoded(format: 'avro' | 'jsonl', id: string, n = 1): Buffer {
  const record = { sample_id: id, n }
  return format === 'avro' ? TYPE.toBuffer(record) : Buffer.from(JSON.stringify(record))
}

function add(sink: FileSink, partition: number, value: Buffer): void {
  // The value lies in the middle of a buffer that the caller reuses at once.
  const around = Buffer.concat([Buffer.from('before'), value, Buffer.from('after')])
  sink.add(partition, NO_KEY, 0, 0, around, 6, value.length, 0)
  around.fill(0xff)
}

const finished = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith('samples-'))
    .sort()
const unfinished = () => readdirSync(folder).filter((name) => name.startsWith('.part-'))

async function idsOf(name: string): Promise<string[]> {
  const path = join(folder, name)
  if (name.endsWith('.jsonl')) {
    const lines = readFileSync(path, 'utf8').split('\n')
    expect(lines.pop()).toBe('')
    return lines.map((line) => JSON.parse(line).sample_id)
  }
  const ids: string[] = []
  const long = avro.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer: () => Buffer.alloc(8),
    fromJSON: BigInt,
    toJSON: String,
    isValid: () => true,
    compare: () => 0,
  })
  const decoder = avro.createFileDecoder(path, {
    parseHook: (schema: avro.Schema) => avro.Type.forSchema(schema, { registry: { long } }),
  } as never)
  for await (const record of decoder) ids.push((record as { sample_id: string }).sample_id)
  return ids
}

async function allIds(): Promise<string[]> {
  const lists = await Promise.all(finished().map(idsOf))
  return lists.flat()
}

/** As if the process that wrote them had been killed: an unfinished file of a process that is no longer there. */
function orphanParts(in_ = folder): void {
  for (const name of readdirSync(in_).filter((each) => each.startsWith('.part-'))) {
    renameSync(join(in_, name), join(in_, name.replace(`-${process.pid}-`, '-4194305-')))
  }
}

describe.each(['avro', 'jsonl'] as const)('%s files', (format) => {
  test('hold what was added, in order, and are visible only when finished', async () => {
    const sink = await open({ format })
    const ids = Array.from({ length: 500 }, (_, i) => `s${i}`)
    for (const id of ids) add(sink, 0, encoded(format, id))
    await sink.flush(0)
    expect(finished()).toEqual([])
    expect(unfinished()).toHaveLength(1)
    await sink.close()
    expect(unfinished()).toEqual([])
    expect(finished()).toEqual([expect.stringMatching(new RegExp(`^samples-0-\\d+-[0-9a-f]{8}\\.${format}$`))])
    expect(await allIds()).toEqual(ids)
  })

  test('are one a partition', async () => {
    const sink = await open({ format })
    for (let i = 0; i < 30; i++) add(sink, i % 3, encoded(format, `p${i % 3}`))
    await sink.close()
    expect(finished()).toHaveLength(3)
    for (const name of finished()) expect(new Set(await idsOf(name)).size).toBe(1)
  })

  test('are rolled by size', async () => {
    const sink = await open({ format, rollBytes: 2000 })
    const ids = Array.from({ length: 60 }, (_, i) => `s${i}-${'x'.repeat(100)}`)
    for (const [i, id] of ids.entries()) {
      add(sink, 0, encoded(format, id))
      if (i % 5 === 4) await sink.flush(0)
    }
    await sink.close()
    expect(finished().length).toBeGreaterThan(2)
    expect((await allIds()).sort()).toEqual([...ids].sort())
  })

  test('are rolled by time, without anything more being added', async () => {
    const sink = await open({ format, rollEveryMs: 20 })
    add(sink, 0, encoded(format, 'a'))
    await sink.flush()
    await vi.waitFor(() => expect(finished()).toHaveLength(1), { timeout: 10_000 })
    expect(await allIds()).toEqual(['a'])
    add(sink, 0, encoded(format, 'b'))
    await sink.close()
    expect((await allIds()).sort()).toEqual(['a', 'b'])
  })

  test('take records larger than a block', async () => {
    const sink = await open({ format })
    const id = 'x'.repeat(300_000)
    add(sink, 0, encoded(format, id))
    add(sink, 0, encoded(format, 'small'))
    await sink.close()
    expect(await allIds()).toEqual([id, 'small'])
  })

  test('keep through a crash all that a flush resolved for, wherever the tail is torn', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        async (flushes, unflushed, cutAt, zeros) => {
          rmSync(folder, { recursive: true, force: true })
          const writer = await open({ format })
          const durable: string[] = []
          const after: string[] = []
          for (const [i, count] of flushes.entries()) {
            for (let j = 0; j < count; j++) durable.push(`${i}.${j}`)
            for (const id of durable.slice(-count)) add(writer, 0, encoded(format, id))
            await writer.flush(0)
          }
          const flushedBytes = statSync(join(folder, unfinished()[0])).size
          for (let j = 0; j < unflushed; j++) after.push(`after.${j}`)
          for (const id of after) add(writer, 0, encoded(format, id))
          await writer.flush(0)
          const crashed = crash(flushedBytes, cutAt, zeros)
          const reopened = await open({ format })
          expect(reopened.recovered).toMatchObject({ files: 1, leftAlone: 0 })
          const ids = await allIds()
          expect(ids.slice(0, durable.length)).toEqual(durable)
          expect(ids).toEqual([...durable, ...after].slice(0, ids.length))
          expect(reopened.recovered.records).toBe(ids.length)
          expect(statSync(join(folder, finished()[0])).size + reopened.recovered.tornBytes).toBe(crashed)
          await Promise.all([writer.close().catch(() => {}), reopened.close()])
        },
      ),
      { numRuns: 25 },
    )
  })

  test('of which a crash left only a beginning are taken away', async () => {
    const writer = await open({ format })
    add(writer, 0, encoded(format, 'a'))
    await writer.flush()
    truncateSync(join(folder, unfinished()[0]), 3)
    orphanParts()
    const sink = await open({ format })
    expect(sink.recovered).toEqual({ files: 0, records: 0, tornBytes: 3, leftAlone: 0 })
    expect(readdirSync(folder)).toEqual([])
  })
})

/** Cuts (or zeroes) the one unfinished file somewhere after what was flushed; answers its size. */
function crash(flushedBytes: number, cutAt: number, zeros: boolean): number {
  const path = join(folder, unfinished()[0])
  const bytes = readFileSync(path)
  const cut = flushedBytes + Math.floor((bytes.length - flushedBytes) * cutAt)
  const left = zeros ? Buffer.from(bytes).fill(0, cut) : bytes.subarray(0, cut)
  writeFileSync(path, left)
  orphanParts()
  return left.length
}

test('deflate containers are read by another implementation, and recovered', async () => {
  const sink = await open({ compression: 'deflate' })
  const ids = Array.from({ length: 5000 }, (_, i) => `sample-${i}`)
  for (const id of ids) add(sink, 0, encoded('avro', id))
  await sink.flush()
  const copy = join(folder, 'copy')
  mkdirSync(copy)
  for (const name of unfinished()) cpSync(join(folder, name), join(copy, name))
  await sink.close()
  expect(await allIds()).toEqual(ids)
  orphanParts(copy)
  const reopened = await open({ compression: 'deflate', folder: copy })
  expect(reopened.recovered).toEqual({ files: 1, records: ids.length, tornBytes: 0, leftAlone: 0 })
})

test('64-bit numbers beyond what a double holds are no damage to recovery', async () => {
  const sink = await open()
  // The string "a", then a long of ten bytes: the least of all.
  add(sink, 0, Buffer.from([2, 0x61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]))
  await sink.flush()
  orphanParts()
  const reopened = await open()
  expect(reopened.recovered).toEqual({ files: 1, records: 1, tornBytes: 0, leftAlone: 0 })
  expect(await allIds()).toEqual(['a'])
})

describe('several nodes in one folder', () => {
  test('leave the files of a living one alone', async () => {
    const one = await open()
    add(one, 0, encoded('avro', 'one'))
    await one.flush()
    const two = await open()
    expect(two.recovered).toMatchObject({ files: 0, leftAlone: 1 })
    add(two, 0, encoded('avro', 'two'))
    await Promise.all([one.close(), two.close()])
    expect((await allIds()).sort()).toEqual(['one', 'two'])
  })

  test('recover what a process of the same id left that began at another time', async () => {
    const one = await open()
    add(one, 0, encoded('avro', 'one'))
    await one.flush()
    const [name] = unfinished()
    renameSync(join(folder, name), join(folder, name.replace(/-(\d+)-samples/, '-1-samples')))
    expect((await open()).recovered).toMatchObject({ files: 1, leftAlone: 0 })
  })

  test('recover what another left, all at once: one publishes each file, and nobody fails', async () => {
    const dead = await open()
    for (let partition = 0; partition < 4; partition++) add(dead, partition, encoded('avro', `p${partition}`))
    await dead.flush()
    orphanParts()
    const sinks = await Promise.all(Array.from({ length: 4 }, () => open()))
    const sum = (of: 'files' | 'records'): number => sinks.reduce((all, { recovered }) => all + recovered[of], 0)
    expect([sum('files'), sum('records'), unfinished()]).toEqual([4, 4, []])
    expect((await allIds()).sort()).toEqual(['p0', 'p1', 'p2', 'p3'])
  })

  test('recover those of another machine only when a living node would have finished them', async () => {
    let nowMs = 1_000_000
    const one = await open({ nowMs: () => nowMs, rollEveryMs: 60_000 })
    add(one, 0, encoded('avro', 'one'))
    await one.flush()
    const [name] = unfinished()
    const host = hostname().replace(/[^A-Za-z0-9.]/g, '_')
    renameSync(join(folder, name), join(folder, name.replace(`.part-${host}-`, '.part-elsewhere-')))
    expect((await open({ nowMs: () => nowMs, rollEveryMs: 60_000 })).recovered).toMatchObject({
      files: 0,
      leftAlone: 1,
    })
    nowMs += 10 * 60_000
    expect((await open({ nowMs: () => nowMs, rollEveryMs: 60_000 })).recovered).toMatchObject({
      files: 1,
      leftAlone: 0,
    })
  })
})

test('files of others are not touched', async () => {
  writeFileSync(join(folder, '.part-notes'), 'x')
  writeFileSync(join(folder, 'samples.txt'), 'y')
  const sink = await open()
  expect(sink.recovered).toEqual({ files: 0, records: 0, tornBytes: 0, leftAlone: 0 })
  expect(readdirSync(folder).sort()).toEqual(['.part-notes', 'samples.txt'])
})

test('a failed write rejects the flush, every later one, and the close', async () => {
  const sink = await open({ folder: join(folder, 'gone') })
  rmSync(join(folder, 'gone'), { recursive: true })
  add(sink, 0, encoded('avro', 'a'))
  await expect(sink.flush(0)).rejects.toThrow(/ENOENT/)
  mkdirSync(join(folder, 'gone'))
  add(sink, 0, encoded('avro', 'b'))
  await expect(sink.flush()).rejects.toThrow(/ENOENT/)
  await expect(sink.close()).rejects.toThrow(/ENOENT/)
})

test('bytes in memory are counted until they are written', async () => {
  const sink = await open({ format: 'jsonl' })
  for (let i = 0; i < 10_000; i++) add(sink, i % 2, encoded('jsonl', `sample-${i}`))
  expect(sink.bufferedBytes).toBeGreaterThan(100_000)
  await sink.flush()
  expect(sink.bufferedBytes).toBe(0)
})

/** The module and what it imports, as JavaScript that a plain child process can run. */
function compiled(entry: string): string {
  const out = join(folder, 'js')
  const done = new Set<string>()
  const compile = (file: string) => {
    if (done.has(file)) return
    done.add(file)
    const source = readFileSync(file, 'utf8')
    const target = join(out, file.slice(resolve('.').length)).replace(/\.ts$/, '.js')
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, translate(source, file))
    for (const [, path] of source.matchAll(/^import (?!type).*'(\..+\.ts)'$/gm)) compile(resolve(dirname(file), path))
  }
  compile(resolve(entry))
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }')
  symlinkSync(resolve('node_modules'), join(out, 'node_modules'))
  return join(out, entry.replace(/\.ts$/, '.js'))
}

const WRITER = (module: string, into: string) => `
  const { FileSink } = await import(${JSON.stringify(module)})
  const sink = await FileSink.open({
    folder: ${JSON.stringify(into)}, format: 'jsonl', schema: 'string', rollBytes: 20_000, rollEveryMs: 3_600_000 })
  const none = Buffer.alloc(0)
  for (let n = 0; ; n++) {
    const value = Buffer.from(JSON.stringify({ sample_id: process.argv[1] + '.' + n }))
    sink.add(n % 2, none, 0, 0, value, 0, value.length, 0)
    if (n % 50 === 49) {
      await sink.flush()
      process.stdout.write(n + '\\n')
    }
  }`

test('kill -9 at random moments loses nothing that a flush had resolved for', async () => {
  const into = join(folder, 'out')
  const module = compiled('src/sinks/file.ts')
  const promised: string[] = []
  for (let run = 0; run < 4; run++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER(module, into), String(run)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise((done) => child.once('exit', done))
    let flushed = -1
    const enough = 10 + run * 7
    for await (const line of createInterface({ input: child.stdout! })) {
      flushed = Number(line)
      if (flushed > enough * 50) child.kill('SIGKILL')
    }
    await ended
    expect(child.signalCode).toBe('SIGKILL')
    for (let n = 0; n <= flushed; n++) promised.push(`${run}.${n}`)
  }
  const sink = await open({ format: 'jsonl', folder: into })
  expect(sink.recovered.leftAlone).toBe(0)
  folder = into
  const found = new Set(await allIds())
  folder = dirname(into)
  expect(promised.length).toBeGreaterThan(1000)
  expect(promised.filter((id) => !found.has(id))).toEqual([])
})
