/**
 * The journal on RocksDB: one database for a node, its partitions told apart by their keys (keys.ts). How it opens and
 * fails: open.ts and database.ts.
 */
import { resolve } from 'node:path'
import type { Database } from './database.ts'
import { payloadOf } from './frame.ts'
import { Keys } from './keys.ts'
import { type JournalLogger, type OpenedDatabase, openDatabase } from './open.ts'
import { JournalError, type JournalStore, type PartitionJournal } from './port.ts'
import { RocksPartition } from './rocksPartition.ts'

export interface RocksJournalOptions {
  readonly folder: string
  /** Memory for what is not yet in files: at most three times this. */
  readonly writeBufferBytes?: number
  readonly logger?: JournalLogger
}

const WRITE_BUFFER_BYTES = 16 * 2 ** 20

/** A damaged mark is dealt with when its partition is opened. */
function readable(key: Buffer, value: Buffer): Buffer | null {
  try {
    return payloadOf(key, value, 'the mark')
  } catch {
    return null
  }
}

export async function openRocksJournal(options: RocksJournalOptions): Promise<JournalStore> {
  const folder = resolve(options.folder)
  const opened = await openDatabase(folder, options.writeBufferBytes ?? WRITE_BUFFER_BYTES, options.logger)
  return new RocksStore(opened, options.logger)
}

class RocksStore implements JournalStore {
  readonly movedAside: number
  private readonly database: Database
  private readonly logger: JournalLogger | undefined
  private readonly open = new Map<number, RocksPartition>()
  private closing: Promise<void> | null = null

  constructor(opened: OpenedDatabase, logger?: JournalLogger) {
    this.database = opened.database
    this.movedAside = opened.movedAside
    this.logger = logger
  }

  get broken(): JournalError | null {
    return this.database.broken
  }

  async partition(partition: number): Promise<PartitionJournal> {
    if (this.closing) throw new JournalError('CLOSED', 'journal: closed')
    if (this.open.has(partition)) throw new JournalError('LOCKED', `journal: partition ${partition} is open already`)
    const journal = new RocksPartition(this.database, partition, () => this.open.delete(partition))
    this.open.set(partition, journal)
    try {
      const whole = await journal.begin()
      if (!whole) this.logger?.warn({ partition }, 'the journal of a partition is damaged: it begins empty')
    } catch (error) {
      await journal.close()
      throw error
    }
    return journal
  }

  async marks(count: number): Promise<readonly (Buffer | null)[]> {
    const keys = Array.from({ length: count }, (_, partition) => new Keys(partition).mark)
    const values = await this.database.read('segments', keys)
    return values.map((value, i) => value && readable(keys[i], value))
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll()
    return this.closing
  }

  private async closeAll(): Promise<void> {
    for (const journal of [...this.open.values()]) await journal.close()
    await this.database.close()
  }
}
