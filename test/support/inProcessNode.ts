/**
 * A node in the test's own process, over a log that outlives it (the embedded one, or Kafka): for faults that only the
 * public hooks, or the log's port, can put in. It is a CrashWorld, so what must hold is checked as after kills.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, Node } from '../../src/cluster/node.ts'
import { setUp } from '../../src/cluster/setup.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import { loadConfig } from '../../src/config/load.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { LEDGER_FIELDS, type LedgerField } from '../../src/join/ledger.ts'
import type { BeforeRecord } from '../../src/join/turn.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import type { Log, Writer } from '../../src/log/port.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import type { SnapshotStore } from '../../src/snapshots/port.ts'
import { type Delivery, GROUP, PARTITIONS, TOPICS, writeConfig } from './crashPipeline.ts'
import type { CommitState, CrashWorld, LogRecord } from './crashWorld.ts'
import { readLog } from './embeddedWorld.ts'
import type { RawEvent } from './traffic.ts'

const LOOK_EVERY_MS = 10
/** Long, so that a busy machine does not lose its partitions in the middle of a test. */
const SESSION = '20s'
const SILENT = { info() {}, warn() {}, error() {} }

export interface InProcessOptions {
  readonly journal: JournalStore
  readonly isJournalOn: boolean
  readonly state?: string
  readonly beforeRecord?: BeforeRecord
  /** Where snapshots are shared, at every commit. */
  readonly snapshots?: SnapshotStore
  readonly logger?: Logger
}

/** Where the log is Kafka. */
export interface OnKafka {
  readonly brokers: string
  readonly delivery: Delivery
  /** Absent: long. */
  readonly sessionTimeout?: string
}

export class InProcessWorld implements CrashWorld {
  readonly brokers: string | undefined
  readonly takesGarbage = true
  nodeUrl: string | undefined
  node: Node | undefined
  sent = 0
  private readonly folder: string
  private readonly log: Log
  private readonly writer: Writer
  private readonly delivery: Delivery | undefined
  private readonly sessionTimeout: string

  static async open(folder: string): Promise<InProcessWorld> {
    const log = await openEmbeddedLog({
      folder: join(folder, 'data/log'),
      fsyncMs: 0,
      segmentBytes: 64 * 2 ** 20,
      retentionMs: Number.MAX_SAFE_INTEGER,
      partitions: PARTITIONS,
    })
    return new InProcessWorld(folder, log, await log.writer())
  }

  /** A fresh broker: the topics have the names of the crash tests' pipeline. */
  static async onKafka(folder: string, log: Log, kafka: OnKafka): Promise<InProcessWorld> {
    await log.createTopics(TOPICS.map((topic) => ({ topic, partitions: PARTITIONS })))
    return new InProcessWorld(folder, log, await log.writer(), kafka)
  }

  private constructor(folder: string, log: Log, writer: Writer, kafka?: OnKafka) {
    this.folder = folder
    this.log = log
    this.writer = writer
    this.brokers = kafka?.brokers
    this.delivery = kafka?.delivery
    this.sessionTimeout = kafka?.sessionTimeout ?? SESSION
  }

  async start(options: InProcessOptions): Promise<Node> {
    const { journal, isJournalOn, state, beforeRecord, snapshots, logger = SILENT } = options
    const folder = join(this.folder, 'config')
    const { brokers, delivery, sessionTimeout } = this
    const node = {
      ...(brokers === undefined ? {} : { kafka: { brokers: [brokers], group: GROUP, sessionTimeout } }),
      snapshots: snapshots && { to: 'folder', folder: 'share', every: '100ms' },
    }
    await writeConfig(folder, { brokers, delivery, dataFolder: join(this.folder, 'data'), isJournalOn, state, node })
    const config = loadConfig(folder, {})
    const { sources, limits } = config.pipeline
    const readers = await Promise.all(sources.map((source) => openSourceReader(source, limits)))
    const { log } = this
    await setUp({ log, config, readers, logger })
    this.node = new Node({ config, id: 'node-1', log, readers, logger, journal, beforeRecord, snapshots })
    await Promise.race([this.node.start(), this.node.failed])
    await Promise.race([this.live(), this.node.failed])
    return this.node
  }

  async stop(): Promise<void> {
    const { node } = this
    this.node = undefined
    if (node !== undefined) await node.stop()
  }

  async send(events: readonly RawEvent[]): Promise<void> {
    const batches = new Map<string, { topic: string; partition: number; builder: RecordBatchBuilder }>()
    for (const { source, user, arrivalMs, value } of events) {
      const key = Buffer.from(user)
      const partition = partitionOf(murmur2(key, 0, key.length), PARTITIONS)
      const place = `${source} ${partition}`
      let batch = batches.get(place)
      if (batch === undefined) {
        batch = { topic: TOPICS[source], partition, builder: new RecordBatchBuilder({ compression: 'none' }) }
        batches.set(place, batch)
      }
      batch.builder.add(arrivalMs, key, 0, key.length, value, 0, value.length)
    }
    await Promise.all(
      [...batches.values()].map(({ topic, partition, builder }) =>
        this.writer.append(topic, partition, builder.finish()),
      ),
    )
    this.sent += events.length
  }

  private async live(): Promise<void> {
    while (!this.node!.partitions.every(({ isLive }) => isLive)) await sleep(LOOK_EVERY_MS)
  }

  /** The node's count, summed over its partitions. */
  count(field: LedgerField): number {
    const at = LEDGER_FIELDS.indexOf(field)
    return (this.node?.partitions ?? []).reduce((sum, { state }) => sum + state.ledger[at], 0)
  }

  /** Resolves when the node has joined all that was sent; rejects when it fails. */
  async joined(): Promise<void> {
    const isThrough = async (): Promise<void> => {
      while (this.count('records') < this.sent) await sleep(LOOK_EVERY_MS)
    }
    await Promise.race([isThrough(), this.node?.failed])
    // Records are counted as they come; their turns may still be under way.
    await Promise.all((this.node?.partitions ?? []).map((partition) => partition.drained()))
  }

  usersByPartition(): readonly string[] {
    const users: string[] = []
    for (let k = 0; Object.keys(users).length < PARTITIONS; k++) {
      const key = Buffer.from(`closing-${k}`)
      users[partitionOf(murmur2(key, 0, key.length), PARTITIONS)] ??= key.toString()
    }
    return users
  }

  async committed(): Promise<readonly CommitState[]> {
    return this.log.committed(GROUP, TOPICS)
  }

  async rollBack(): Promise<void> {
    throw new Error('a log in the same process is not rolled back')
  }

  readAll(topic: string): Promise<readonly LogRecord[]> {
    return readLog(this.log, topic)
  }

  async close(): Promise<void> {
    await this.stop()
    await this.writer.close()
    await this.log.close()
  }
}
