/**
 * A node that repartitions, in the test's own process over an embedded log: two sources of JSON events keyed by item, in
 * three partitions each, joined from one consolidated topic.
 *
 * `send` puts each event where its item hashes. Event times are the test's own; silence moves no clock, so `close` sends
 * what moves every source partition's clock on.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { Node } from '../../src/cluster/node.ts'
import { openJournal, openLog } from '../../src/cluster/open.ts'
import { setUp } from '../../src/cluster/setup.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { LEDGER_FIELDS, type LedgerField } from '../../src/join/ledger.ts'
import type { BeforeRecord } from '../../src/join/turn.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import type { Log, Writer } from '../../src/log/port.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { headersOf } from '../../src/log/recordBatch/headers.ts'
import { joinReaders, startRepartitioner } from '../../src/repartition/open.ts'
import { decodeClocks } from '../../src/repartition/origin.ts'
import type { Repartitioner } from '../../src/repartition/repartitioner.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { until } from '../support/until.ts'

export const T = 1_700_000_000_000
export const PARTITIONS = 3
export const SOURCES = ['views', 'clicks'] as const

const LOOK_EVERY_MS = 20
const WITHIN_MS = 30_000
const SILENT = { info() {}, warn() {}, error() {} }
const PIPELINE = {
  name: 'rewritten',
  sources: {
    views: { topic: 'views', format: { type: 'json' }, fields: fieldsWith({ viewId: 'v' }) },
    engagements: [
      { topic: 'clicks', format: { type: 'json' }, fields: fieldsWith({ viewId: 'v', type: { const: 'click' } }) },
    ],
  },
  labels: { click: { on: 'click', within: '10s' } },
  time: { outOfOrderness: '1s', allowedLateness: '0s', idleAfter: '1h', maxClockSkew: 'off' },
  repartition: { topic: 'all' },
  sinks: [{ type: 'kafka', topic: 'samples', format: 'json' }],
  sideOutputs: { late: 'late', orphans: 'orphans', deadLetters: 'dead' },
}

function fieldsWith(more: object): object {
  return { userId: 'u', itemId: 'i', time: { field: 't', unit: 'ms' }, ...more }
}

export interface SentEvent {
  readonly source: (typeof SOURCES)[number]
  readonly v?: string
  readonly u?: string
  readonly i: string
  readonly t: number
}

export interface SentPlace {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface Found {
  readonly partition: number
  readonly value: Buffer
  readonly headers: ReadonlyMap<string, string>
}

export class RepartitionWorld {
  readonly config: Config
  readonly log: Log
  readonly sources: readonly SourceReader[]
  node!: Node
  repartitioner!: Repartitioner
  private readonly dir: TempDir
  private readonly writer: Writer
  private journal!: JournalStore

  static async open(): Promise<RepartitionWorld> {
    const dir = await tempDir()
    const folder = join(dir.path, 'config')
    await mkdir(folder)
    await writeFile(join(folder, 'pipeline.yaml'), stringify(PIPELINE))
    const node = { dataDir: join(dir.path, 'data'), embedded: { partitions: PARTITIONS }, commitEvery: '100ms' }
    await writeFile(join(folder, 'node.yaml'), stringify(node))
    const config = loadConfig(folder, {})
    const log = await openLog(config, 'test', SILENT)
    const { sources: specs, limits } = config.pipeline
    const sources = await Promise.all(specs.map((source) => openSourceReader(source, limits)))
    await setUp({ log, config, readers: joinReaders(config.pipeline, sources), logger: SILENT })
    return new RepartitionWorld(dir, config, log, sources, await log.writer())
  }

  private constructor(dir: TempDir, config: Config, log: Log, sources: readonly SourceReader[], writer: Writer) {
    this.dir = dir
    this.config = config
    this.log = log
    this.sources = sources
    this.writer = writer
  }

  /** `readLog`: what the repartitioner takes for the log. */
  async start(beforeRecord?: BeforeRecord, readLog = this.log): Promise<void> {
    const { config, log, sources } = this
    const readers = joinReaders(config.pipeline, sources)
    this.journal = await openJournal(config, SILENT)
    this.node = new Node({ config, id: 'node-1', log, readers, logger: SILENT, journal: this.journal, beforeRecord })
    await Promise.race([this.node.start(), this.node.failed])
    this.repartitioner = await startRepartitioner({ config, log: readLog, readers: sources, logger: SILENT })
  }

  async stop(): Promise<void> {
    await this.repartitioner.stop()
    await this.node.stop()
    await this.journal.close()
  }

  /** Gives where each lies. An event without a user cannot be read. */
  async send(events: readonly SentEvent[]): Promise<SentPlace[]> {
    const lanes = new Map<string, { topic: string; partition: number; members: number[] }>()
    for (const [n, { source, i }] of events.entries()) {
      const key = Buffer.from(i)
      const partition = partitionOf(murmur2(key, 0, key.length), PARTITIONS)
      const lane = lanes.get(`${source} ${partition}`) ?? { topic: source, partition, members: [] }
      lane.members.push(n)
      lanes.set(`${source} ${partition}`, lane)
    }
    const places: SentPlace[] = []
    for (const { topic, partition, members } of lanes.values()) {
      const sent = members.map((n) => events[n]).map(({ source: _, ...event }) => event)
      const base = await this.put(topic, partition, sent)
      for (const [k, n] of members.entries()) places[n] = { topic, partition, offset: base + k }
    }
    return places
  }

  /** Moves the clock of every source partition to this event time. */
  async close(timeMs: number): Promise<void> {
    for (const source of SOURCES) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const event = { v: `closing ${source} ${partition} ${timeMs}`, u: 'closing', i: 'closing', t: T + timeMs }
        await this.put(source, partition, [event])
      }
    }
  }

  count(field: LedgerField): number {
    const at = LEDGER_FIELDS.indexOf(field)
    return this.node.partitions.reduce((sum, { state }) => sum + state.settled[at], 0)
  }

  async reached(field: LedgerField, count: number): Promise<void> {
    const seen = until(
      () => `${count} ${field}, there are ${this.count(field)}`,
      () => this.count(field) >= count,
      { withinMs: WITHIN_MS },
    )
    await Promise.race([seen, this.node.failed, this.repartitioner.failed])
  }

  /** Resolves when all clocks were told again in every partition, behind what lies there now. */
  async toldAgain(): Promise<void> {
    for (const { partition, high } of await this.log.ends(['all'])) {
      while (!(await this.tellsAll(partition, high))) await sleep(LOOK_EVERY_MS)
    }
  }

  async readAll(topic: string): Promise<Found[]> {
    const found: Found[] = []
    for (const { partition, low, high } of await this.log.ends([topic])) {
      if (low === high) continue
      for await (const chunk of this.log.readRange(topic, partition, low, high)) {
        for (let i = 0; i < chunk.count; i++) {
          const value = Buffer.from(chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i]))
          const headers = new Map(headersOf(chunk, i).map(([name, text]) => [name, String(text)]))
          found.push({ partition, value, headers })
        }
      }
    }
    return found
  }

  async remove(): Promise<void> {
    await this.writer.close()
    await this.log.close()
    await this.dir.remove()
  }

  private async tellsAll(partition: number, from: number): Promise<boolean> {
    const { high } = (await this.log.ends(['all'])).find((end) => end.partition === partition)!
    if (high <= from) return false
    for await (const chunk of this.log.readRange('all', partition, from, high)) {
      for (let i = 0; i < chunk.count; i++) {
        const told = decodeClocks(chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i]))
        if (told?.length === SOURCES.length * PARTITIONS) return true
      }
    }
    return false
  }

  /** Gives where the first lies. */
  private put(topic: string, partition: number, events: readonly { readonly i: string }[]): Promise<number> {
    const builder = new RecordBatchBuilder({ compression: 'none' })
    for (const event of events) {
      const key = Buffer.from(event.i)
      const value = Buffer.from(JSON.stringify(event))
      builder.add(T, key, 0, key.length, value, 0, value.length)
    }
    return this.writer.append(topic, partition, builder.finish())
  }
}
