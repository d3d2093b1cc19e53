/**
 * Generated events in a registry's wire format through `node cluster start` with wire-format output: equal to the
 * oracle's samples. One topic's schema is in the registry before, the other's is registered by `postview generate`.
 *
 * The oracle is given what a reader of its own finds in the topics, decoded by the test.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AvroSchema } from '../../src/config/model.ts'
import { FakeRegistry } from '../codec/fakeRegistry.ts'
import { type Expected, runOracle } from '../oracle/run.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { differences, expectedSideTexts, fromAvro, sampleType, sideTexts } from '../support/checker.ts'
import { expectedOf } from '../support/compare.ts'
import {
  type Ledger,
  type OracleRules,
  oracleConfig,
  oracleEvents,
  pipelineOf,
  runToEnd,
  writeConfig,
} from '../support/endToEnd.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { type DecodedEvent, exactType, type SourceConfig, type TestSource } from '../support/testSource.ts'
import { dumpTopics, type ReadRecord } from '../support/topicReader.ts'

const PARTITIONS = 4
const HEADER_BYTES = 5

const RULES: OracleRules = {
  outOfOrdernessMs: 3_000,
  allowedLatenessMs: 2_000,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 36_000_000,
  labels: [
    { name: 'click', on: 'click', withinMs: 120_000, fold: 'any', default: 0 },
    { name: 'watched', on: 'watch', withinMs: 240_000, fold: 'max', default: null },
  ],
}

const VIEW_SCHEMA = {
  type: 'record',
  name: 'PageView',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'page', type: ['null', 'string'], default: null },
    { name: 'user', type: 'string' },
    { name: 'item', type: 'string' },
    { name: 'at', type: 'long' },
  ],
}

const name = uniqueName('wire')
const samplesTopic = `${name}-samples`
const sideTopics = [`${name}-late`, `${name}-orphans`, `${name}-dead`]
const fields = { viewId: 'id', userId: 'user', itemId: 'item', time: { field: 'at', unit: 'ms' } }

let broker: SharedBroker
let program: Program
let folder: TempDir
let registry: FakeRegistry
let sources: readonly TestSource[]
let topics: Map<string, ReadRecord[]>
let expected: Expected
let ledger: Ledger

beforeAll(async () => {
  registry = new FakeRegistry()
  ;[broker, program, folder] = await Promise.all([sharedBroker(), buildProgram(), tempDir(), registry.start()])
  const format = { type: 'avro', registry: registry.url }
  const configs: SourceConfig[] = [
    { topic: `${name}-views`, format, fields },
    { topic: `${name}-engagements`, format, fields: { ...fields, type: 'is.kind', value: 'is.value' } },
  ]
  registry.addVersion(`${name}-views-value`, JSON.stringify(VIEW_SCHEMA))
  const pipeline = pipelineOf(name, configs, RULES, [{ type: 'kafka', topic: samplesTopic, format }])
  await writeConfig(folder.path, pipeline, broker.brokers)
  const size = ['--views', '1500', '--users', '60', '--span', '30m', '--seed', '11', '--engagement-rate', '0.5']
  const said = await program.run(['generate', '--config', folder.path, '--close', ...size])
  const records = [...said.matchAll(/\d+/g)].slice(0, 3).reduce((sum, [count]) => sum + Number(count), 0)
  ledger = await runToEnd({
    program: program.folder,
    folder: join(folder.path, 'node'),
    pipeline,
    brokers: broker.brokers,
    records,
  })
  sources = configs.map(wireSource)
  topics = await dumpTopics(broker.brokers, [...sources.map(({ topic }) => topic), samplesTopic, ...sideTopics])
  expected = runOracle(oracleConfig(sources, PARTITIONS, RULES), oracleEvents(sources, topics))
})

afterAll(async () => {
  await Promise.all([broker?.stop(), program?.remove(), folder?.remove(), registry?.stop()])
})

/** The one schema that the registry has for a topic, and its id. */
function onlySchema(topic: string): [id: number, schema: AvroSchema] {
  const registered = registry.registered(`${topic}-value`)
  expect(registered).toHaveLength(1)
  return registered[0]
}

function unwrapped(topic: string, value: Buffer): Buffer {
  expect([value[0], value.readInt32BE(1)]).toEqual([0, onlySchema(topic)[0]])
  return value.subarray(HEADER_BYTES)
}

function wireSource(config: SourceConfig): TestSource {
  const type = exactType(onlySchema(config.topic)[1] as object)
  return {
    ...config,
    encode: () => {
      throw new Error('the events are generated')
    },
    decode(value): DecodedEvent {
      const { id, user, item, at, is } = type.fromBuffer(unwrapped(config.topic, value))
      const engagement = is === undefined ? {} : { type: is.kind, value: is.value?.double ?? is.value }
      return { viewId: id?.string ?? id, user, item, time: Number(at), ...engagement }
    },
  }
}

test('every sample is the one that the oracle expects, in wire format, with the view untouched', () => {
  const decode = fromAvro(sampleType(RULES.labels, VIEW_SCHEMA, ['string', 'string']))
  const samples = topics.get(samplesTopic)!.map((record) => {
    return decode({ ...record, value: unwrapped(samplesTopic, record.value) })
  })
  const [viewsTopic] = sources.map(({ topic }) => topic)
  const views = new Map(topics.get(viewsTopic)!.map((view) => [`${view.partition} ${view.offset}`, view.value]))
  const found = differences(samples, expected.samples, ({ partition, offset }) => {
    return views.get(`${partition} ${offset}`)!.subarray(HEADER_BYTES)
  })
  expect(found).toEqual([])
  expect(samples.length).toBeGreaterThan(1_400)
  for (const label of ['click', 'watched']) {
    expect(samples.filter(({ labels }) => (labels[label] ?? 0) > 0).length).toBeGreaterThan(300)
  }
})

test('the ledger has the counts of the oracle, and what counts for no view goes to the side outputs', () => {
  expect(ledger.balances).toBe(true)
  for (const { partition, ...counts } of ledger.partitions) {
    expect(counts).toEqual(expectedOf(expected, partition).ledger)
  }
  const [late, orphans, dead] = sideTopics.map((topic) => topics.get(topic)!)
  const names = sources.map(({ topic }) => topic)
  expect(sideTexts(names, [...late, ...orphans])).toEqual(expectedSideTexts(expected.side))
  expect(dead).toEqual([])
})
