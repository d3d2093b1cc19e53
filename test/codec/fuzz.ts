/**
 * Random, mutated and crafted records against every reader.
 *
 * For each record: nothing is thrown; it is read or refused with a reason; the steps taken are bounded by its bytes;
 * and what was read agrees with avsc and JSON.parse. The longest time that one record took is reported.
 */
import { RecordReader } from '../../src/codec/avro/reader.ts'
import { avscType } from '../../src/codec/avro/transcode.ts'
import { JsonTape } from '../../src/codec/json/tape.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import type { AvroSchema, DecodeLimits, FieldMap, Format } from '../../src/config/model.ts'
import { EventBatch } from '../../src/join/event.ts'
import { Random } from '../support/random.ts'
import { FakeRegistry, wire } from './fakeRegistry.ts'
import { chunkOf, type Event, engagementSource, eventAt, varint } from './support.ts'

const LIMITS: DecodeLimits = {
  inflatedBytes: 1 << 26,
  recordBytes: 1 << 20,
  items: 100_000,
  depth: 64,
  stringBytes: 1 << 20,
}

const tree: AvroSchema = {
  type: 'record',
  name: 'Tree',
  fields: [
    { name: 'label', type: 'string' },
    { name: 'children', type: { type: 'array', items: 'Tree' } },
    { name: 'parent', type: ['null', 'Tree'] },
  ],
}
const SCHEMA = {
  type: 'record',
  name: 'Event',
  fields: [
    { name: 'id', type: ['null', 'string'] },
    { name: 'user', type: 'long' },
    { name: 'nulls', type: { type: 'array', items: 'null' } },
    { name: 'meta', type: { type: 'map', values: ['null', 'int', 'string', { type: 'array', items: 'boolean' }] } },
    { name: 'item', type: 'string' },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['click', 'like'] } },
    { name: 'tree', type: ['null', tree] },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'raw', type: 'bytes' },
    { name: 'matrix', type: { type: 'array', items: { type: 'array', items: 'float' } } },
    { name: 'value', type: ['null', 'double'] },
  ],
}
const FIELDS: FieldMap = {
  viewId: ['id'],
  userId: ['user'],
  itemId: ['item'],
  time: { path: ['at'] },
  type: { path: ['kind'] },
  value: ['value'],
}
const WRITER = 5
const SUSPICIOUS_MS = 5
const TYPE = avscType(SCHEMA)
const EDGES = [0n, -1n, 1n, 2n, 10n ** 8n, -(10n ** 8n), 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]
const NASTY = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  ',',
  ':',
  '\\u0000',
  '\\ud800',
  '"__proto__":',
  '1e999',
  '-',
  '9'.repeat(30),
  'null',
  '\u0000',
  '[[[[[[[[',
]

export interface FuzzReport {
  readonly records: number
  readonly read: number
  readonly refused: number
  /** Reasons without their paths and numbers, and how often each was given. */
  readonly reasons: ReadonlyMap<string, number>
  readonly slowestMs: number
  /** The most steps that a record took, by byte of it. */
  readonly mostStepsPerByte: number
}

interface Target {
  readonly reader: SourceReader
  make(random: Random): Buffer
  agree(value: Buffer, event: Event | string): void
}

export async function fuzz(seed: number, records: number): Promise<FuzzReport> {
  const registry = new FakeRegistry()
  await registry.start()
  const steps = countSteps()
  try {
    registry.set(WRITER, SCHEMA)
    return await run(new Random(seed), records, await targets(registry.url), steps)
  } finally {
    steps.stop()
    await registry.stop()
  }
}

async function run(random: Random, records: number, all: Target[], steps: Steps): Promise<FuzzReport> {
  const batch = new EventBatch()
  const reasons = new Map<string, number>()
  let read = 0
  let slowestMs = 0
  let mostStepsPerByte = 0
  for (let k = 0; k < records; k++) {
    const target = all[k % all.length]
    const value = target.make(random)
    const chunk = chunkOf([value])
    const preparing = target.reader.prepare(chunk)
    if (preparing !== undefined) await preparing
    slowestMs = Math.max(
      slowestMs,
      timeOf(() => target.reader.read(chunk, batch)),
    )
    steps.count = 0
    target.reader.read(chunk, batch)
    mostStepsPerByte = Math.max(mostStepsPerByte, steps.count / (value.length + 8))
    const event = eventAt(batch, 0)
    if (typeof event === 'string') {
      const reason = event
        .replace(/^[^ ]*: /, '')
        .replace(/-?\d+/g, 'N')
        .replace(/0xN?[0-9a-f]*N?/g, 'B')
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    } else read++
    target.agree(value, event)
  }
  return { records, read, refused: records - read, reasons, slowestMs, mostStepsPerByte }
}

/** How long the work takes. What seems long is done again: a record is slow each time, a busy machine is not. */
function timeOf(work: () => void): number {
  let leastMs = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < 4 && leastMs > SUSPICIOUS_MS; tries++) {
    const begun = performance.now()
    work()
    leastMs = Math.min(leastMs, performance.now() - begun)
  }
  return leastMs
}

async function targets(url: string): Promise<Target[]> {
  const open = (format: Format) => openSourceReader(engagementSource(format, FIELDS), LIMITS)
  const avro = await open({ type: 'avro', schema: SCHEMA, schemaFile: '' })
  const framed = await open({ type: 'avro', registry: { url } })
  const json = await open({ type: 'json' })
  const declared = await open({ type: 'json', schema: SCHEMA })
  return [
    { reader: avro, make: avroRecord, agree: agreesWithAvsc(avro) },
    {
      reader: framed,
      make: (random) => {
        if (random.chance(0.1)) return randomBytes(random, 12)
        return wire(random.chance(0.95) ? WRITER : random.below(20), avroRecord(random))
      },
      agree: (_, event) => agreesWithAvsc(framed)(Buffer.alloc(0), event),
    },
    { reader: json, make: jsonRecord, agree: agreesWithJsonParse(json) },
    { reader: declared, make: jsonRecord, agree: agreesWithAvsc(declared) },
  ]
}

function agreesWithAvsc(reader: SourceReader) {
  return (_: Buffer, event: Event | string): void => {
    if (typeof event === 'string') return
    const value = TYPE.fromBuffer(event.payload) as { user: bigint; item: string; at: bigint }
    assertEqual([String(value.user), value.item, Number(value.at)], [event.user, event.item, event.timeMs])
    JSON.stringify(reader.toJson(event.payload, event.writer))
  }
}

function agreesWithJsonParse(reader: SourceReader) {
  return (bytes: Buffer, event: Event | string): void => {
    if (typeof event === 'string') {
      if (!/^(not JSON|the JSON ends)/.test(event)) return
      if (isJson(bytes.toString())) throw new Error(`JSON.parse reads what was refused: ${bytes}`)
      return
    }
    const value = JSON.parse(bytes.toString()) as { item: string }
    assertEqual(String(value.item), event.item)
    JSON.stringify(reader.toJson(event.payload, 0))
  }
}

function assertEqual(expected: unknown, actual: unknown): void {
  if (JSON.stringify(expected) !== JSON.stringify(actual)) {
    throw new Error(`expected ${JSON.stringify(expected)}, read ${JSON.stringify(actual)}`)
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function avroRecord(random: Random): Buffer {
  if (random.chance(0.1)) return randomBytes(random, random.chance(0.02) ? 100_000 : 200)
  const valid = TYPE.toBuffer(validValue(random)) as Buffer
  return random.chance(0.25) ? valid : mutate(valid, random, () => varint(random.pick(EDGES)))
}

function validValue(random: Random): object {
  const some = <T>(make: () => T): T[] => Array.from({ length: random.below(4) }, make)
  const node = (depth: number): object => ({
    label: `n${random.below(100)}`,
    children: depth > 2 ? [] : some(() => node(depth + 1)),
    parent: depth > 4 || random.chance(0.6) ? null : { Tree: node(depth + 1) },
  })
  const values = [null, { int: -5 }, { string: 'x' }, { array: [true, false] }]
  return {
    id: random.chance(0.3) ? null : { string: `v${random.below(1e6)}` },
    user: BigInt(random.below(2 ** 32)) * BigInt(random.below(2 ** 30)),
    nulls: Array(random.below(50)).fill(null),
    meta: Object.fromEntries(some(() => [random.pick(['a', '__proto__x', 'c']), random.pick(values)])),
    item: `item-${random.below(1e6)}`,
    kind: random.pick(['click', 'like']),
    tree: random.chance(0.5) ? null : { Tree: node(0) },
    at: BigInt(1_700_000_000_000 + random.below(1e9)),
    raw: randomBytes(random, 10),
    matrix: some(() => some(() => 0.5)),
    value: random.chance(0.4) ? null : { double: random.next() },
  }
}

function jsonRecord(random: Random): Buffer {
  if (random.chance(0.05)) return randomBytes(random, 100)
  if (random.chance(0.05)) return Buffer.from(random.pick(['[', '{"a":', '"', '1']).repeat(random.below(10_000)))
  const valid = Buffer.from(JSON.stringify(TYPE.fromBuffer(avscValid(random)), plain))
  return random.chance(0.3) ? valid : mutate(valid, random, () => Buffer.from(random.pick(NASTY)))
}

function avscValid(random: Random): Buffer {
  return TYPE.toBuffer(validValue(random)) as Buffer
}

/** A record of avsc's as the plain JSON that a producer would write. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value === null || typeof value !== 'object') return value
  const json = value as { type?: string; data?: number[] }
  if (json.type === 'Buffer') return Buffer.from(json.data ?? []).toString('latin1')
  const keys = Object.keys(value)
  const wrapper = keys.length === 1 && ['int', 'string', 'array', 'double', 'Tree'].includes(keys[0])
  return wrapper ? Object.values(value)[0] : value
}

function mutate(bytes: Buffer, random: Random, insert: () => Buffer): Buffer {
  let mutated = Buffer.from(bytes)
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(mutated.length + 1)
    const rest = mutated.subarray(Math.min(mutated.length, at + random.below(4)))
    switch (random.below(5)) {
      case 0:
        mutated = Buffer.from(mutated.subarray(0, at))
        break
      case 1:
        if (at < mutated.length) mutated[at] ^= 1 << random.below(8)
        break
      case 2:
        mutated = Buffer.concat([mutated.subarray(0, at), insert(), rest])
        break
      case 3:
        mutated = Buffer.concat([mutated.subarray(0, at), randomBytes(random, 12), rest])
        break
      default: {
        const from = random.below(mutated.length + 1)
        mutated = Buffer.concat([
          mutated.subarray(0, at),
          mutated.subarray(from, from + random.below(40)),
          mutated.subarray(at),
        ])
      }
    }
  }
  return mutated
}

function randomBytes(random: Random, most: number): Buffer {
  const bytes = Buffer.alloc(random.below(most + 1))
  for (let k = 0; k < bytes.length; k++) bytes[k] = random.below(256)
  return bytes
}

interface Steps {
  count: number
  stop(): void
}

/** Counts the steps of both readers: each walk of an Avro value, each JSON value, each comparison of a key. */
function countSteps(): Steps {
  const restore: (() => void)[] = []
  const stop = () => {
    for (const undo of restore) undo()
  }
  const steps: Steps = { count: 0, stop }
  for (const [prototype, names] of [
    [RecordReader.prototype, ['walk']],
    [JsonTape.prototype, ['value', 'string', 'isText']],
  ] as const) {
    const methods = prototype as unknown as Record<string, (...args: unknown[]) => unknown>
    for (const name of names) {
      const method = methods[name]
      methods[name] = function (...args) {
        steps.count++
        return method.apply(this, args)
      }
      restore.push(() => {
        methods[name] = method
      })
    }
  }
  return steps
}
