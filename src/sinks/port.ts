/**
 * The sink port: where samples go. Implementations: `kafka.ts`, `file.ts`.
 *
 * Contract: what `flush` has resolved for is durable: a kill -9 after it loses none of it. `add` copies. What was added
 * and not yet flushed may or may not be there after a crash; it is sent again, with the same ids and bytes.
 */
export interface SampleSink {
  /** Why it cannot hold the sample; undefined where it can. Asked before each `add`. */
  refusal(
    key: Buffer,
    keyAt: number,
    keyLength: number,
    value: Buffer,
    valueAt: number,
    valueLength: number,
  ): string | undefined
  /** Adds one sample: the record's key (user id as text) and the encoded sample. */
  add(
    partition: number,
    key: Buffer,
    keyAt: number,
    keyLength: number,
    value: Buffer,
    valueAt: number,
    valueLength: number,
    stampMs: number,
  ): void
  /** Starts sending what was added for the partition, without waiting. */
  push(partition: number): void
  /** Resolves when all that was added (for the partition, or at all) is durable; rejects if it cannot be. */
  flush(partition?: number): Promise<void>
  /** Forgets what was added for the partition and is not durable: it is made again. */
  discard(partition: number): void
  /** Bytes added and not yet durable. */
  readonly bufferedBytes: number
  close(): Promise<void>
}
