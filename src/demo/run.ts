/**
 * The demonstration: a node on an embedded log in a temporary folder, generated traffic with a known answer, and the
 * comparison of what came out with it. All of it is the product's own path, from the log to the log.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avro from 'avsc'
import { loadToRun } from '../cluster/loadToRun.ts'
import { Node } from '../cluster/node.ts'
import { openJournal, openLog } from '../cluster/open.ts'
import { setUp } from '../cluster/setup.ts'
import { sampleSchema } from '../codec/sample.ts'
import { openSourceReader } from '../codec/source.ts'
import type { Config } from '../config/load.ts'
import type { AvroSchema } from '../config/model.ts'
import { committedExplainer } from '../explain/committed.ts'
import type { Answer, GeneratedEvent } from '../generate/event.ts'
import { planGeneration } from '../generate/plan.ts'
import { runGeneration } from '../generate/run.ts'
import type { Target } from '../generate/target.ts'
import { LogTarget } from '../generate/toLog.ts'
import type { Explanation } from '../inspect/explanation.ts'
import { balances, LEDGER_FIELDS, type LedgerField, ledgerToJson, SAMPLES } from '../join/ledger.ts'
import type { Log } from '../log/port.ts'
import { pickSamples } from './pick.ts'

export interface Sample {
  readonly sample_id: string
  readonly user_id: string
  readonly item_id: string
  readonly view_time: number
  readonly labels: Record<string, number | null>
  readonly delays_ms: Record<string, number | null>
  readonly late_view: boolean
}

export interface Progress {
  readonly events: number
  readonly samples: number
  readonly pending: number
}

export interface DemoResult {
  readonly config: Config
  readonly samples: readonly Sample[]
  /** Some of them. */
  readonly shown: readonly Sample[]
  /** Of the first that is shown, as the product explains any; null where there are no samples. */
  readonly explained: Explanation | null
  readonly ledger: Record<LedgerField, number>
  readonly balances: boolean
  readonly expected: number
  readonly missing: readonly string[]
  readonly wrong: readonly string[]
  readonly unexpected: readonly string[]
}

export interface DemoOptions {
  readonly configFolder: string
  readonly views: number
  readonly onProgress: (progress: Progress) => void
  /** Ends it early: then it rejects with the signal's reason, and leaves nothing behind. */
  readonly signal?: AbortSignal
}

const WAIT_MS = 45_000
const FIRST_EVENTS = 1000
const quiet = { info() {}, warn() {}, error() {} }

export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const folder = await mkdtemp(join(tmpdir(), 'postview-demo-'))
  try {
    return await runIn(folder, options)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runIn(folder: string, options: DemoOptions): Promise<DemoResult> {
  const config = await loadToRun(options.configFolder, { POSTVIEW_DATA_DIR: folder })
  const log = await openLog(config, 'demo', quiet)
  const { sources, limits } = config.pipeline
  const readers = await Promise.all(sources.map((source) => openSourceReader(source, limits)))
  await setUp({ log, config, readers, logger: quiet })
  const journal = await openJournal(config, quiet)
  const node = new Node({ config, id: 'demo', log, readers, logger: quiet, journal })
  try {
    const answers = await Promise.race([generate(config, log, node, options), node.failed])
    await Promise.race([sealed(node, answers.size, options), node.failed])
    const ledger = sumLedger(node)
    await node.stop()
    options.signal?.throwIfAborted()
    const samples = await readSamples(config, log)
    const shown = pickSamples(samples, config.pipeline.labels)
    const explained = await explanationOf(shown, config, log)
    const outcome = { ...compare(samples, answers), ledger: ledgerToJson(ledger), balances: balances(ledger) }
    return { config, samples, shown, explained, ...outcome }
  } finally {
    await journal.close()
    await log.close()
  }
}

async function generate(config: Config, log: Log, node: Node, options: DemoOptions): Promise<Map<string, Answer>> {
  const wishes = {
    views: options.views,
    users: Math.ceil(options.views / 20),
    seed: 7,
    spanMs: 3_600_000,
    engagementRate: 0.2,
    duplicates: 0.05,
    repeats: 0.1,
  }
  const plan = planGeneration(config.pipeline, wishes, Date.now())
  const target = new StartedTarget(
    await LogTarget.open(log, config.pipeline, wishes.seed, config.node.embedded.partitions),
    () => node.start(),
  )
  const answers = new Map<string, Answer>()
  await runGeneration(plan, target, {
    close: true,
    nowMs: () => performance.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    onAnswer: (answer) => {
      if (!answer.isClosing) answers.set(answer.sampleId, answer)
      return undefined
    },
    isStopped: () => options.signal?.aborted === true,
    onProgress: (counts) => options.onProgress(progressOf(node, counts.views + counts.engagements + counts.copies)),
  })
  await target.close()
  return answers
}

/**
 * Starts the node once both topics have events: an hour of event time goes by in seconds here, and a source that is
 * known to be empty holds no clock back.
 */
class StartedTarget implements Target {
  private readonly inner: Target
  private readonly start: () => Promise<void>
  private sent = 0

  constructor(inner: Target, start: () => Promise<void>) {
    this.inner = inner
    this.start = start
  }

  get partitions(): number {
    return this.inner.partitions
  }

  send(source: number, event: GeneratedEvent): Promise<void> | undefined {
    const sent = this.inner.send(source, event)
    if (++this.sent !== FIRST_EVENTS) return sent
    return this.inner.flush().then(this.start)
  }

  flush(): Promise<void> {
    return this.inner.flush()
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}

/** Waits until all but the closing views are sealed. */
async function sealed(node: Node, expected: number, options: DemoOptions): Promise<void> {
  const untilMs = performance.now() + WAIT_MS
  for (;;) {
    const ledger = ledgerToJson(sumLedger(node))
    options.onProgress(progressOf(node, ledger.records))
    const isOver = options.signal?.aborted === true || performance.now() > untilMs
    if (ledger.samples >= expected || isOver) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function progressOf(node: Node, events: number): Progress {
  const ledger = sumLedger(node)
  return { events, samples: ledger[SAMPLES], pending: ledgerToJson(ledger).pending }
}

function sumLedger(node: Node): Float64Array {
  const sum = new Float64Array(LEDGER_FIELDS.length)
  for (const { state } of node.partitions) for (let i = 0; i < sum.length; i++) sum[i] += state.ledger[i]
  return sum
}

async function readSamples(config: Config, log: Log): Promise<Sample[]> {
  const { sources, sinks } = config.pipeline
  const topic = sinks.find((sink) => sink.type === 'kafka')!.topic
  const format = sources[0].format as { schema: AvroSchema }
  const type = avro.Type.forSchema(sampleSchema(config.pipeline, format.schema) as avro.Schema)
  const samples: Sample[] = []
  for (const { partition, low, high } of await log.ends([topic])) {
    for await (const chunk of log.readRange(topic, partition, low, high)) {
      for (let i = 0; i < chunk.count; i++) {
        const value = chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
        samples.push(type.fromBuffer(value) as Sample)
      }
    }
  }
  return samples
}

async function explanationOf([first]: readonly Sample[], config: Config, log: Log): Promise<Explanation | null> {
  if (first === undefined) return null
  const { sample_id: sampleId, user_id: user, view_time: viewTime } = first
  const explainer = await committedExplainer(config, log)
  return explainer.explain({ sampleId, user, atMs: Number(viewTime) })
}

/** Every view gives exactly one sample, with the labels that were known when it was made up. */
function compare(samples: readonly Sample[], answers: ReadonlyMap<string, Answer>) {
  const seen = new Set<string>()
  const wrong: string[] = []
  const unexpected: string[] = []
  for (const sample of samples) {
    const answer = answers.get(sample.sample_id)
    if (answer === undefined || seen.has(sample.sample_id)) unexpected.push(sample.sample_id)
    else if (!isRight(sample, answer)) wrong.push(sample.sample_id)
    seen.add(sample.sample_id)
  }
  const missing = [...answers.keys()].filter((id) => !seen.has(id))
  return { expected: answers.size, missing, wrong, unexpected }
}

function isRight(sample: Sample, answer: Answer): boolean {
  const same = (got: Record<string, number | null>, known: ReadonlyMap<string, number | null>): boolean =>
    [...known].every(([name, value]) => got[name] === value)
  return same(sample.labels, answer.labels) && same(sample.delays_ms, answer.delaysMs)
}
