/**
 * The journals of a node's partitions, with the memory that state may take: all of it where there is no journal to move
 * it to.
 *
 * Invariant: a partition whose journal was found damaged while it ran begins anew with an empty one, once; after that the
 * disk is not to be trusted. The folder is moved aside at the node's next start (journal/open.ts).
 *
 * How it fails: opening does not. Where the journal cannot be used the log must do, and that is told.
 */
import type { Config } from '../config/load.ts'
import { noPartitionJournal } from '../journal/none.ts'
import { isDamage, type JournalStore, type PartitionJournal } from '../journal/port.ts'
import type { Standing } from './standing.ts'

export interface JournalsOptions {
  readonly config: Config
  readonly store: JournalStore
  /** Partitions that share the node's memory. */
  readonly shares: number
  readonly standing: Standing
  readonly warn: (message: string, error: Error, fields: object) => void
}

export interface OpenedJournal {
  readonly journal: PartitionJournal
  readonly stateBytes: number
}

export class Journals {
  private readonly options: JournalsOptions
  /** By partition, what was found while it ran; null once its journal has begun anew. */
  private readonly damaged = new Map<number, Error | null>()

  constructor(options: JournalsOptions) {
    this.options = options
  }

  /** Whether the partition, given up and built again, can go on after this. */
  mayBeginAnew(index: number, error: Error): boolean {
    if (!isDamage(error) || this.damaged.has(index)) return false
    this.damaged.set(index, error)
    return true
  }

  async open(index: number): Promise<OpenedJournal> {
    const { config, store, shares, standing, warn } = this.options
    const none = { journal: noPartitionJournal(), stateBytes: Number.POSITIVE_INFINITY }
    if (!config.node.journal) return none
    let journal: PartitionJournal | undefined
    try {
      journal = await store.partition(index)
      await this.emptyIfDamaged(index, journal)
      standing.holds(index)
      return { journal, stateBytes: Math.floor(config.node.memory.stateBytes / shares) }
    } catch (error) {
      const message = 'the journal cannot be used: state must fit memory, and starts replay the log'
      warn(message, error as Error, { partition: index })
      // Left open it could never be opened again.
      await journal?.close().catch(() => {})
      return none
    }
  }

  private async emptyIfDamaged(index: number, journal: PartitionJournal): Promise<void> {
    const damage = this.damaged.get(index)
    if (damage == null) return
    await journal.clear()
    this.damaged.set(index, null)
    this.options.warn('the journal of a partition was found damaged: it begins empty', damage, { partition: index })
  }
}
