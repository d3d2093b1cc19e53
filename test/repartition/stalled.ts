/**
 * A repartitioner that is killed for a while under live traffic: the joining node must stand still, not mint negatives.
 *
 * Views come with one click each, later than the outage is long for those before it; clocks follow the wall's pace when
 * sources are silent, so a join that took the standing consolidated topic for silence would seal them as negatives.
 */
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { uniqueName } from '../support/broker.ts'
import { Loader } from '../support/loadEvents.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { dumpTopics } from '../support/topicReader.ts'

const STEP_MS = 100
const AFTER_MS = 3_000
const SETTLE_MS = 1_000
const SETTLE_ROUNDS = 5
const PARTITIONS = 2
/** The watermark of a partition that has none yet. */
const UNKNOWN = Number.NEGATIVE_INFINITY

export interface StallOptions {
  readonly program: string
  readonly brokers: string
  readonly folder: string
  /** How long nobody repartitions. */
  readonly downMs: number
}

export interface Stall {
  readonly views: number
  /** Distinct views with a sample, and those of them whose click was not seen. */
  readonly samples: number
  readonly negatives: number
  /** The watermark of each partition, soon after the kill and just before the new start. */
  readonly watermarksMs: readonly (readonly [before: number, after: number])[]
  /** By whom each partition's watermark was held back just before the new start. */
  readonly heldBackBy: readonly (string | null)[]
}

export async function stall({ program, brokers, folder, downMs }: StallOptions): Promise<Stall> {
  const name = uniqueName('stall')
  const topics = { views: `${name}-views`, clicks: `${name}-clicks` }
  const loader = new Loader(brokers)
  await loader.createTopics([topics.views, topics.clicks], 2)
  await writeConfig(folder, name, topics, brokers, downMs)
  let writer = repartitioner(program, folder)
  const node = new NodeProcess(program, folder, 'joiner', undefined, undefined, ['--no-repartition'])
  try {
    const url = await node.ready
    const traffic = new TrafficOf(loader, topics, downMs)
    await traffic.run(AFTER_MS)
    while (!(await haveTime(url))) await traffic.run(STEP_MS)
    await writer.kill()
    const before = await settled(traffic, url)
    await traffic.run(downMs)
    const after = await watermarksOf(url)
    const heldBackBy = (await partitionsOf(url)).map((partition) => partition.heldBackBy)
    writer = repartitioner(program, folder)
    await traffic.finish()
    await sealed(node, url, traffic.views)
    const samples = await samplesIn(brokers, `${name}-samples`)
    return {
      views: traffic.views,
      samples: samples.size,
      negatives: [...samples.values()].filter((click) => click === 0).length,
      watermarksMs: before.map((ms, i) => [ms, after[i]] as const),
      heldBackBy,
    }
  } finally {
    await Promise.all([writer.kill(), node.kill(), loader.close()])
  }
}

async function writeConfig(
  folder: string,
  name: string,
  topics: { readonly views: string; readonly clicks: string },
  brokers: string,
  downMs: number,
): Promise<void> {
  const fields = { userId: 'u', itemId: 'i', time: 't' }
  await mkdir(folder, { recursive: true })
  const pipeline = {
    name,
    sources: {
      views: { topic: topics.views, format: { type: 'json' }, fields: { ...fields, viewId: 'v' } },
      engagements: [
        {
          topic: topics.clicks,
          format: { type: 'json' },
          fields: { ...fields, viewId: 'v', type: { const: 'click' } },
        },
      ],
    },
    labels: { click: { on: 'click', within: `${downMs + SETTLE_MS + 2 * AFTER_MS}ms` } },
    time: { outOfOrderness: '1s', allowedLateness: '0s', idleAfter: '1s' },
    repartition: { topic: `${name}-all`, partitions: PARTITIONS },
    createTopics: true,
    sinks: [{ type: 'kafka', topic: `${name}-samples`, format: 'json' }],
    sideOutputs: { late: `${name}-late`, orphans: `${name}-orphans`, deadLetters: `${name}-dead` },
  }
  const node = { kafka: { brokers: [brokers] }, dataDir: join(folder, 'data'), control: { port: 0 } }
  await writeFile(join(folder, 'pipeline.yaml'), stringify(pipeline))
  await writeFile(join(folder, 'node.yaml'), stringify(node))
}

/** Sources are keyed by item, not by user. */
class TrafficOf {
  views = 0
  private readonly loader: Loader
  private readonly topics: { readonly views: string; readonly clicks: string }
  private readonly delayMs: number
  private readonly clicks: { readonly dueMs: number; readonly v: string; readonly u: string; readonly i: string }[] = []

  constructor(loader: Loader, topics: { readonly views: string; readonly clicks: string }, downMs: number) {
    this.loader = loader
    this.topics = topics
    // Of what settles the second round is the first that can tell.
    this.delayMs = downMs + 2 * SETTLE_MS
  }

  async run(forMs: number): Promise<void> {
    const untilMs = Date.now() + forMs
    while (Date.now() < untilMs) {
      await this.step(true)
      await sleep(STEP_MS)
    }
  }

  /** The clicks of all views that were sent. */
  async finish(): Promise<void> {
    while (this.clicks.length > 0) {
      await this.step(false)
      await sleep(STEP_MS)
    }
  }

  private async step(hasViews: boolean): Promise<void> {
    const nowMs = Date.now()
    if (hasViews) {
      const view = { v: `v${this.views}`, u: `u${this.views % 17}`, i: `i${this.views % 5}` }
      this.views++
      this.clicks.push({ ...view, dueMs: nowMs + this.delayMs })
      await this.send(this.topics.views, { ...view, t: nowMs })
    }
    while (this.clicks.length > 0 && this.clicks[0].dueMs <= nowMs) {
      const { v, u, i } = this.clicks.shift()!
      await this.send(this.topics.clicks, { v, u, i, t: nowMs })
    }
  }

  private send(
    topic: string,
    event: { readonly v: string; readonly u: string; readonly i: string; readonly t: number },
  ): Promise<void> {
    return this.loader.send(topic, [{ key: event.i, value: Buffer.from(JSON.stringify(event)), stampMs: event.t }])
  }
}

function repartitioner(program: string, folder: string): { kill(): Promise<void> } {
  const args = [join(program, 'dist/cli/main.js'), 'repartition', '--config', folder]
  const child = spawn(process.execPath, args, { stdio: 'ignore' })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    kill() {
      child.kill('SIGKILL')
      return gone
    },
  }
}

/** Once the node has taken what was written before the kill. */
async function settled(traffic: TrafficOf, url: string): Promise<readonly number[]> {
  let last: readonly number[] = []
  for (let rounds = 0; rounds < SETTLE_ROUNDS; rounds++) {
    await traffic.run(SETTLE_MS)
    const now = await watermarksOf(url)
    if (String(now) === String(last)) return now
    last = now
  }
  throw new Error(`time goes on though nobody repartitions: ${last.join()}`)
}

async function haveTime(url: string): Promise<boolean> {
  return (await watermarksOf(url)).filter((ms) => ms !== UNKNOWN).length === PARTITIONS
}

async function watermarksOf(url: string): Promise<readonly number[]> {
  return (await partitionsOf(url)).map(({ watermarkMs }) => watermarkMs ?? UNKNOWN)
}

async function partitionsOf(url: string): Promise<NodeStatus['partitions']> {
  return ((await (await fetch(`${url}/status`)).json()) as NodeStatus).partitions
}

async function sealed(node: NodeProcess, url: string, views: number): Promise<void> {
  for (;;) {
    if (!node.isRunning) throw new Error(`the node ended by itself:\n${node.tail()}`)
    const { total } = (await (await fetch(`${url}/ledger`)).json()) as { total: Record<string, number> }
    if (total.samples >= views && total.pending === 0) break
    await sleep(STEP_MS)
  }
  if ((await node.terminate()) !== 0) throw new Error(`the node did not end in order:\n${node.tail()}`)
}

async function samplesIn(brokers: string, topic: string): Promise<Map<string, number>> {
  const records = (await dumpTopics(brokers, [topic])).get(topic)!
  const samples = records.map(
    ({ value }) => JSON.parse(value.toString()) as { sample_id: string; labels: { click: number } },
  )
  return new Map(samples.map(({ sample_id: id, labels }) => [id, labels.click]))
}
