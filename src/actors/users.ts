/**
 * A partition's user actors: spawned when a user first has something to do, given one turn a batch, restarted by their
 * supervisor, passivated when idle and memory asks for it.
 *
 * Owns: the partition's supervisor (a nact actor, parent of the user actors, which is never sent a message: nact copies
 * a parent's children for each), and the table from a user's block to its actor.
 *
 * Invariants: a user has at most one live actor; an actor is passivated only between batches, when it is not busy.
 *
 * How it fails: a turn that throws is rolled back and the user's state rebuilt by `onCrash`; then nact resets the actor
 * and the turn runs again. A batch is done when every turn is.
 */
import { type ActorSystemRef, type Ref, spawnStateless, stop } from 'nact'
import * as B from '../join/blocks.ts'
import * as L from '../join/layout.ts'
import type { JoinState } from '../join/state.ts'
import type { Slice } from './slice.ts'
import { actorOf, type NactActor, slimParent, TURN, type TurnMessage, UserActor, type UserBehaviour } from './user.ts'

/** What a live actor was measured to take of the heap. */
export const ACTOR_BYTES = 160

/** Rebuilds a user's state after a failed turn; resolves with the user's (new) block once it is whole again. */
export type CrashHandler = (user: number, error: unknown) => Promise<number>

export class Users implements UserBehaviour {
  live = 0
  restarts = 0
  passivated = 0
  /** Sees each user right before its turn. */
  beforeTurn: ((user: number) => void) | undefined
  private readonly state: JoinState
  private readonly takeTurn: (user: number) => void
  private readonly onCrash: CrashHandler
  private readonly supervisorRef: Ref<unknown>
  private readonly supervisor: NactActor
  private readonly actors: (UserActor | undefined)[] = []
  private readonly freeSlots: number[] = []
  private waiting: Promise<void>[] = []
  private hand = 0

  constructor(
    system: ActorSystemRef,
    name: string,
    state: JoinState,
    takeTurn: (user: number) => void,
    onCrash: CrashHandler,
  ) {
    this.state = state
    this.takeTurn = takeTurn
    this.onCrash = onCrash
    this.supervisorRef = spawnStateless(system as never, () => {}, name) as Ref<unknown>
    this.supervisor = actorOf(this.supervisorRef)
    slimParent(this.supervisor)
  }

  /** Gives every touched user its turn, in slices. Resolves when all are done, those that crashed too. */
  async turns(slice: Slice): Promise<void> {
    const { length } = this.state.touched
    for (let k = this.turnsFrom(0, slice); k < length; k = this.turnsFrom(k, slice)) await slice.next()
    if (this.waiting.length === 0) return
    const waiting = this.waiting
    this.waiting = []
    await Promise.all(waiting)
  }

  /** One slice, as long as nobody crashes: a user is rebuilt only when all others have had their turns. */
  private turnsFrom(first: number, slice: Slice): number {
    const { items, length } = this.state.touched
    for (let k = first; k < length; k++) {
      if (this.beforeTurn !== undefined) this.beforeTurn(items[k])
      this.actorFor(items[k]).tell(TURN)
      if (slice.isOver() && this.waiting.length === 0) return k + 1
    }
    return length
  }

  turn(user: number): void {
    this.takeTurn(user)
  }

  /** nact's supervision: the decision (reset) comes once the user's state is whole; the turn is then the next message. */
  async crashed(actor: UserActor, message: TurnMessage, error: unknown): Promise<void> {
    this.restarts++
    const slot = B.u32(this.state.arena, actor.user, L.U_ACTOR)
    const retry = message.retry ?? this.waitForRetry()
    try {
      actor.user = await this.onCrash(actor.user, error)
      B.setU32(this.state.arena, actor.user, L.U_ACTOR, slot)
      actor.tell(retry)
    } catch (fatal) {
      retry.failed?.(fatal)
    }
  }

  /** The message with which a failed turn is tried again, as often as it takes; the batch waits for its end. */
  private waitForRetry(): TurnMessage {
    const retry: { done?: () => void; failed?: (error: unknown) => void; retry?: TurnMessage } = {}
    retry.retry = retry
    this.waiting.push(
      new Promise((resolve, reject) => {
        retry.done = resolve
        retry.failed = reject
      }),
    )
    return retry
  }

  private actorFor(user: number): UserActor {
    const { arena } = this.state
    const slot = B.u32(arena, user, L.U_ACTOR)
    if (slot !== 0) return this.actors[slot - 1]!
    const actor = new UserActor(this.supervisor, B.userText(arena, user), user, this)
    const free = this.freeSlots.pop() ?? this.actors.push(undefined) - 1
    this.actors[free] = actor
    B.setU32(arena, user, L.U_ACTOR, free + 1)
    this.live++
    return actor
  }

  isLive(user: number): boolean {
    return B.u32(this.state.arena, user, L.U_ACTOR) !== 0
  }

  /**
   * Has a user's actor look at its records, between two of its turns; false where the user has none. An actor that is
   * being restarted looks when it is whole again.
   */
  look(user: number, look: (user: number) => void): boolean {
    const slot = B.u32(this.state.arena, user, L.U_ACTOR)
    if (slot === 0) return false
    this.actors[slot - 1]!.tell({ look })
    return true
  }

  /** Actors that are being restarted, and what waits in their mailboxes: nothing else ever does. */
  get mailboxes(): { busyActors: number; messages: number } {
    const found = { busyActors: 0, messages: 0 }
    for (const actor of this.actors) {
      if (actor === undefined) continue
      if (actor.busy) found.busyActors++
      found.messages += actor.waitingMessages
    }
    return found
  }

  /** Stops a user's actor between batches; the user's block, if it stays, knows of none. */
  passivate(user: number): void {
    const slot = B.u32(this.state.arena, user, L.U_ACTOR)
    if (slot === 0) return
    this.actors[slot - 1]!.stop()
    this.actors[slot - 1] = undefined
    this.freeSlots.push(slot - 1)
    B.setU32(this.state.arena, user, L.U_ACTOR, 0)
    this.live--
    this.passivated++
  }

  /**
   * Goes round the live actors (a clock hand) and hands to `visit` users untouched since batch `before`, until
   * `visit` says enough or all were seen.
   */
  idle(before: number, visit: (user: number) => boolean): void {
    for (let seen = 0; seen < this.actors.length; seen++) {
      this.hand = (this.hand + 1) % this.actors.length
      const actor = this.actors[this.hand]
      if (actor === undefined) continue
      if (B.u32(this.state.arena, actor.user, L.U_TOUCHED) > before) continue
      if (!visit(actor.user)) return
    }
  }

  stop(): void {
    stop(this.supervisorRef)
  }
}
