/**
 * The batches of one request, by partition, none larger than the topic takes.
 *
 * Invariant: records of one partition keep their order, within a batch and over batches.
 */
import { partitionOf } from '../join/hash.ts'
import type { TopicInfo } from '../log/port.ts'
import { type EncodedBatch, RecordBatchBuilder } from '../log/recordBatch/builder.ts'

/** Uncompressed, of one batch. */
const BATCH_BYTES = 512 * 1024
/** What a batch of one record has beside its key and value, at most. */
const OVERHEAD_BYTES = 128
const DEFAULT_MAX_MESSAGE_BYTES = 1_000_000

export class Lanes {
  readonly maxBytes: number
  private readonly partitions: number
  private readonly builders = new Map<number, RecordBatchBuilder>()
  private readonly finished: { partition: number; batch: EncodedBatch }[] = []

  constructor(info: TopicInfo) {
    this.partitions = info.partitions
    this.maxBytes = Number(info.settings.get('max.message.bytes') ?? DEFAULT_MAX_MESSAGE_BYTES)
  }

  /** The batch to which a record of this size (key and value) goes; undefined where the topic takes none so large. */
  builderFor(userHash: number, recordBytes: number): RecordBatchBuilder | undefined {
    const sizeBytes = recordBytes + OVERHEAD_BYTES
    if (sizeBytes > this.maxBytes) return undefined
    const partition = partitionOf(userHash, this.partitions)
    let builder = this.builders.get(partition)
    if (builder === undefined) {
      builder = new RecordBatchBuilder({ compression: 'none' })
      this.builders.set(partition, builder)
    } else if (builder.count > 0 && builder.sizeBytes + sizeBytes > Math.min(BATCH_BYTES, this.maxBytes)) {
      this.finished.push({ partition, batch: builder.finish() })
    }
    return builder
  }

  /** All batches; those of one partition in their order. */
  finish(): readonly { partition: number; batch: EncodedBatch }[] {
    for (const [partition, builder] of this.builders) {
      if (builder.count > 0) this.finished.push({ partition, batch: builder.finish() })
    }
    return this.finished
  }
}
