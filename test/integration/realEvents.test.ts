/**
 * Real events through `node cluster start` on a real broker: equal to the oracle's samples label by label, and to its
 * ledger count by count. They have no view ids: an engagement belongs to the user's latest view of the item.
 *
 * The oracle is given what a reader of its own finds in the topics, decoded by the test.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Expected, runOracle } from '../oracle/run.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { differences, expectedSideTexts, fromAvro, fromJson, sampleType, sideTexts } from '../support/checker.ts'
import { expectedOf } from '../support/compare.ts'
import { type Ledger, type OracleRules, oracleConfig, oracleEvents, pipelineOf, runToEnd } from '../support/endToEnd.ts'
import { arrivals, Loader, userOfEach } from '../support/loadEvents.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { Random } from '../support/random.ts'
import { readTaobao, TAOBAO_COLUMNS, type Taobao } from '../support/taobao.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { exactType, type TestEvent, type TestSource } from '../support/testSource.ts'
import { dumpTopics, type ReadRecord } from '../support/topicReader.ts'

const PARTITIONS = 4
const SEED = 20_171_126
const DUPLICATES = 0.05
const MINUTE_MS = 60_000
const CLOSING_AFTER_MS = 60 * MINUTE_MS
const window = { withinMs: 30 * MINUTE_MS, default: 0 }

const RULES: OracleRules = {
  outOfOrdernessMs: 20_000,
  allowedLatenessMs: 2_000,
  clockSkewToleranceMs: 0,
  // Longer than the data: no view is forgotten, so that what is `outside` and what an `orphan` is exact as well.
  rememberSealedMs: 360 * MINUTE_MS,
  labels: [
    { ...window, name: 'cart', on: 'cart', fold: 'any' },
    { ...window, name: 'fav', on: 'fav', fold: 'any' },
    { ...window, name: 'buy', on: 'buy', fold: 'any' },
    { ...window, name: 'carts', on: 'cart', fold: 'count' },
    { ...window, name: 'bought_category', on: 'buy', fold: 'first', default: null },
    { ...window, name: 'cart_categories', on: 'cart', fold: 'sum' },
  ],
}

const VIEW_SCHEMA = {
  type: 'record',
  name: 'PageView',
  fields: [
    { name: 'user', type: 'long' },
    { name: 'item', type: 'long' },
    { name: 'category', type: 'int' },
    { name: 'seconds', type: 'long' },
  ],
}

const name = uniqueName('real')
const samplesTopic = `${name}-samples`
const sideTopics = [`${name}-late`, `${name}-orphans`, `${name}-dead`]

let broker: SharedBroker
let program: Program
let folder: TempDir
let input: Taobao
let sources: readonly [TestSource, TestSource]
let topics: Map<string, ReadRecord[]>
let expected: Expected
let ledger: Ledger

beforeAll(async () => {
  ;[broker, program, folder] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
  input = readTaobao(folder.path)
  sources = [viewSource(join(folder.path, 'view.avsc')), engagementSource()]
  const records = await load()
  const samples = { type: 'kafka', topic: samplesTopic, format: 'avro', compression: 'lz4' }
  ledger = await runToEnd({
    program: program.folder,
    folder: folder.path,
    pipeline: pipelineOf(name, sources, RULES, [samples]),
    brokers: broker.brokers,
    records,
  })
  topics = await dumpTopics(broker.brokers, [...sources.map(({ topic }) => topic), samplesTopic, ...sideTopics])
  expected = runOracle(oracleConfig(sources, PARTITIONS, RULES), oracleEvents(sources, topics))
})

afterAll(async () => {
  await Promise.all([broker?.stop(), program?.remove(), folder?.remove()])
})

function viewSource(schemaFile: string): TestSource {
  writeFileSync(schemaFile, JSON.stringify(VIEW_SCHEMA))
  const type = exactType(VIEW_SCHEMA)
  return {
    topic: `${name}-views`,
    format: { type: 'avro', schema: schemaFile },
    fields: { userId: 'user', itemId: 'item', time: { field: 'seconds', unit: 's' } },
    encode: ({ user, item, note, timeMs }) =>
      type.toBuffer({ user: BigInt(user), item: BigInt(item), category: note, seconds: BigInt(timeMs / 1000) }),
    decode(value) {
      const { user, item, seconds } = type.fromBuffer(value) as Record<string, bigint>
      return { user: String(user), item: String(item), time: Number(seconds) * 1000 }
    },
  }
}

function engagementSource(): TestSource {
  return {
    topic: `${name}-engagements`,
    format: { type: 'json' },
    fields: {
      userId: 'user',
      itemId: 'item',
      time: { field: 'seconds', unit: 's' },
      type: 'behaviour',
      value: 'category',
    },
    encode: ({ user, item, timeMs, type, value }) =>
      Buffer.from(
        JSON.stringify({
          user: Number(user),
          item: Number(item),
          category: value,
          behaviour: type,
          seconds: timeMs / 1000,
        }),
      ),
    decode(bytes) {
      const { user, item, seconds, behaviour, category } = JSON.parse(bytes.toString())
      return { user: String(user), item: String(item), time: seconds * 1000, type: behaviour, value: category }
    },
  }
}

/** Loads both topics, with far later closing events that let everything before them be sealed. */
async function load(): Promise<number> {
  const random = new Random(SEED)
  const disorder = { random, boundMs: RULES.outOfOrdernessMs, duplicates: DUPLICATES }
  const lastMs = [...input.views, ...input.engagements].reduce((last, { timeMs }) => Math.max(last, timeMs), 0)
  const closing = userOfEach(PARTITIONS, (i) => String(i + 1)).map((user) => {
    return { user, item: '0', note: 0, type: 'cart', value: 0, timeMs: lastMs + CLOSING_AFTER_MS }
  })
  const loader = new Loader(broker.brokers)
  await loader.createTopics(
    sources.map(({ topic }) => topic),
    PARTITIONS,
  )
  const sent = [input.views, input.engagements].map((events) => [...arrivals(events, disorder), ...closing])
  await Promise.all(sources.map(({ topic, encode }, k) => loader.send(topic, sent[k].map(recordOf(encode)))))
  await loader.close()
  return sent.flat().length
}

function recordOf(encode: TestSource['encode']) {
  return (event: TestEvent) => ({ key: event.user, value: encode(event), stampMs: event.timeMs })
}

test('every sample is the one that the oracle expects, label by label and in its order, with the view untouched', () => {
  const decode = fromAvro(sampleType(RULES.labels, VIEW_SCHEMA, ['long', 'long']))
  const samples = topics.get(samplesTopic)!.map(decode)
  const views = new Map(topics.get(sources[0].topic)!.map((view) => [`${view.partition} ${view.offset}`, view.value]))
  const found = differences(samples, expected.samples, ({ partition, offset }) => {
    return views.get(`${partition} ${offset}`)!
  })
  expect(found).toEqual([])
  // A run that saw no engagement find its view would prove little.
  const positive = samples.filter(({ labels }) => labels.cart === 1 || labels.fav === 1 || labels.buy === 1).length
  expect(positive).toBeGreaterThan(100)
  expect(samples.length).toBeGreaterThan(15_000)
  console.log(`${input.origin}, seed ${SEED}: ${samples.length} samples, ${positive} of them with a label`)
})

test('the ledger has the counts of the oracle, partition by partition', () => {
  expect(ledger.balances).toBe(true)
  expect(ledger.partitions).toHaveLength(PARTITIONS)
  for (const { partition, ...counts } of ledger.partitions) {
    expect(counts).toEqual(expectedOf(expected, partition).ledger)
  }
  expect(ledger.total.viewDuplicates).toBeGreaterThan(0)
  expect(ledger.total.engagementDuplicates).toBeGreaterThan(0)
  expect(ledger.total.samples).toBe(expected.samples.length)
  console.log(JSON.stringify(ledger.total))
})

test('what counts for no view goes to the side outputs with its reason, and nothing to the dead letters', () => {
  const [late, orphans, dead] = sideTopics.map((topic) => topics.get(topic)!)
  const names = sources.map(({ topic }) => topic)
  expect(sideTexts(names, [...late, ...orphans])).toEqual(expectedSideTexts(expected.side))
  expect(dead).toEqual([])
})

test('postview join gives the same samples from the file', async () => {
  const { path } = input
  const out = join(folder.path, 'samples.jsonl')
  const wheres = ['--views-where', 'behaviour=pv', '--engagements-where', 'behaviour!=pv', '--columns', TAOBAO_COLUMNS]
  const files = ['--views', path, '--engagements', path, ...wheres, '--out', out]
  const printed = await program.run(['join', '--config', folder.path, '--json', ...files])
  const lines = readFileSync(out, 'utf8').trimEnd().split('\n')
  const joined = lines.map((line) => {
    const { partition: _, key, bytes, revision, weight, ...sample } = fromJson(lineRecord(line))
    return sample
  })
  const wanted = expected.samples.map(({ partition: _, offset, ...sample }) => sample)
  expect(textsById(joined)).toEqual(textsById(wanted))
  const { bound, outside, orphan } = expected.ledger.total.engagements
  const { views, engagements } = input
  expect(JSON.parse(printed)).toMatchObject({ views: views.length, samples: wanted.length, pending: 0, refused: 0 })
  expect(JSON.parse(printed)).toMatchObject({ engagements: engagements.length, bound, outside, orphan })
})

function lineRecord(line: string): ReadRecord {
  return { partition: 0, offset: 0, key: '', value: Buffer.from(line) }
}

function textsById(samples: readonly { readonly sample_id: string }[]): string[] {
  const byId = [...samples].sort((a, b) => (a.sample_id < b.sample_id ? -1 : 1))
  return byId.map((sample) => JSON.stringify(Object.entries(sample).sort()))
}
