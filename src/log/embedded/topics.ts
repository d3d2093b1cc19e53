/**
 * The topics of an embedded log: a folder each, with topic.json and a folder a partition.
 *
 * Invariant: a topic's folder gets its name only when it is whole and durable. Names are Kafka's own, so that none can
 * point outside.
 *
 * Fails: LogError UNKNOWN_TOPIC for what does not exist, FAILED for names and partition counts that cannot be,
 * CORRUPT where topic.json is not what was written.
 */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { z } from 'zod'
import { LogError, type TopicInfo, type TopicSpec } from '../port.ts'
import { replaceFile, syncFolder } from './files.ts'
import type { PartitionLog } from './partition.ts'
import { openPartition } from './recover.ts'

export interface TopicsOptions {
  readonly folder: string
  readonly fsyncMs: number
  readonly segmentBytes: number
  readonly retentionMs: number
  readonly nowMs: () => number
  readonly onTorn: (topic: string, partition: number, tornBytes: number) => void
}

interface Topic {
  readonly info: TopicInfo
  readonly partitions: readonly PartitionLog[]
}

const TOPIC_NAME = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/
const UNFINISHED = '~'
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
const MAX_PARTITIONS = 10_000
const SETTINGS_FILE = 'topic.json'
const settingsShape = z.object({
  partitions: z.int().min(1).max(MAX_PARTITIONS),
  settings: z.record(z.string(), z.string()),
})

export class Topics {
  private readonly options: TopicsOptions
  private readonly byName = new Map<string, Topic>()
  /** What is being opened, for `close` to find if that fails half-way. */
  private opening: Topic | null = null
  private creating: Promise<void> = Promise.resolve()

  private constructor(options: TopicsOptions) {
    this.options = options
  }

  static async open(options: TopicsOptions): Promise<Topics> {
    const topics = new Topics(options)
    await mkdir(options.folder, { recursive: true })
    try {
      for (const name of await readdir(options.folder)) {
        if (name.startsWith(UNFINISHED)) await rm(`${options.folder}/${name}`, { recursive: true, force: true })
        else if (TOPIC_NAME.test(name)) await topics.openTopic(name)
      }
    } catch (error) {
      await topics.close()
      throw error
    }
    return topics
  }

  get(name: string): Topic | undefined {
    return this.byName.get(name)
  }

  need(name: string): Topic {
    const topic = this.byName.get(name)
    if (topic === undefined) throw new LogError('UNKNOWN_TOPIC', `there is no topic ${JSON.stringify(name)}`)
    return topic
  }

  partition(name: string, partition: number): PartitionLog {
    const log = this.need(name).partitions[partition]
    if (log === undefined) throw new LogError('UNKNOWN_TOPIC', `topic ${name} has no partition ${partition}`)
    return log
  }

  /** Makes the topic; one that exists stays as it is. */
  async create(spec: TopicSpec): Promise<void> {
    const created = this.creating.then(() => this.createNext(spec))
    this.creating = created.catch(() => {})
    await created
  }

  private async createNext(spec: TopicSpec): Promise<void> {
    if (this.byName.has(spec.topic)) return
    checkSpec(spec)
    const { folder } = this.options
    const unfinished = `${folder}/${UNFINISHED}${spec.topic}`
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished)
    const content = { partitions: spec.partitions, settings: spec.settings ?? {} }
    await replaceFile(unfinished, SETTINGS_FILE, `${JSON.stringify(content, null, 2)}\n`)
    await rename(unfinished, `${folder}/${spec.topic}`)
    await syncFolder(folder)
    await this.openTopic(spec.topic)
  }

  async deleteExpired(): Promise<void> {
    for (const log of this.all()) await log.deleteExpired()
  }

  async close(): Promise<void> {
    await this.creating
    const halfOpen = this.opening?.partitions ?? []
    await Promise.all([...this.all(), ...halfOpen].map((log) => log.close()))
    this.byName.clear()
  }

  private all(): PartitionLog[] {
    return [...this.byName.values()].flatMap((topic) => topic.partitions)
  }

  private async openTopic(name: string): Promise<void> {
    const { options } = this
    const folder = `${options.folder}/${name}`
    const { partitions, settings } = await readSettings(`${folder}/${SETTINGS_FILE}`)
    const given = new Map(Object.entries(settings))
    const retentionMs = numberOf(given.get('retention.ms'), options.retentionMs)
    const maxBatchBytes = numberOf(given.get('max.message.bytes'), DEFAULT_MAX_MESSAGE_BYTES)
    const logs: PartitionLog[] = []
    const info = { topic: name, partitions, settings: withDefaults(given, retentionMs, maxBatchBytes) }
    this.opening = { info, partitions: logs }
    for (let partition = 0; partition < partitions; partition++) {
      const { log, tornBytes } = await openPartition({
        ...options,
        topic: name,
        partition,
        folder: `${folder}/${partition}`,
        retentionMs: retentionMs < 0 ? Number.POSITIVE_INFINITY : retentionMs,
        maxBatchBytes,
      })
      logs.push(log)
      if (tornBytes > 0) options.onTorn(name, partition, tornBytes)
    }
    await syncFolder(folder)
    this.byName.set(name, this.opening)
    this.opening = null
  }
}

function checkSpec({ topic, partitions }: TopicSpec): void {
  if (!TOPIC_NAME.test(topic)) {
    throw new LogError(
      'FAILED',
      `${JSON.stringify(topic)} is no topic name: letters, digits, '.', '_' and '-', at most 249`,
    )
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS) {
    throw new LogError('FAILED', `topic ${topic}: ${partitions} is no number of partitions (1 to ${MAX_PARTITIONS})`)
  }
}

async function readSettings(path: string): Promise<z.infer<typeof settingsShape>> {
  try {
    return settingsShape.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw new LogError('CORRUPT', `${path} does not say what the topic is: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function withDefaults(given: Map<string, string>, retentionMs: number, maxBytes: number): ReadonlyMap<string, string> {
  const retention = Number.isFinite(retentionMs) ? String(retentionMs) : '-1'
  return new Map([
    ['cleanup.policy', 'delete'],
    ['message.timestamp.type', 'CreateTime'],
    ...given,
    ['retention.ms', retention],
    ['max.message.bytes', String(maxBytes)],
  ])
}

function numberOf(text: string | undefined, otherwise: number): number {
  const number = text === undefined ? Number.NaN : Number(text)
  return Number.isFinite(number) ? number : otherwise
}
