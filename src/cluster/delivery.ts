/**
 * How output and offsets become durable together: at least once, or exactly once. What a node asks of either.
 */
import type { Partition } from '../actors/partition.ts'
import type { Capture } from '../actors/partitionOptions.ts'
import { entriesOf } from '../actors/position.ts'
import type { CommitEntry, Committed, Writer } from '../log/port.ts'
import type { Durations } from '../time/durations.ts'

/** How long output is waited for before a rebalance and a stop: what is not durable then is made again by the next owner. */
export const REVOKE_PATIENCE_MS = 10_000
export const STOP_PATIENCE_MS = 3_000

export interface Delivery {
  /** Where all output goes. */
  readonly writer: Writer
  /** Commits so far. */
  readonly commits: number
  /** Begins to commit every so often. */
  start(): void
  stop(): void
  /** Commits before the next tick of the clock: somebody waits for it. */
  commitSoon(): void
  /** Commits what is joined by now, as far as it is durable in time. Never rejects; resolves true if it was all. */
  commitNow(patienceMs: number): Promise<boolean>
  /** Of partitions that are held and given again: those whose state still stands, since nobody had them meanwhile. */
  keep(partitions: readonly number[]): Promise<readonly number[]>
  /** Of an assignment, before anything of these partitions is read. */
  takeOver(partitions: readonly number[]): Promise<void>
  /** The commits to recover these partitions from. */
  committed(partitions: readonly number[]): Promise<readonly Committed[]>
  /** The start of partitions that have no commit yet. Rejects with NOT_OWNER or FENCED where they are another's. */
  commitFirst(entries: readonly CommitEntry[]): Promise<void>
  /** The partition is given up: what it made and is not committed may be forgotten. */
  giveUp(partition: number): Promise<void>
  close(): Promise<void>
}

export interface DeliveryOptions {
  readonly everyMs: number
  readonly topics: readonly string[]
  readonly partitions: () => readonly Partition[]
  readonly onFailed: (error: Error) => void
  readonly onTrouble: (error: Error, times: number) => void
  /** Told of each commit: from the capture to its acknowledgement; of it, until all output was durable. */
  readonly times: { readonly commitTimes: Durations; readonly flushTimes: Durations }
}

/** What a commit says of a partition, once its output is durable. */
export function capturedEntries(partition: Partition, { position }: Capture): readonly CommitEntry[] {
  return entriesOf({ ...position, ...partition.readBack }, partition.index)
}
