/**
 * A chunk: the records of one fetch of one topic partition, flat.
 *
 * Owns: `bytes`, in which every key and value lies, and the columns that say where. One chunk is a handful of
 * allocations however many records it has: objects per record are what a JavaScript join dies of.
 *
 * Invariants:
 * 1. Offsets ascend. `nextOffset` is the position after the chunk: above the last record, and above what was left
 *    out (control records, aborted transactions), so that a chunk with no records still moves the position.
 * 2. A length of -1 means null.
 * 3. Who takes a chunk may give its bytes back (`release`), once, when nothing reads them any more; who keeps any of them
 *    longer than the chunk's join has made a copy.
 */
export interface RawChunk {
  readonly topic: string
  readonly partition: number
  /** The log's high watermark when the chunk was fetched; -1 if unknown. */
  readonly highWatermark: number
  readonly nextOffset: number
  readonly count: number
  readonly bytes: Buffer
  readonly offset: Float64Array
  /** The records' timestamps, milliseconds. */
  readonly stampMs: Float64Array
  readonly keyAt: Int32Array
  readonly keyLength: Int32Array
  readonly valueAt: Int32Array
  readonly valueLength: Int32Array
  /** Headers of record i, encoded as Kafka encodes them (count varint, then key and value); length 0 where there are none. */
  readonly headersAt: Int32Array
  readonly headersLength: Int32Array
  /** Gives `bytes` back: they may be another chunk's afterwards, or empty. Absent where that is the collector's. */
  readonly release?: () => void
}
