/**
 * Whose decisions in the dead letters hold, for who begins from a commit.
 *
 * A decision that the log alone does not give is a dead letter. Who lost the partition without knowing it yet, and never
 * committed, may write one after its successor has read them back: that one joins the event all the same. Whoever
 * comes then must not believe the letter, or the view is pending nowhere and gets no sample.
 *
 * Invariants:
 * 1. Of events that the commit holds, those decisions hold that its owner made or had read back.
 * 2. Of events beyond it, those of anybody: nobody who committed has joined them.
 *    Whoever was killed before a first commit is not told from one who lost the partition: where it decided of an event
 *    that the commit holds, that is decided anew.
 * 3. What holds of an earlier owner is a run of its letters from the first on, so that one number says it in a commit.
 */
import type { Position } from './position.ts'
import type { Decision } from './quarantine.ts'

/** What a commit says of it. */
export type Believing = Pick<Position, 'sources' | 'owner' | 'believed' | 'deadLettersFrom'>

export class Belief {
  private readonly at: Believing
  /** By source: what the commit holds lies below. */
  private readonly offsets: readonly number[]
  private readonly doubted = new Set<string>()

  constructor(topics: readonly string[], at: Believing) {
    this.at = at
    this.offsets = topics.map((topic) => at.sources.get(topic)!.offset)
  }

  /** Asked for in the order of the dead letters. */
  holds({ source, offset, owner }: Decision, deadOffset: number): boolean {
    const { at, doubted } = this
    if (at.believed === undefined || owner === at.owner || deadOffset < (at.believed.get(owner) ?? 0)) return true
    if (offset >= this.offsets[source] && !doubted.has(owner)) return true
    doubted.add(owner)
    return false
  }
}
