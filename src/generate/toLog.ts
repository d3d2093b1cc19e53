/**
 * Generated events into the topics of a log, as a producer would write them: keyed by user, in the partition that the
 * key gives.
 */
import type { Pipeline } from '../config/model.ts'
import { murmur2, partitionOf } from '../join/hash.ts'
import type { Log, Writer } from '../log/port.ts'
import { BatchedTopic } from '../sinks/batches.ts'
import type { GeneratedEvent } from './event.ts'
import { RecordError, RecordMaker } from './record.ts'
import type { Target } from './target.ts'

const MAX_BUFFERED_BYTES = 8 << 20

export class LogTarget implements Target {
  readonly partitions: number
  private readonly makers: readonly RecordMaker[]
  private readonly topics: readonly BatchedTopic[]
  private readonly writer: Writer
  private readonly nowMs: () => number

  /** Makes missing topics with `createPartitions`, where that is given. */
  static async open(
    log: Log,
    pipeline: Pipeline,
    seed: number,
    createPartitions: number | undefined,
    nowMs: () => number = Date.now,
  ): Promise<LogTarget> {
    const partitions = await sourceTopics(log, pipeline, createPartitions)
    return new LogTarget(pipeline, seed, partitions, await log.writer(), nowMs)
  }

  private constructor(pipeline: Pipeline, seed: number, partitions: number, writer: Writer, nowMs: () => number) {
    this.partitions = partitions
    this.writer = writer
    this.nowMs = nowMs
    this.makers = pipeline.sources.map((source) => new RecordMaker(source, seed))
    this.topics = pipeline.sources.map((source) => new BatchedTopic(source.topic, 'lz4', writer))
  }

  send(source: number, event: GeneratedEvent): Promise<void> | undefined {
    const key = Buffer.from(event.key)
    const value = this.makers[source].encode(event)
    const partition = partitionOf(murmur2(key, 0, key.length), this.partitions)
    this.topics[source].add(partition, this.nowMs(), key, 0, key.length, value, 0, value.length)
    const bufferedBytes = this.topics.reduce((sum, topic) => sum + topic.bufferedBytes, 0)
    return bufferedBytes > MAX_BUFFERED_BYTES ? this.flush() : undefined
  }

  async flush(): Promise<void> {
    await Promise.all(this.topics.map((topic) => topic.flush()))
  }

  async close(): Promise<void> {
    await this.flush()
    await this.writer.close()
  }
}

async function sourceTopics(log: Log, pipeline: Pipeline, createPartitions: number | undefined): Promise<number> {
  const names = pipeline.sources.map((source) => source.topic)
  const found = await log.topics(names)
  const missing = names.filter((name) => !found.some((info) => info.topic === name))
  if (missing.length > 0 && createPartitions === undefined) {
    throw new RecordError(`no such topic: ${missing.join(', ')}; make it, or set createTopics: true`)
  }
  const partitions = found[0]?.partitions ?? createPartitions!
  const other = found.find((info) => info.partitions !== partitions)
  if (other !== undefined) {
    throw new RecordError(
      `${found[0].topic} has ${partitions} partitions and ${other.topic} ${other.partitions}: a user's events must be in the same partition of all`,
    )
  }
  if (missing.length > 0) await log.createTopics(missing.map((topic) => ({ topic, partitions })))
  return partitions
}
