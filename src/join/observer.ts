/**
 * Who watches a join: told of each decision as it is made, with the numbers that it was made by. For explanations, which
 * so come from the join itself and not from a second copy of its rules.
 *
 * Invariants: an observer changes nothing; addresses that it is handed are good until it returns. A join without one
 * pays a comparison a decision.
 */
import type { Verdict } from './decide.ts'
import type { EventBatch } from './event.ts'

export interface JoinObserver {
  /** Record i is a view that was not known: it is pending now. */
  viewTaken(batch: EventBatch, i: number, view: number): void
  /** Record i repeats a view that is known. */
  viewRepeated(batch: EventBatch, i: number, known: number, conflict: boolean): void
  /** Record i is an engagement, undecided now. */
  engagementTaken(batch: EventBatch, i: number, engagement: number): void
  /** Record i repeats an engagement that is undecided, or bound to a pending view. */
  engagementRepeated(batch: EventBatch, i: number, known: number): void
  /** An engagement is decided, in the batch's advance number `fire`. */
  decided(engagement: number, verdict: Verdict, fire: number): void
  /** A view is sealed; its labels lie in row `row` of the state's. */
  sealed(view: number, fire: number, row: number): void
}
