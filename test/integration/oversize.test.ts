/**
 * Records that output topics cannot hold, on a real broker: they stop nothing. The rest is joined, what was to be written
 * says where it lies, and both deliveries commit it.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { Node } from '../../src/cluster/node.ts'
import { setUp } from '../../src/cluster/setup.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import { loadConfig } from '../../src/config/load.ts'
import { LEDGER_FIELDS } from '../../src/join/ledger.ts'
import { openNoJournal } from '../../src/journal/none.ts'
import type { Log } from '../../src/log/port.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { headersOf } from '../../src/log/recordBatch/headers.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { openLog } from '../support/kafkaTools.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { until } from '../support/until.ts'

const T = 1_700_000_000_000
const INPUT_BYTES = 10_000_000
const OUTPUT_BYTES = 600_000
const SILENT = { info() {}, warn() {}, error() {} }

let broker: SharedBroker
let log: Log
let dir: TempDir

beforeAll(async () => {
  broker = await sharedBroker()
  dir = await tempDir()
  log = await openLog(broker.brokers)
})

afterAll(async () => {
  await log?.close()
  await broker?.stop()
  await dir?.remove()
})

/** Text that gzip makes somewhat smaller, and LZ4 does not. */
function noise(length: number): string {
  let text = ''
  for (let state = 1; text.length < length; ) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    text += (state >>> 4).toString(16)
  }
  return text.slice(0, length)
}

const topicsOf = (name: string) => ({
  views: `${name}-views`,
  clicks: `${name}-clicks`,
  samples: `${name}-samples`,
  late: `${name}-late`,
  orphans: `${name}-orphans`,
  dead: `${name}-dead`,
})
type Topics = ReturnType<typeof topicsOf>

async function startNode(name: string, topics: Topics, delivery: string): Promise<Node> {
  const fields = { viewId: 'v', userId: 'u', itemId: 'i', time: { field: 't', unit: 'ms' } }
  const source = (topic: string, more: object) => ({ topic, format: { type: 'json' }, fields: { ...fields, ...more } })
  const pipeline = {
    name,
    delivery,
    sources: { views: source(topics.views, {}), engagements: [source(topics.clicks, { type: { const: 'click' } })] },
    labels: { click: { on: 'click', within: '10s' } },
    time: { outOfOrderness: '0s', allowedLateness: '0s', idleAfter: '1h', maxClockSkew: 'off', alignWithin: 'off' },
    sinks: [{ type: 'kafka', topic: topics.samples, format: 'json' }],
    sideOutputs: { late: topics.late, orphans: topics.orphans, deadLetters: topics.dead },
  }
  const folder = join(dir.path, name)
  await mkdir(folder)
  const put = (file: string, value: object) => writeFile(join(folder, file), stringify(value))
  await put('pipeline.yaml', pipeline)
  await put('node.yaml', { kafka: { brokers: [broker.brokers] }, dataDir: folder, commitEvery: '100ms' })
  const config = loadConfig(folder, {})
  const { sources, limits } = config.pipeline
  const readers = await Promise.all(sources.map((one) => openSourceReader(one, limits)))
  await setUp({ log, config, readers, logger: SILENT })
  const node = new Node({ config, id: 'node-1', log, readers, logger: SILENT, journal: openNoJournal() })
  await Promise.race([node.start(), node.failed])
  return node
}

/** Each event in a batch of its own, compressed with gzip. */
async function send(topic: string, ...events: readonly object[]): Promise<void> {
  const writer = await log.writer()
  for (const event of events) {
    const builder = new RecordBatchBuilder({ compression: 'gzip' })
    const [key, value] = [Buffer.from('ann'), Buffer.from(JSON.stringify({ u: 'ann', ...event }))]
    builder.add(T, key, 0, key.length, value, 0, value.length)
    await writer.append(topic, 0, builder.finish())
  }
  await writer.close()
}

async function read(topic: string) {
  const found: { value: string; headers: Readonly<Record<string, string>> }[] = []
  const [{ low, high }] = await log.ends([topic])
  for await (const chunk of log.readRange(topic, 0, low, high)) {
    for (let i = 0; i < chunk.count; i++) {
      const value = chunk.bytes.toString('utf8', chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
      const headers = Object.fromEntries(headersOf(chunk, i).map(([name, bytes]) => [name, String(bytes)]))
      found.push({ value, headers })
    }
  }
  return found
}

const countsOf = (node: Node) => {
  const ledger = node.partitions[0]?.state.settled ?? []
  return Object.fromEntries(LEDGER_FIELDS.map((field, k) => [field, ledger[k]]))
}

describe.each(['at-least-once', 'exactly-once'])('what output topics cannot hold, %s', (delivery) => {
  const name = uniqueName('oversize')
  const topics = topicsOf(name)
  let counts: Readonly<Record<string, number>>

  beforeAll(async () => {
    const { views, clicks, ...outputs } = topics
    const made = (bytes: number) => (topic: string) => {
      return { topic, partitions: 1, settings: { 'max.message.bytes': String(bytes) } }
    }
    await log.createTopics([views, clicks].map(made(INPUT_BYTES)))
    await log.createTopics(Object.values(outputs).map(made(OUTPUT_BYTES)))
    const node = await startNode(name, topics, delivery)
    await send(
      views,
      { v: 'v1', i: 'a', t: T },
      { v: 'too large for its topic', i: 'b', t: T, pad: noise(700_000) },
      { v: 'large, but compressed', i: 'c', t: T, pad: 'x'.repeat(900_000) },
      { v: 'beyond limits.record', i: 'd', t: T, pad: noise(4_000_000) },
    )
    await send(clicks, { v: 'v1', i: 'a', t: T + 1_000 }, { v: 'none', i: 'e', t: T + 1_000, pad: noise(700_000) })
    for (const [k, topic] of [views, clicks].entries()) await send(topic, { v: `end-${k}`, i: 'z', t: T + 60_000 })
    const joined = until(
      () => `all of it joined: ${JSON.stringify(countsOf(node))}`,
      () => countsOf(node).samples === 2 && countsOf(node).orphan === 1,
    )
    await Promise.race([joined, node.failed])
    counts = countsOf(node)
    await node.stop()
  })

  test('leaves the rest to be joined, and the ledger balanced', async () => {
    const samples = (await read(topics.samples)).map(({ value }) => JSON.parse(value) as Record<string, unknown>)
    expect(samples.map((sample) => [sample.sample_id, sample.labels])).toEqual(
      expect.arrayContaining([
        ['v1', { click: 1 }],
        ['large, but compressed', { click: 0 }],
      ]),
    )
    expect(samples).toHaveLength(2)
    expect(counts).toMatchObject({ views: 4, samples: 2, pending: 1, viewsQuarantined: 1, refused: 1 })
  })

  test('goes to the dead letters, cut, with its place and its size', async () => {
    const [beyond, noSample] = await read(topics.dead)
    const place = (offset: number) => ({ topic: topics.views, partition: '0', offset: String(offset) })
    expect(beyond.headers).toMatchObject(place(3))
    expect(noSample.headers).toMatchObject(place(1))
    expect(noSample.headers.reason).toMatch(
      /^its sample is too large: \d{6} bytes are more than topic \S+-samples takes/,
    )
    for (const [{ value, headers }, least] of [
      [beyond, 4_000_000],
      [noSample, 700_000],
    ] as const) {
      expect(Number(headers.value_bytes)).toBeGreaterThan(least)
      expect(value.length).toBeGreaterThan(OUTPUT_BYTES * 0.9)
      expect(value.startsWith('{"u":"ann","v":"')).toBe(true)
    }
  })

  test('of what was given up says where it lies and why, without its own fields', async () => {
    const [{ value }, ...more] = await read(topics.orphans)
    expect(more).toEqual([])
    expect(JSON.parse(value)).toEqual({
      too_large: expect.stringContaining(`more than topic ${topics.orphans} takes (max.message.bytes: 600000)`),
      topic: topics.clicks,
      partition: 0,
      offset: 1,
      reason: 'orphan',
    })
  })
})
