/**
 * Commits of offsets with metadata, straight through the consumer group's own offset manager.
 *
 * Traps: `consumer.commitOffsets` returns as if it had committed when the consumer is not running (also before its first
 * generation is in force). And Kafka does not check that a member owns what it commits: one that lost a partition and
 * stayed in the group could move it. So ownership is the caller's check (reader.ts), and the generation is that of the
 * offset manager at the time of the call: a rebalance meanwhile ends in NOT_OWNER.
 *
 * How it fails: NOT_OWNER as said; FAILED when the coordinator does not answer for about half a minute.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CommitEntry, LogError } from '../port.ts'
import { isPassing, toLogError } from './errors.ts'
import type { ConsumerGroup, OffsetEntry } from './internals.ts'

const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 3_000
const GIVE_UP_AFTER_MS = 30_000

export async function commitEntries(
  group: ConsumerGroup,
  entries: readonly CommitEntry[],
  isOver: () => boolean,
): Promise<void> {
  const manager = group.offsetManager
  if (manager === null) throw new LogError('NOT_OWNER', 'a commit before the group was joined')
  const deadlineMs = performance.now() + GIVE_UP_AFTER_MS
  const request = { topics: byTopic(entries) }
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await manager.commitOffsets(request)
    } catch (error) {
      if (!isPassing(error) || isOver() || performance.now() > deadlineMs) {
        throw toLogError(error, `committing ${entries.length} offsets of group ${group.groupId}`)
      }
    }
    await sleep(waitMs)
    // The coordinator may have moved; where it cannot be asked for now, the next try asks again.
    const coordinator = await group.cluster.findGroupCoordinator({ groupId: group.groupId }).catch(() => null)
    if (coordinator !== null) manager.coordinator = coordinator
  }
}

export function byTopic(entries: readonly CommitEntry[]): { topic: string; partitions: OffsetEntry[] }[] {
  const topics = new Map<string, OffsetEntry[]>()
  for (const { topic, partition, offset, metadata } of entries) {
    const partitions = topics.get(topic) ?? []
    partitions.push({ partition, offset: String(offset), metadata })
    topics.set(topic, partitions)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}
