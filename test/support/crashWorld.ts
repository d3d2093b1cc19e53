/**
 * What surrounds a node that is killed: the log that outlives it. One interface for the real broker (kafkaWorld.ts) and
 * the embedded log (embeddedWorld.ts), so that one test runs on both.
 */
import type { RawEvent } from './traffic.ts'

/** A record of any topic. */
export interface LogRecord {
  readonly partition: number
  readonly offset: number
  readonly stampMs: number
  readonly key: Buffer | null
  readonly value: Buffer
  readonly headers: ReadonlyMap<string, string>
}

/** Of one topic partition. */
export interface CommitState {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly metadata: string
}

export interface CrashWorld {
  readonly brokers: string | undefined
  /** Whether records that cannot be decoded can get in at all. */
  readonly takesGarbage: boolean
  /** Is told where the node of the moment can be asked; undefined while there is none. */
  nodeUrl: string | undefined
  /** Resolves when all are durable, in their order within a partition. Waits out a node that is down. */
  send(events: readonly RawEvent[]): Promise<void>
  /** User ids, one for each partition, in their order. */
  usersByPartition(): readonly string[]
  committed(): Promise<readonly CommitState[]>
  /** Makes the group's commits what they were. No node may run. */
  rollBack(commits: readonly CommitState[]): Promise<void>
  /** The topic from its beginning to its present end. The embedded log can be read only while no node runs. */
  readAll(topic: string): Promise<readonly LogRecord[]>
  close(): Promise<void>
}

/** The ledger's counts in a commit's metadata, summed over partitions. */
export function committedLedger(commits: readonly CommitState[], topic: string): number[] {
  const sums: number[] = []
  for (const commit of commits) {
    if (commit.topic !== topic || commit.metadata === '') continue
    const { l } = JSON.parse(commit.metadata) as { l: number[] }
    l.forEach((count, field) => {
      sums[field] = (sums[field] ?? 0) + count
    })
  }
  return sums
}
