/**
 * What this node committed last of each partition, so that after a rebalance it can tell whether a partition stayed its
 * own. Pure.
 *
 * Kafka's generation does not tell it: a process that slept past its session comes back into the group, is given the
 * partition again, and another had it meanwhile. But whoever had it and got somewhere has committed; so the state in
 * memory stands exactly if the commit found is one that this node made (or found when it began). A commit of unknown
 * outcome counts as made: memory is at or beyond it.
 */
import type { CommitEntry, Committed, Reader } from '../log/port.ts'

export class LastCommits {
  private readonly known = new Map<number, { acknowledged: string; tried: string }>()

  /** These were found when the partition was built. */
  found(partition: number, committed: readonly Committed[]): void {
    const text = textOf(partition, committed)
    this.known.set(partition, { acknowledged: text, tried: text })
  }

  /** Commits all sources of some partitions, and remembers it. */
  async commit(entries: readonly CommitEntry[], reader: Pick<Reader, 'commit'>): Promise<void> {
    this.trying(entries)
    await reader.commit(entries)
    this.acknowledged(entries)
  }

  private trying(entries: readonly CommitEntry[]): void {
    for (const partition of numbersIn(entries)) {
      const text = textOf(partition, entries)
      this.known.set(partition, { acknowledged: this.known.get(partition)?.acknowledged ?? text, tried: text })
    }
  }

  private acknowledged(entries: readonly CommitEntry[]): void {
    for (const partition of numbersIn(entries)) {
      const text = textOf(partition, entries)
      this.known.set(partition, { acknowledged: text, tried: text })
    }
  }

  /** Whether nobody else has committed anything of this partition since. */
  isOwn(partition: number, committed: readonly Committed[]): boolean {
    const known = this.known.get(partition)
    const text = textOf(partition, committed)
    return known !== undefined && (known.acknowledged === text || known.tried === text)
  }
}

function numbersIn(entries: readonly CommitEntry[]): Set<number> {
  return new Set(entries.map(({ partition }) => partition))
}

/** A commit of one partition as one text; what was never committed is left out. */
function textOf(partition: number, entries: readonly CommitEntry[]): string {
  const own = entries.filter((entry) => entry.partition === partition && entry.offset >= 0)
  return JSON.stringify(own.map(({ topic, offset, metadata }) => [topic, offset, metadata]).sort())
}
