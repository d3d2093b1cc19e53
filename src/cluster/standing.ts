/**
 * What this node has to tell its group, and when it changes: its name and address never, what it owns and what its
 * journal holds with every assignment.
 */
import { decodeMark } from '../actors/note.ts'
import type { Pipeline } from '../config/model.ts'
import { JournalError, type JournalStore } from '../journal/port.ts'
import { encodeMember } from './member.ts'
import { readVersion } from './version.ts'

export interface StandingOptions {
  readonly id: string
  /** The data folder's name (member.ts). */
  readonly folder: string
  /** Where the others reach this node. */
  readonly url: string
  readonly pipeline: Pick<Pipeline, 'fingerprint' | 'digests'>
  /** Partitions whose state lies in memory. */
  readonly owned: () => readonly number[]
}

export class Standing {
  private readonly options: StandingOptions
  private readonly held = new Set<number>()

  constructor(options: StandingOptions) {
    this.options = options
  }

  /** Looks what an earlier run has left in the journal; what is of another pipeline is of no use. */
  async lookInto(journal: JournalStore, partitionCount: number): Promise<void> {
    const marks = await journal.marks(partitionCount).catch((error: Error) => {
      // Whatever is wrong with it is told where its partitions are opened.
      if (error instanceof JournalError) return []
      throw error
    })
    marks.forEach((mark, partition) => {
      const { fingerprint } = this.options.pipeline
      if (mark !== null && decodeMark(mark)?.fingerprint === fingerprint) this.held.add(partition)
    })
  }

  /** The journal has something of this partition from now on. */
  holds(partition: number): void {
    this.held.add(partition)
  }

  /** As the group's members are told it. */
  info(): Buffer {
    const { id, folder, url, pipeline, owned } = this.options
    const { fingerprint, digests } = pipeline
    const version = readVersion()
    return encodeMember({ id, folder, url, version, fingerprint, digests, owns: owned(), holds: [...this.held] })
  }
}
