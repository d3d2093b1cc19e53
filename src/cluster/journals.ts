/**
 * A partition's journal as a node opens it, with the memory that state may take: all of it where there is no journal to
 * move it to.
 *
 * How it fails: it does not. Where the journal cannot be used the log must do, and that is told.
 */
import type { Config } from '../config/load.ts'
import { noPartitionJournal } from '../journal/none.ts'
import type { JournalStore, PartitionJournal } from '../journal/port.ts'
import type { Standing } from './standing.ts'

export interface JournalOptions {
  readonly config: Config
  readonly store: JournalStore
  /** Partitions that share the node's memory. */
  readonly shares: number
  readonly standing: Standing
  readonly warn: (message: string, error: Error) => void
}

export async function openPartitionJournal(
  index: number,
  { config, store, shares, standing, warn }: JournalOptions,
): Promise<{ readonly journal: PartitionJournal; readonly stateBytes: number }> {
  const none = { journal: noPartitionJournal(), stateBytes: Number.POSITIVE_INFINITY }
  if (!config.node.journal) return none
  try {
    const journal = await store.partition(index)
    standing.holds(index)
    return { journal, stateBytes: Math.floor(config.node.memory.stateBytes / shares) }
  } catch (error) {
    warn('the journal cannot be used: state must fit memory, and starts replay the log', error as Error)
    return none
  }
}
