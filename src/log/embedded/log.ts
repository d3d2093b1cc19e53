/**
 * The embedded log: Kafka's stand-in in files, for one process.
 *
 *   folder/lock.PID.BIRTH                    which process has it
 *   folder/topics/TOPIC/topic.json           partitions and settings
 *   folder/topics/TOPIC/PARTITION/BASE.log   record batches, as Kafka's own segments hold them
 *   folder/commits/GROUP.json                committed offsets and metadata
 *
 * Invariants: what was answered is durable; one process has the folder at a time; after `close` nothing is written.
 * Fails: as its parts say; a torn tail found on opening is cut off, counted in `tornBytes` and warned of.
 */
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { RawChunk } from '../chunk.ts'
import {
  type Committed,
  type GroupView,
  type Log,
  LogError,
  type PartitionEnds,
  type Reader,
  type ReaderOptions,
  type TopicInfo,
  type TopicSpec,
  type Writer,
} from '../port.ts'
import { readRecordBatches } from '../recordBatch/reader.ts'
import { Commits } from './commits.ts'
import { syncFolder } from './files.ts'
import { type FolderLock, lockFolder } from './lock.ts'
import { EmbeddedReader, type ReaderHost } from './reader.ts'
import { Topics } from './topics.ts'

export interface EmbeddedLogOptions {
  readonly folder: string
  /** How long appends may wait for each other before they are made durable and answered; 0: not at all. */
  readonly fsyncMs: number
  readonly segmentBytes: number
  readonly retentionMs: number
  /** What callers of createTopics take where nothing else is said. */
  readonly partitions: number
  readonly logger?: { warn(fields: object, message: string): void }
  readonly nowMs?: () => number
}

const RETENTION_EVERY_MS = 30_000
const RANGE_READ_BYTES = 1 << 20
/** Of a batch read outside any reader, which would have brought its own limit. */
const RANGE_INFLATED_BYTES = 256 << 20

export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const folder = resolve(options.folder)
  await mkdir(folder, { recursive: true })
  const lock = await lockFolder(folder)
  try {
    return await EmbeddedLog.open({ ...options, folder }, lock)
  } catch (error) {
    await lock.release()
    throw error
  }
}

export class EmbeddedLog implements Log {
  readonly kind = 'embedded'
  readonly defaultPartitions: number
  /** Bytes that opening has cut off torn ends. */
  readonly tornBytes: number
  private readonly topicLogs: Topics
  private readonly commits: Commits
  private readonly lock: FolderLock
  private readonly readers = new Map<string, EmbeddedReader>()
  private readonly retention: NodeJS.Timeout
  private closing: Promise<void> | null = null

  private constructor(partitions: number, topics: Topics, commits: Commits, lock: FolderLock, tornBytes: number) {
    this.defaultPartitions = partitions
    this.tornBytes = tornBytes
    this.topicLogs = topics
    this.commits = commits
    this.lock = lock
    this.retention = setInterval(() => void topics.deleteExpired().catch(() => {}), RETENTION_EVERY_MS)
    this.retention.unref()
  }

  static async open(options: EmbeddedLogOptions, lock: FolderLock): Promise<EmbeddedLog> {
    let tornBytes = 0
    const commits = await Commits.open(`${options.folder}/commits`)
    const topics = await Topics.open({
      folder: `${options.folder}/topics`,
      fsyncMs: options.fsyncMs,
      segmentBytes: options.segmentBytes,
      retentionMs: options.retentionMs,
      nowMs: options.nowMs ?? Date.now,
      onTorn: (topic, partition, bytes) => {
        tornBytes += bytes
        options.logger?.warn({ topic, partition, tornBytes: bytes }, 'the log ended in a torn batch, which is cut off')
      },
    })
    await syncFolder(options.folder)
    return new EmbeddedLog(options.partitions, topics, commits, lock, tornBytes)
  }

  async topics(names: readonly string[]): Promise<readonly TopicInfo[]> {
    this.checkOpen()
    return names.flatMap((name) => this.topicLogs.get(name)?.info ?? [])
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.checkOpen()
    for (const spec of specs) await this.topicLogs.create(spec)
  }

  async ends(topics: readonly string[]): Promise<readonly PartitionEnds[]> {
    this.checkOpen()
    return topics
      .flatMap((name) => this.topicLogs.need(name).partitions)
      .map(({ topic, partition, low, high }) => ({ topic, partition, low, high }))
  }

  async committed(group: string, topics: readonly string[]): Promise<readonly Committed[]> {
    this.checkOpen()
    const partitions = topics.flatMap((name) => this.topicLogs.need(name).partitions)
    const commits = await this.commits.group(group)
    return partitions.map(({ topic, partition }) => {
      const { offset = -1, metadata = '' } = commits.get(topic, partition) ?? {}
      return { topic, partition, offset, metadata }
    })
  }

  /** The only member there can be is the reader of this process. */
  async members(group: string): Promise<GroupView> {
    this.checkOpen()
    const member = this.readers.get(group)?.member
    return member === undefined ? { state: 'empty', members: [] } : { state: 'stable', members: [member] }
  }

  async *readRange(
    topic: string,
    partition: number,
    from: number,
    to: number,
    fetchBytes = RANGE_READ_BYTES,
  ): AsyncIterable<RawChunk> {
    this.checkOpen()
    const log = this.topicLogs.partition(topic, partition)
    for (let position = from; position < to; ) {
      const bytes = await log.read(position, fetchBytes)
      if (bytes.length === 0) return
      const chunk = readRecordBatches(bytes, {
        topic,
        partition,
        fromOffset: position,
        highWatermark: log.high,
        maxInflatedBytes: RANGE_INFLATED_BYTES,
      })
      position = chunk.nextOffset
      yield position <= to ? chunk : cutAt(chunk, to)
    }
  }

  reader(options: ReaderOptions): Reader {
    this.checkOpen()
    return new EmbeddedReader(this.host(), options)
  }

  async writer(): Promise<Writer> {
    this.checkOpen()
    let closed = false
    const pending = new Set<Promise<number>>()
    return {
      append: async (topic, partition, batch) => {
        if (closed) throw new LogError('CLOSED', 'the writer is closed')
        this.checkOpen()
        const appending = this.topicLogs.partition(topic, partition).append(batch)
        pending.add(appending)
        return appending.finally(() => pending.delete(appending))
      },
      close: async () => {
        closed = true
        await Promise.allSettled(pending)
      },
    }
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private async shutDown(): Promise<void> {
    clearInterval(this.retention)
    await Promise.all([...this.readers.values()].map((reader) => reader.close()))
    await this.topicLogs.close()
    await this.lock.release()
  }

  private host(): ReaderHost {
    return {
      topics: this.topicLogs,
      commits: this.commits,
      enter: (group, reader) => {
        this.checkOpen()
        if (this.readers.has(group)) throw new LogError('FAILED', `group ${group} already has a reader in this process`)
        this.readers.set(group, reader)
      },
      leave: (group, reader) => {
        if (this.readers.get(group) === reader) this.readers.delete(group)
      },
    }
  }

  private checkOpen(): void {
    if (this.closing !== null) throw new LogError('CLOSED', 'the log is closed')
  }
}

/** The chunk without its records from `to` on. */
function cutAt(chunk: RawChunk, to: number): RawChunk {
  let { count } = chunk
  while (count > 0 && chunk.offset[count - 1] >= to) count--
  return { ...chunk, count, nextOffset: to }
}
