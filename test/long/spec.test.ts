/**
 * The anchors' workload (2 million views, 100,000 users, windows of 10 minutes) through `node cluster start` on a real
 * broker: the digest of the samples, recomputed here from the records, is the one that is known by construction.
 *
 * The trace comes from our own generator, and where the anchors lie beside the project, from theirs as well.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import avro from 'avsc'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { Digest, fromAvro, sampleType } from '../support/checker.ts'
import { type OracleRules, pipelineOf, runToEnd } from '../support/endToEnd.ts'
import { Loader } from '../support/loadEvents.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { SPEC_DISORDER_MS, SPEC_ENGAGEMENT, SPEC_VIEW, SPEC_WINDOW_MS, SpecTrace } from '../support/specTrace.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { readTopics } from '../support/topicReader.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ANCHORS = join(ROOT, '../shared/anchors')
const PARTITIONS = 4
const VIEWS = 2_000_000
const USERS = 100_000
const SEED = 1

const RULES: OracleRules = {
  outOfOrdernessMs: SPEC_DISORDER_MS,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 60_000,
  labels: [
    { name: 'click', on: 'click', withinMs: SPEC_WINDOW_MS, fold: 'any', default: 0 },
    { name: 'like', on: 'like', withinMs: SPEC_WINDOW_MS, fold: 'any', default: 0 },
    { name: 'share', on: 'share', withinMs: SPEC_WINDOW_MS, fold: 'any', default: 0 },
    { name: 'watch_ms', on: 'watch', withinMs: SPEC_WINDOW_MS, fold: 'max', default: 0 },
  ],
}

interface Answer {
  readonly digest: string
  readonly records: number
}

/** Fills the topics PREFIXviews and PREFIXengagements. */
interface Trace {
  readonly title: string
  load(brokers: string, prefix: string, folder: string): Promise<Answer>
}

const TRACES: readonly Trace[] = [
  { title: 'our own generator', load: loadOwn },
  ...(existsSync(join(ANCHORS, 'trace')) ? [{ title: "the anchors' generator", load: loadAnchors }] : []),
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

test.each(TRACES)('2 million views of $title give the known digest, each view one sample', async ({ load }) => {
  const { brokers } = broker
  const name = uniqueName('spec')
  const home = join(folder.path, name)
  await mkdir(home)
  const { digest, records } = await load(brokers, `${name}-`, home)
  const ledger = await runToEnd({
    program: program.folder,
    folder: home,
    pipeline: await pipeline(name, home),
    brokers,
    records,
  })
  const checked = new Digest()
  const decode = fromAvro(sampleType(RULES.labels, SPEC_VIEW, ['long', 'long'], plainType))
  await readTopics(brokers, [`${name}-samples`], (_, record) => {
    const { sample_id, labels } = decode(record)
    checked.add(Number(sample_id), labels as Record<string, number>)
  })
  const { distinct, duplicates, conflicts } = checked
  console.log(JSON.stringify({ records, distinct, duplicates, conflicts, digest: checked.value, ledger: ledger.total }))
  expect({ distinct, duplicates, conflicts }).toEqual({ distinct: VIEWS, duplicates: 0, conflicts: 0 })
  expect(checked.value).toBe(digest)
  expect(ledger.balances).toBe(true)
  expect(ledger.total).toMatchObject({
    records,
    samples: VIEWS,
    pending: PARTITIONS,
    late: 0,
    lateViews: 0,
    refused: 0,
  })
})

/** Longs as numbers: none here is beyond 2^53, and bigints take their time. */
function plainType(schema: object): avro.Type {
  return avro.Type.forSchema(schema as avro.Schema)
}

async function pipeline(name: string, home: string): Promise<object> {
  const fields = { viewId: 'view_id', userId: 'user_id', itemId: 'item_id', time: 'event_time' }
  const source = async (topic: string, schema: object, more: object) => {
    const path = join(home, `${topic}.avsc`)
    await writeFile(path, JSON.stringify(schema))
    return { topic: `${name}-${topic}`, format: { type: 'avro', schema: path }, fields: { ...fields, ...more } }
  }
  const sources = [
    await source('views', SPEC_VIEW, {}),
    await source('engagements', SPEC_ENGAGEMENT, { type: 'type', value: 'value' }),
  ]
  return pipelineOf(name, sources, RULES, [{ type: 'kafka', topic: `${name}-samples`, compression: 'lz4' }])
}

async function loadOwn(brokers: string, prefix: string): Promise<Answer> {
  const loader = new Loader(brokers)
  const topics = [`${prefix}views`, `${prefix}engagements`]
  await loader.createTopics(topics, PARTITIONS)
  const trace = new SpecTrace({ views: VIEWS, users: USERS, partitions: PARTITIONS, seed: SEED })
  let records = 0
  for (const batch of trace.batches()) {
    records += batch.length
    await Promise.all(
      topics.map((topic, k) => {
        const own = batch.filter(({ source }) => source === k)
        return loader.send(
          topic,
          own.map(({ user, timeMs, value }) => ({ key: String(user), value, stampMs: timeMs })),
        )
      }),
    )
  }
  await loader.close()
  return { digest: trace.answer.value, records }
}

/** Their program as it is, beside their schemas, with the packages that this project has too. */
async function loadAnchors(brokers: string, prefix: string, home: string): Promise<Answer> {
  for (const part of ['trace', 'schemas']) await cp(join(ANCHORS, part), join(home, part), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(home, 'node_modules'))
  const out = join(home, 'answer.json')
  const options = { views: VIEWS, users: USERS, seed: SEED, partitions: PARTITIONS, brokers, prefix, out }
  const args = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)])
  await promisify(execFile)(process.execPath, [join(home, 'trace/load.mjs'), ...args], { maxBuffer: 1 << 26 })
  const { digest, input } = JSON.parse(await readFile(out, 'utf8')) as { digest: string; input: number }
  return { digest, records: input }
}
