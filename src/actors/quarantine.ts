/**
 * Decisions that the log alone does not give (an event ahead of the clock, an event that crashed its actor twice): kept
 * by where the event lies, with where in the dead letters the decision is written down, so that recovery skips those
 * events, in replay and live (SEMANTICS.md section 5).
 */
interface Entry {
  readonly source: number
  readonly offset: number
  /** Of another owner of the partition, by whom it was decided. */
  readonly owner?: string
  /** Where it lies in the dead letters; NaN while it is being written. */
  deadOffset: number
}

/** A decision that was read back: where the event lies, and who decided. */
export type Decision = Required<Omit<Entry, 'deadOffset'>>

export class Quarantine {
  private readonly sources: Map<number, Entry>[]
  /** Dead letters on their way, in their order: undefined for those that the log alone would give again. */
  private readonly sent: (Entry | undefined)[] = []
  private next: number

  constructor(sources: number, deadLettersFrom: number) {
    this.sources = Array.from({ length: sources }, () => new Map())
    this.next = deadLettersFrom
  }

  has(source: number, offset: number): boolean {
    const entries = this.sources[source]
    return entries.size > 0 && entries.has(offset)
  }

  /** A dead letter goes out. */
  write(source: number, offset: number, decided: boolean): void {
    const entry = decided ? { source, offset, deadOffset: Number.NaN } : undefined
    if (entry !== undefined) this.sources[source].set(offset, entry)
    this.sent.push(entry)
  }

  /** The next `count` dead letters lie from `baseOffset` on. */
  written(baseOffset: number, count: number): void {
    for (let k = 0; k < count; k++) {
      const entry = this.sent.shift()
      if (entry !== undefined) entry.deadOffset = baseOffset + k
    }
    this.next = baseOffset + count
  }

  restore(decision: Decision, deadOffset: number): void {
    this.sources[decision.source].set(decision.offset, { ...decision, deadOffset })
    this.next = Math.max(this.next, deadOffset + 1)
  }

  /** Forgets what lies below the offsets that replay starts from. */
  prune(neededFrom: readonly number[]): void {
    this.sources.forEach((entries, source) => {
      for (const offset of entries.keys()) if (offset < neededFrom[source]) entries.delete(offset)
    })
  }

  /** Of each earlier owner whose decisions are still needed: up to where in the dead letters they hold (belief.ts). */
  private get believed(): ReadonlyMap<string, number> {
    const upTo = new Map<string, number>()
    for (const entries of this.sources) {
      for (const { owner, deadOffset } of entries.values()) {
        if (owner !== undefined) upTo.set(owner, Math.max(upTo.get(owner) ?? 0, deadOffset + 1))
      }
    }
    return upTo
  }

  /** From where, and of whom, the dead letters are to be read back by whoever begins from a commit. */
  get readBack(): { readonly deadLettersFrom: number; readonly believed: ReadonlyMap<string, number> } {
    return { deadLettersFrom: this.readBackFrom, believed: this.believed }
  }

  /** The dead-letter offset from which the decisions still needed are read back. */
  private get readBackFrom(): number {
    let lowest = this.next
    for (const entries of this.sources) {
      for (const entry of entries.values()) if (entry.deadOffset < lowest) lowest = entry.deadOffset
    }
    return lowest
  }
}
