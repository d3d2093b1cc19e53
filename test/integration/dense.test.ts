/**
 * Dense events, generated, through `node cluster start` on a real broker and on the embedded log: equal to the oracle's
 * samples label by label, with every fold and a window per label, with and without view ids, in Avro and in JSON.
 *
 * The oracle is given what a reader of its own finds in Kafka's topics, decoded by the test. On the embedded log the same
 * events are posted to the node, whose samples must have the same bytes.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { type Expected, type OracleSample, runOracle } from '../oracle/run.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { differences, expectedSideTexts, fromAvro, fromJson, sampleType, sideTexts } from '../support/checker.ts'
import { expectedOf } from '../support/compare.ts'
import { type DenseSet, denseEvents, FROM_MS, itemSet, namedSet, type Place, SPAN_MS } from '../support/denseSet.ts'
import { type Ledger, type OracleRules, oracleConfig, oracleEvents, pipelineOf, runToEnd } from '../support/endToEnd.ts'
import { arrivals, Loader, userOfEach } from '../support/loadEvents.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { Random } from '../support/random.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { exactType, type TestEvent } from '../support/testSource.ts'
import { dumpTopics, type ReadRecord } from '../support/topicReader.ts'

const PARTITIONS = 4
const VIEWS = 12_000
const DUPLICATES = 0.08
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const OPENING_MS = FROM_MS - MINUTE_MS
const CLOSING_MS = FROM_MS + SPAN_MS + HOUR_MS

const RULES: Omit<OracleRules, 'rememberSealedMs'> = {
  outOfOrdernessMs: 3_000,
  allowedLatenessMs: 2_000,
  clockSkewToleranceMs: 1_000,
  labels: [
    { name: 'click', on: 'click', withinMs: 120_000, fold: 'any', default: 0 },
    { name: 'clicks', on: 'click', withinMs: 30_000, fold: 'count', default: 0 },
    { name: 'clicked_for', on: 'click', withinMs: 120_000, fold: 'last', default: null },
    { name: 'liked', on: 'like', withinMs: 30_000, fold: 'any', default: null },
    { name: 'first_play', on: 'play', withinMs: 240_000, fold: 'first', default: null },
    { name: 'last_play', on: 'play', withinMs: 120_000, fold: 'last', default: 0 },
    { name: 'best', on: 'rating', withinMs: 600_000, fold: 'max', default: null },
    { name: 'best_soon', on: 'rating', withinMs: 30_000, fold: 'max', default: -1 },
    { name: 'total', on: 'rating', withinMs: 240_000, fold: 'sum', default: 0 },
    { name: 'ratings', on: 'rating', withinMs: 120_000, fold: 'count', default: null },
  ],
}

interface Case {
  readonly title: string
  readonly make: (name: string, place: Place) => DenseSet
  /** Long: nothing is forgotten, so that what is `outside` and what an `orphan` is exact. */
  readonly rememberSealedMs: number
  readonly sinks: readonly [Sink, Sink]
}

interface Sink {
  readonly format: 'avro' | 'json'
  readonly compression: string
}

const CASES: readonly Case[] = [
  {
    title: 'views with ids, in Avro',
    make: (name, place) => namedSet(name, place, 31, VIEWS),
    rememberSealedMs: 3 * HOUR_MS,
    sinks: [
      { format: 'avro', compression: 'lz4' },
      { format: 'json', compression: 'none' },
    ],
  },
  {
    title: 'views without ids, in JSON',
    make: (name, place) => itemSet(name, place, 32, VIEWS),
    rememberSealedMs: MINUTE_MS,
    sinks: [
      { format: 'json', compression: 'gzip' },
      { format: 'avro', compression: 'none' },
    ],
  },
]

let broker: SharedBroker
let program: Program
let folder: TempDir
beforeAll(async () => {
  ;[broker, program, folder] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
})
afterAll(async () => {
  await Promise.all([broker?.stop(), program?.remove(), folder?.remove()])
})

describe.each(CASES)('$title', ({ make, rememberSealedMs, sinks }) => {
  const name = uniqueName('dense')
  const rules = { ...RULES, rememberSealedMs }
  const sampleTopics = sinks.map(({ format }) => `${name}-samples-${format}`)
  const sideTopics = [`${name}-late`, `${name}-orphans`, `${name}-dead`]
  const written = [...sampleTopics, ...sideTopics]
  let set: DenseSet
  let sourceTopics: string[]
  let onKafka: Run
  let embedded: Run
  let expected: Expected

  beforeAll(async () => {
    const home = join(folder.path, name)
    await mkdir(home)
    const schemas: Promise<void>[] = []
    set = make(name, (schema, content) => {
      const path = join(home, `${schema}.avsc`)
      schemas.push(writeFile(path, JSON.stringify(content)))
      return path
    })
    await Promise.all(schemas)
    sourceTopics = set.sources.map(({ topic }) => topic)
    const specs = sinks.map((sink, k) => ({ type: 'kafka', topic: sampleTopics[k], ...sink }))
    const pipeline = pipelineOf(name, set.sources, rules, specs)
    const sent = arrivalsOf(set)
    const posted = post(set, sent)
    const records = sent.flat().length
    const run = { program: program.folder, pipeline, records }
    const load = async () => {
      await loadKafka(set, sent)
      const ledger = await runToEnd({ ...run, folder: join(home, 'kafka'), brokers: broker.brokers })
      return { ledger, topics: await dumpTopics(broker.brokers, [...sourceTopics, ...written]) }
    }
    const feed = async () => {
      const at = join(home, 'embedded')
      const ledger = await runToEnd({ ...run, folder: at, feed: posted })
      return { ledger, topics: await readEmbedded(join(at, 'data', 'log'), written) }
    }
    ;[onKafka, embedded] = await Promise.all([load(), feed()])
    expected = runOracle(oracleConfig(set.sources, PARTITIONS, rules), oracleEvents(set.sources, onKafka.topics))
  })

  test.each(sinks.map((sink, k) => [sink.format, sampleTopics[k]] as const))(
    'every sample in %s is the one that the oracle expects, in its order, with the view untouched',
    (format, topic) => {
      const ids: [string, string] = set.schema === null ? ['string', 'string'] : ['long', 'int']
      const decode = format === 'json' ? fromJson : fromAvro(sampleType(rules.labels, set.schema ?? 'string', ids))
      const views = onKafka.topics.get(sourceTopics[0])!
      const viewAt = new Map(views.map(({ partition, offset, value }) => [`${partition} ${offset}`, value]))
      const jsonView = set.schema === null ? String : jsonOf(set.schema)
      const viewBytes = ({ partition, offset }: OracleSample) => {
        const raw = viewAt.get(`${partition} ${offset}`)!
        return format === 'json' ? Buffer.from(`${jsonView(raw)}}`) : raw
      }
      expect(differences(onKafka.topics.get(topic)!.map(decode), expected.samples, viewBytes)).toEqual([])
    },
  )

  test.each(sampleTopics)('the embedded log gives the same bytes in %s', (topic) => {
    expect(textsOf(embedded.topics.get(topic)!)).toEqual(textsOf(onKafka.topics.get(topic)!))
  })

  test('the ledger has the counts of the oracle, partition by partition, on both logs', () => {
    for (const { ledger } of [onKafka, embedded]) {
      expect(ledger.balances).toBe(true)
      expect(ledger.partitions).toHaveLength(PARTITIONS)
      for (const { partition, ...counts } of ledger.partitions) {
        expect(comparable(counts)).toEqual(comparable(expectedOf(expected, partition).ledger))
      }
    }
    console.log(JSON.stringify(onKafka.ledger.total))
  })

  test('what counts for no view goes to the side outputs once, on both logs, and nothing to the dead letters', () => {
    const reasons = (texts: string[]) => (isForgetful ? texts.map((text) => text.replace(/^\w+/, '')).sort() : texts)
    for (const { topics } of [onKafka, embedded]) {
      const [late, orphans, dead] = sideTopics.map((topic) => topics.get(topic)!)
      expect(reasons(sideTexts(sourceTopics, [...late, ...orphans]))).toEqual(reasons(expectedSideTexts(expected.side)))
      expect(dead).toEqual([])
    }
  })

  test('the events are as dense as they are meant to be', () => {
    const { total } = onKafka.ledger
    expect(total.records).toBeGreaterThan(30_000)
    for (const count of ['viewDuplicates', 'engagementDuplicates', 'bound', 'unused', 'outside', 'orphan']) {
      expect([count, total[count]]).toEqual([count, expect.any(Number)])
      expect(total[count]).toBeGreaterThan(100)
    }
    expect(total.conflicts > 0).toBe(set.options.viewId === null)
    for (const { name: label, default: fallback } of rules.labels) {
      const values = new Set(expected.samples.map(({ labels }) => labels[label]))
      expect(values.has(fallback)).toBe(true)
      expect(values.size).toBeGreaterThan(1)
    }
  })

  /**
   * Between `outside` and `orphan` the moment decides at which a view is forgotten, and with it how the sources took
   * turns: known to be open (SEMANTICS.md section 3). Their sum is not.
   */
  const isForgetful = rememberSealedMs < HOUR_MS
  function comparable({ outside, late, orphan, ...counts }: Readonly<Record<string, number>>): object {
    return isForgetful ? { ...counts, aside: outside + late + orphan } : { ...counts, outside, late, orphan }
  }
})

interface Run {
  readonly ledger: Ledger
  readonly topics: ReadonlyMap<string, readonly ReadRecord[]>
}

/** What goes to each source: an opening event in each partition, the dense ones, and far later a closing one. */
function arrivalsOf({ options }: DenseSet): TestEvent[][] {
  const { views, gestures, ratings } = denseEvents(options)
  const random = new Random(options.seed)
  const disorder = { random, boundMs: RULES.outOfOrdernessMs, duplicates: DUPLICATES }
  const users = userOfEach(PARTITIONS, options.user)
  return [views, gestures, ratings].map((events, source) => {
    const single = (timeMs: number) =>
      users.map((user, i) => ({
        user,
        item: options.item(i),
        timeMs,
        viewId: source === 0 && options.viewId !== null ? options.viewId(timeMs + i) : null,
        engagementId: null,
        type: source === 1 ? 'click' : 'rating',
        value: 1,
        note: 0,
      }))
    return [...single(OPENING_MS), ...arrivals(events, disorder), ...single(CLOSING_MS)]
  })
}

async function loadKafka({ sources }: DenseSet, sent: readonly TestEvent[][]): Promise<void> {
  const loader = new Loader(broker.brokers)
  await loader.createTopics(
    sources.map(({ topic }) => topic),
    PARTITIONS,
  )
  await Promise.all(
    sources.map(({ topic, encode }, k) =>
      loader.send(
        topic,
        sent[k].map((event) => ({ key: event.user, value: encode(event), stampMs: event.timeMs })),
      ),
    ),
  )
  await loader.close()
}

/**
 * Posts to a running node: the opening events of all sources first. Until each source has one, a source alone would move
 * the watermark, and what comes over the others would be late.
 */
function post({ sources }: DenseSet, sent: readonly TestEvent[][]): (control: string) => Promise<void> {
  return async (control) => {
    const parts = [[0, PARTITIONS] as const, [PARTITIONS, undefined] as const]
    for (const [from, to] of parts) {
      for (const [k, { topic, format, encode }] of sources.entries()) {
        const values = sent[k].slice(from, to).map(encode)
        const isAvro = format.type === 'avro'
        const body = Buffer.concat(values.flatMap((value) => (isAvro ? framed(value) : [value, Buffer.from('\n')])))
        await postBody(`${control}/topics/${topic}`, body, isAvro ? 'application/avro-frames' : 'application/x-ndjson')
      }
    }
  }
}

function framed(value: Buffer): Buffer[] {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return [length, value]
}

async function postBody(url: string, body: Buffer, type: string): Promise<void> {
  for (;;) {
    const answer = await fetch(url, { method: 'POST', body: new Uint8Array(body), headers: { 'content-type': type } })
    if (answer.ok) return
    const text = await answer.text()
    if (answer.status !== 429 && answer.status !== 503) throw new Error(`${url}: ${answer.status} ${text}`)
    await sleep(100)
  }
}

/** The records of the embedded log's topics, once its node is gone. */
async function readEmbedded(path: string, topics: readonly string[]): Promise<Map<string, ReadRecord[]>> {
  const log = await openEmbeddedLog({
    folder: path,
    fsyncMs: 0,
    segmentBytes: 1 << 26,
    retentionMs: HOUR_MS,
    partitions: PARTITIONS,
  })
  const read = new Map<string, ReadRecord[]>(topics.map((topic) => [topic, []]))
  for (const { topic, partition, low, high } of await log.ends(topics)) {
    if (low === high) continue
    for await (const chunk of log.readRange(topic, partition, low, high)) {
      for (let i = 0; i < chunk.count; i++) {
        const part = (at: Int32Array, length: Int32Array) => Buffer.from(chunk.bytes.subarray(at[i], at[i] + length[i]))
        read.get(topic)!.push({
          partition,
          offset: chunk.offset[i],
          key: String(part(chunk.keyAt, chunk.keyLength)),
          value: part(chunk.valueAt, chunk.valueLength),
        })
      }
    }
  }
  await log.close()
  return read
}

function textsOf(records: readonly ReadRecord[]): string[] {
  return [...records]
    .sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    .map(({ partition, offset, key, value }) => `${partition} ${offset} ${key} ${value.toString('base64')}`)
}

/** Views in the JSON encoding of the contract: without wrappers around a union's branches, longs as digits. */
function jsonOf(schema: object): (raw: Buffer) => string {
  const type = exactType(schema)
  const marked = (_: string, part: unknown) => (typeof part === 'bigint' ? `<${part}>` : part)
  return (raw) => JSON.stringify(type.fromBuffer(raw), marked).replace(/"<(-?\d+)>"/g, '$1')
}
