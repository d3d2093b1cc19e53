/**
 * A node in the test's own process over an embedded log, with generated events whose answer is known: what the tests of
 * looking inside look at.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Node } from '../../src/cluster/node.ts'
import { openJournal, openLog } from '../../src/cluster/open.ts'
import { rulesOf } from '../../src/cluster/rules.ts'
import { setUp } from '../../src/cluster/setup.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import type { ControlConfig } from '../../src/config/model.ts'
import { committedAsOf } from '../../src/explain/asOf.ts'
import { openSampleTopic } from '../../src/explain/emission.ts'
import type { ExplainerOptions } from '../../src/explain/explain.ts'
import type { Answer } from '../../src/generate/event.ts'
import { planGeneration, type Wishes } from '../../src/generate/plan.ts'
import { runGeneration } from '../../src/generate/run.ts'
import { LogTarget } from '../../src/generate/toLog.ts'
import { type ControlLogger, type ControlServer, startControlServer } from '../../src/inspect/server.ts'
import { LEDGER_FIELDS, type LedgerField } from '../../src/join/ledger.ts'
import type { BeforeRecord } from '../../src/join/turn.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import type { Log } from '../../src/log/port.ts'
import { BatchedTopic } from '../../src/sinks/batches.ts'
import { type Event, type WorldOptions, writeWorld } from './pageWorld.ts'
import { type TempDir, tempDir } from './tempDir.ts'
import { until } from './until.ts'

const SILENT = { info() {}, warn() {}, error() {} }
const CONTROL: ControlConfig = { host: '127.0.0.1', port: 0, mask: false, requestsPerS: 1e6 }

export interface ServeOptions {
  readonly control?: Partial<ControlConfig>
  readonly logger?: ControlLogger
  readonly beforeRecord?: BeforeRecord
}

export interface InsideOptions {
  /** Written for this world: a pipeline of JSON events. Default: the project's own configuration. */
  readonly pipeline?: WorldOptions
  readonly env?: Readonly<Record<string, string>>
}

export class InsideWorld {
  readonly config: Config
  readonly log: Log
  readonly readers: readonly SourceReader[]
  node!: Node
  private readonly folder: TempDir
  private readonly journal: JournalStore

  static async open({ pipeline, env = {} }: InsideOptions = {}): Promise<InsideWorld> {
    const folder = await tempDir()
    const configFolder = pipeline === undefined ? 'config' : await writeWorld(folder.path, pipeline)
    const config = loadConfig(configFolder, { POSTVIEW_DATA_DIR: join(folder.path, 'data'), ...env })
    const log = await openLog(config, 'inside', SILENT)
    const { sources, limits } = config.pipeline
    const readers = await Promise.all(sources.map((source) => openSourceReader(source, limits)))
    await setUp({ log, config, readers, logger: SILENT })
    return new InsideWorld(folder, config, log, readers, await openJournal(config, SILENT))
  }

  private constructor(
    folder: TempDir,
    config: Config,
    log: Log,
    readers: readonly SourceReader[],
    journal: JournalStore,
  ) {
    this.folder = folder
    this.config = config
    this.log = log
    this.readers = readers
    this.journal = journal
  }

  get topics(): readonly string[] {
    return this.config.pipeline.sources.map(({ topic }) => topic)
  }

  async start(beforeRecord?: BeforeRecord): Promise<Node> {
    const { config, log, readers, journal } = this
    this.node = new Node({ config, id: 'node-1', log, readers, logger: SILENT, journal, beforeRecord })
    await Promise.race([this.node.start(), this.node.failed])
    return this.node
  }

  /** Starts the node with its control server, which whoever asked for it closes. */
  async serve({ control, logger = SILENT, beforeRecord }: ServeOptions = {}): Promise<ControlServer> {
    const node = await this.start(beforeRecord)
    return startControlServer({
      node,
      inside: { node },
      readers: this.readers,
      control: { ...CONTROL, ...control },
      dataDir: this.config.node.dataDir,
      version: '1',
      logger,
    })
  }

  /** To explain from the log alone, as it is once the node has stopped. */
  async explainerOptions(): Promise<ExplainerOptions> {
    const { log, config, readers, topics } = this
    return {
      log,
      pipeline: config.pipeline,
      rules: rulesOf(config),
      readers,
      samples: await openSampleTopic(config.pipeline),
      asOf: (partition) => committedAsOf(log, config.node.group, topics, partition),
      nowMs: () => performance.now(),
    }
  }

  /** Writes events to the log. Returns the answer of each view but the closing ones, by sample id. */
  async generate(wishes: Partial<Wishes>, close = true, nowMs = Date.now()): Promise<Map<string, Answer>> {
    const { config, log } = this
    const all = {
      views: 500,
      users: 25,
      seed: 3,
      spanMs: 3_600_000,
      engagementRate: 0.5,
      duplicates: 0.1,
      repeats: 0.2,
    }
    const plan = planGeneration(config.pipeline, { ...all, ...wishes }, nowMs)
    const target = await LogTarget.open(log, config.pipeline, wishes.seed ?? 3, config.node.embedded.partitions)
    const answers = new Map<string, Answer>()
    await runGeneration(plan, target, {
      close,
      nowMs: () => performance.now(),
      sleep,
      onAnswer: (answer) => {
        if (!answer.isClosing) answers.set(answer.sampleId, answer)
        return undefined
      },
      onProgress: () => {},
    })
    await target.close()
    return answers
  }

  /** Appends events to a source as they are, each a batch of its own, whether a node runs or not. Of one partition. */
  async append(source: number, ...events: readonly Event[]): Promise<void> {
    return this.appendTo(0, source, ...events)
  }

  /** To this partition, whosever the events are. */
  async appendTo(partition: number, source: number, ...events: readonly Event[]): Promise<void> {
    const writer = await this.log.writer()
    const topic = new BatchedTopic(this.topics[source], 'none', writer)
    for (const event of events) {
      const [key, value] = [Buffer.from(event.user_id), Buffer.from(JSON.stringify(event))]
      topic.add(partition, event.event_time, key, 0, key.length, value, 0, value.length)
      await topic.flush()
    }
    await writer.close()
  }

  count(field: LedgerField): number {
    const at = LEDGER_FIELDS.indexOf(field)
    return this.node.partitions.reduce((sum, { state }) => sum + state.ledger[at], 0)
  }

  /** Resolves when the count is reached; rejects when the node fails or it takes too long. */
  async reached(field: LedgerField, atLeast: number): Promise<void> {
    const seen = until(
      () => `${atLeast} ${field}, there are ${this.count(field)}`,
      () => this.count(field) >= atLeast,
    )
    await Promise.race([seen, this.node.failed])
  }

  /** Stops the node and closes its log, so that another process could open it. */
  async release(): Promise<void> {
    await this.node?.stop()
    await this.journal.close()
    await this.log.close()
  }

  async close(): Promise<void> {
    await this.release()
    await this.folder.remove()
  }
}
