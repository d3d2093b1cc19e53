/**
 * Sources keyed by item, in topics of different numbers of partitions, views in two topics: rewritten by user into one
 * consolidated topic and joined from there, on a real broker, by two nodes. Equal to the oracle's samples.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { type Expected, runOracle } from '../oracle/run.ts'
import { byUser } from '../repartition/support.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { differences, fromAvro, sampleType } from '../support/checker.ts'
import { type DenseSet, denseEvents, FROM_MS, namedSet, SPAN_MS } from '../support/denseSet.ts'
import { type Ledger, type OracleRules, oracleConfig, oracleEvents, pipelineOf } from '../support/endToEnd.ts'
import { arrivals, Loader, userOfEach } from '../support/loadEvents.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { plainKafka } from '../support/plainClient.ts'
import { buildProgram, type Program } from '../support/program.ts'
import type { OracleEvent } from '../support/pureJoin.ts'
import { Random } from '../support/random.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import type { TestEvent, TestSource } from '../support/testSource.ts'
import { dumpTopics, type ReadRecord } from '../support/topicReader.ts'

const PARTITIONS = 4
const VIEWS = 4_000
const HOUR_MS = 3_600_000
const CLOSING_MS = FROM_MS + SPAN_MS + HOUR_MS
/** Of views in one topic, views in another, gestures, ratings. */
const SOURCE_PARTITIONS = [3, 2, 3, 5]

const RULES: OracleRules = {
  outOfOrdernessMs: 3_000,
  allowedLatenessMs: 2_000,
  clockSkewToleranceMs: 1_000,
  rememberSealedMs: 3 * HOUR_MS,
  labels: [
    { name: 'click', on: 'click', withinMs: 120_000, fold: 'any', default: 0 },
    { name: 'last_play', on: 'play', withinMs: 120_000, fold: 'last', default: 0 },
    { name: 'best', on: 'rating', withinMs: 600_000, fold: 'max', default: null },
    { name: 'total', on: 'rating', withinMs: 240_000, fold: 'sum', default: 0 },
  ],
}

describe('sources keyed by item', () => {
  const name = uniqueName('repartition')
  let broker: SharedBroker
  let program: Program
  let folder: TempDir
  let set: DenseSet
  let sources: TestSource[]
  let topics: ReadonlyMap<string, readonly ReadRecord[]>
  let ledger: Ledger
  let committed: number
  let statuses: NodeStatus[]
  let metrics: string
  let events: OracleEvent[]
  let expected: Expected

  beforeAll(async () => {
    ;[broker, program, folder] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
    const schemas: Promise<void>[] = []
    await mkdir(join(folder.path, 'schemas'))
    set = namedSet(
      name,
      (schema, content) => {
        const path = join(folder.path, 'schemas', `${schema}.avsc`)
        schemas.push(writeFile(path, JSON.stringify(content)))
        return path
      },
      41,
      VIEWS,
    )
    await Promise.all(schemas)
    const [views, ...engagements] = set.sources
    sources = [views, { ...views, topic: `${views.topic}-more` }, ...engagements]
    await load(broker.brokers, sources, arrivalsOf(set, sources))
    ledger = await run()
    committed = await committedOf(broker.brokers, name, sources)
    topics = await dumpTopics(broker.brokers, [...sources.map(({ topic }) => topic), `${name}-samples`, `${name}-all`])
    events = byUser(oracleEvents(sources, topics), PARTITIONS, (source) => Math.max(0, source - 1))
    // Not every user's partition has a closing event of every source: the clocks of all of them are told to the oracle.
    const watermark = CLOSING_MS - RULES.outOfOrdernessMs
    const clocks = Array.from({ length: PARTITIONS }, (_, partition) => ({ watermark, partition }))
    expected = runOracle(oracleConfig(set.sources, PARTITIONS, RULES), [...events, ...clocks])
  }, 300_000)
  afterAll(async () => {
    await Promise.all([broker?.stop(), program?.remove(), folder?.remove()])
  })

  /** Two nodes, each reading its share of the sources and joining its share of the users, until all is sealed. */
  async function run(): Promise<Ledger> {
    const nodes = await Promise.all(['a', 'b'].map((id) => configured(id)))
    try {
      const urls = await Promise.all(nodes.map((node) => node.ready))
      for (;;) {
        for (const node of nodes) if (!node.isRunning) throw new Error(`a node ended by itself:\n${node.tail()}`)
        const total = (await Promise.all(urls.map(ledgerOf))).flatMap((one) => one.partitions)
        const sum = (field: string): number => total.reduce((all, one) => all + (one[field] ?? 0), 0)
        const closing = SOURCE_PARTITIONS.map((count) => count)
        const isSealed = sum('pending') === closing[0] + closing[1] && sum('undecided') === closing[2] + closing[3]
        if (isSealed && sum('samples') > 0) break
        await sleep(100)
      }
      const ledgers = await Promise.all(urls.map(ledgerOf))
      // What is sealed was rewritten; that all of it was is told with the next answer about the sources' ends.
      do {
        await sleep(100)
        statuses = await Promise.all(
          urls.map(async (url) => (await (await fetch(`${url}/status`)).json()) as NodeStatus),
        )
      } while (statuses.some(({ repartition }) => repartition!.lag !== 0 || repartition!.lagMs !== 0))
      metrics = (await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()))).join('')
      for (const node of nodes) {
        const code = await node.terminate()
        expect(code, node.tail()).toBe(0)
      }
      return { ...ledgers[0], partitions: ledgers.flatMap((one) => one.partitions) }
    } finally {
      for (const node of nodes) if (node.isRunning) await node.kill()
    }
  }

  async function configured(id: string): Promise<NodeProcess> {
    const home = join(folder.path, id)
    await mkdir(home)
    const pipeline = pipelineOf(name, set.sources, RULES, [
      { type: 'kafka', topic: `${name}-samples`, format: 'avro' },
    ]) as { sources: { views: { topic: unknown } } }
    pipeline.sources.views.topic = [sources[0].topic, sources[1].topic]
    const repartition = { topic: `${name}-all`, partitions: PARTITIONS }
    await writeFile(join(home, 'pipeline.yaml'), stringify({ ...pipeline, repartition }))
    const node = { kafka: { brokers: [broker.brokers] }, dataDir: join(home, 'data'), control: { port: 0 } }
    await writeFile(join(home, 'node.yaml'), stringify(node))
    return new NodeProcess(program.folder, home, id)
  }

  test('all that was rewritten is committed when the nodes end', () => {
    expect(committed).toBe(events.length)
  })

  test('every sample is the one that the oracle expects, in its order, with the view untouched', () => {
    const viewAt = new Map(events.map((event) => [`${event.source} ${event.partition} ${event.offset}`, event.bytes!]))
    const decode = fromAvro(sampleType(RULES.labels, set.schema!, ['long', 'int']))
    const samples = topics.get(`${name}-samples`)!.map(decode)
    expect(samples.length).toBeGreaterThan(VIEWS * 0.9)
    const bytesOf = ({ partition, offset }: { partition: number; offset: number }): Buffer =>
      Buffer.from(viewAt.get(`0 ${partition} ${offset}`)!, 'base64')
    expect(differences(samples, expected.samples, bytesOf)).toEqual([])
  })

  test('the ledger has the counts of the oracle: records of clocks are no events', () => {
    expect(ledger.balances).toBe(true)
    expect(ledger.partitions.map(({ partition }) => partition).sort()).toEqual([0, 1, 2, 3])
    const sum = (field: string): number => ledger.partitions.reduce((all, one) => all + one[field], 0)
    const { views, engagements, refused } = expected.ledger.total
    // What was rewritten in the moment of a rebalance is a copy: it is counted as one, and changes nothing.
    const copies = sum('records') - events.length
    expect(copies).toBe(consolidated().length - events.length)
    const { duplicates } = engagements
    expect(sum('viewDuplicates') + sum('engagementDuplicates')).toBe(views.duplicates + duplicates + copies)
    expect(sum('views') - sum('viewDuplicates')).toBe(views.in - views.duplicates)
    expect([sum('samples'), sum('bound'), sum('refused')]).toEqual([views.samples, engagements.bound, refused])
  })

  test('status and metrics say how far each source partition is rewritten, and which of them holds time back', () => {
    const read = statuses.flatMap(({ repartition }) => repartition!.sources)
    const places = read.map(({ topic, partition }) => `${topic} ${partition}`)
    const all = sources.flatMap(({ topic }, k) =>
      Array.from({ length: SOURCE_PARTITIONS[k] }, (_, p) => `${topic} ${p}`),
    )
    expect(places.sort()).toEqual(all.sort())
    expect(read.filter(({ lag, lagMs }) => lag !== 0 || lagMs !== 0)).toEqual([])
    expect(read.reduce((sum, { position }) => sum + position, 0)).toBe(events.length)
    for (const { heldBackBy } of statuses.flatMap(({ partitions }) => partitions)) expect(all).toContain(heldBackBy)
    expect(metrics).toMatch(/^postview_repartition_lag_records\{topic="[^"]+",partition="\d"\} 0$/m)
    expect(metrics).toMatch(/^postview_repartition_records_total [1-9]/m)
  })

  const consolidated = (): ReadRecord[] => topics.get(`${name}-all`)!.filter(({ key }) => key !== 'null')

  test('the consolidated topic holds every event, as its bytes, keyed by its user and where the user hashes', () => {
    const raw = new Set(sources.flatMap(({ topic }) => topics.get(topic)!.map(({ value }) => value.toString('base64'))))
    const all = consolidated()
    expect(new Set(all.map(({ value }) => value.toString('base64')))).toEqual(raw)
    console.log(`${events.length} events, ${all.length - events.length} written again in rebalances`)
    const placeOf = new Map(events.map(({ bytes, user, partition }) => [bytes, `${user} ${partition}`]))
    const misplaced = all.filter(
      ({ key, value, partition }) => placeOf.get(value.toString('base64')) !== `${key} ${partition}`,
    )
    expect(misplaced).toEqual([])
  })
})

/** How many source records the repartitioner has committed as written. */
async function committedOf(brokers: string, name: string, sources: readonly TestSource[]): Promise<number> {
  const admin = plainKafka(brokers).admin()
  await admin.connect()
  const groupId = `postview-${name}-repartition`
  const topics = await admin.fetchOffsets({ groupId, topics: sources.map(({ topic }) => topic) })
  await admin.disconnect()
  return topics
    .flatMap(({ partitions }) => partitions)
    .reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0)
}

const ledgerOf = async (url: string): Promise<Ledger> => (await fetch(`${url}/ledger`)).json() as Promise<Ledger>

/** What goes to each topic: in each of its partitions an opening event, the dense ones, and far later a closing one. */
function arrivalsOf({ options }: DenseSet, sources: readonly TestSource[]): TestEvent[][] {
  const { views, gestures, ratings } = denseEvents(options)
  const isMore = ({ item }: TestEvent): boolean => Number(item) % 3 === 0
  const random = new Random(options.seed)
  const disorder = { random, boundMs: RULES.outOfOrdernessMs, duplicates: 0.05 }
  const parts = [views.filter((view) => !isMore(view)), views.filter(isMore), gestures, ratings]
  return parts.map((part, k) => {
    const single = (timeMs: number): TestEvent[] =>
      userOfEach(SOURCE_PARTITIONS[k], options.item).map((item, i) => ({
        user: options.user(i),
        item,
        timeMs,
        viewId: k < 2 ? options.viewId!(timeMs + 10 * k + i) : null,
        engagementId: null,
        type: k === 2 ? 'click' : 'rating',
        value: 1,
        note: sources.length,
      }))
    return [...single(FROM_MS - 60_000), ...arrivals(part, disorder), ...single(CLOSING_MS)]
  })
}

async function load(brokers: string, sources: readonly TestSource[], sent: readonly TestEvent[][]): Promise<void> {
  const loader = new Loader(brokers)
  for (const [k, { topic }] of sources.entries()) await loader.createTopics([topic], SOURCE_PARTITIONS[k])
  await Promise.all(
    sources.map(({ topic, encode }, k) =>
      loader.send(
        topic,
        sent[k].map((event) => ({ key: event.item, value: encode(event), stampMs: event.timeMs })),
      ),
    ),
  )
  await loader.close()
}
