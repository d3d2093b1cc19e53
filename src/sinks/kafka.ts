/**
 * Samples to a topic of the log: the same partition number as their events, keyed by user id, so that one trainer owns a
 * user end to end.
 */
import type { Compression } from '../config/model.ts'
import type { Writer } from '../log/port.ts'
import { BatchedTopic, type BatchedTopicOptions } from './batches.ts'
import type { SampleSink } from './port.ts'

export class KafkaSink implements SampleSink {
  private readonly batches: BatchedTopic

  /** `node`: told with each batch, so that it can be said later who emitted a sample. */
  constructor(topic: string, compression: Compression, writer: Writer, options: BatchedTopicOptions) {
    this.batches = new BatchedTopic(topic, compression, writer, options)
  }

  get bufferedBytes(): number {
    return this.batches.bufferedBytes
  }

  refusal(
    key: Buffer,
    keyAt: number,
    keyLength: number,
    value: Buffer,
    valueAt: number,
    valueLength: number,
  ): string | undefined {
    return this.batches.refusal(key, keyAt, keyLength, value, valueAt, valueLength)
  }

  add(
    partition: number,
    key: Buffer,
    keyAt: number,
    keyLength: number,
    value: Buffer,
    valueAt: number,
    valueLength: number,
    stampMs: number,
  ): void {
    this.batches.add(partition, stampMs, key, keyAt, keyLength, value, valueAt, valueLength)
  }

  push(partition: number): void {
    this.batches.push(partition)
  }

  flush(partition?: number): Promise<void> {
    return this.batches.flush(partition)
  }

  discard(partition: number): void {
    this.batches.discard(partition)
  }

  async close(): Promise<void> {
    await this.batches.flush()
  }
}
