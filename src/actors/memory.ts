/**
 * A partition's memory: how much state and how many actors it keeps, and what goes when there is too much.
 *
 * State beyond the limit: the users idle longest move to the journal, with their actors. Live actors beyond theirs: the
 * idle ones are passivated, their state stays. Only users whose state an acknowledged commit stands behind can move
 * (store.ts, invariant 2); where there are none, the partition waits for the next commit.
 */

import { isEmptyUser } from '../join/batch.ts'
import * as B from '../join/blocks.ts'
import { dropUser } from '../join/evolve.ts'
import * as L from '../join/layout.ts'
import type { JoinState } from '../join/state.ts'
import type { Spill } from './spill.ts'
import type { Store } from './store.ts'
import { ACTOR_BYTES, type Users } from './users.ts'

export interface MemoryLimits {
  readonly stateBytes: number
  readonly actorBytes: number
}

/** Users moved in one write. */
const TOGETHER = 512
/** How far below a limit there is room again. */
const ROOM = 0.9
/** Beyond this share of the limit the partition waits for a commit rather than take more. */
const STARVED = 1.25
/** A user's share of the limit. */
const SHARE = 1 / 8
/** Users touched in the last so many batches are left alone while there are others. */
const RECENT_BATCHES = 64

export class Memory {
  private readonly state: JoinState
  private readonly users: Users
  private readonly store: Store
  private readonly limits: MemoryLimits
  private readonly spill: Spill
  private hand = 0

  constructor(state: JoinState, users: Users, store: Store, spill: Spill, limits: MemoryLimits) {
    this.state = state
    this.users = users
    this.store = store
    this.spill = spill
    this.limits = limits
  }

  get isOver(): boolean {
    return this.state.arena.usedBytes > this.limits.stateBytes
  }

  get isStarved(): boolean {
    return this.state.arena.usedBytes > this.limits.stateBytes * STARVED
  }

  /** A user of whom nothing is left goes with its actor; while the actor lives it may soon have more to do. */
  emptied(user: number): void {
    this.store.emptied(user)
    if (!this.users.isLive(user)) dropUser(this.state, user)
  }

  /** After a batch: back within the limits, as far as can be. A promise only if something has to be written. */
  balance(): Promise<void> | undefined {
    this.passivate()
    if (!this.isOver) return undefined
    this.spillHot()
    return this.isOver ? this.evict() : undefined
  }

  /** What exceeds a user's share of memory moves to the journal: the records of its views. */
  private spillHot(): void {
    const { arena, touched } = this.state
    for (let k = 0; k < touched.length; k++) {
      const user = touched.items[k]
      if (B.kindOf(arena, user) === L.USER && this.isHot(user)) this.spill.spill(user)
    }
  }

  private isHot(user: number): boolean {
    return B.u32(this.state.arena, user, L.U_BYTES) > this.limits.stateBytes * SHARE
  }

  /** Moves idle users to the journal until there is room, or nobody is left who may go. */
  async evict(): Promise<void> {
    const target = this.limits.stateBytes * ROOM
    for (const sparing of [RECENT_BATCHES, 0]) {
      while (this.state.arena.usedBytes > target) {
        const users = this.pick(sparing)
        if (users.length === 0) break
        await this.store.evict(users)
      }
    }
  }

  /**
   * Some users untouched for so many batches, without actors; those of whom nothing is left are dropped on the way. A hot
   * one that may be in use, as all may while state is rebuilt, spills its views instead: moved out whole it would be back
   * at once, and what was moved out lies in no segment that it could be spilled to again.
   */
  private pick(batches: number): number[] {
    const s = this.state
    const before = s.batchNumber - batches
    const picked: number[] = []
    const empty: number[] = []
    this.hand = s.users.scan(this.hand, (user) => {
      if (B.u32(s.arena, user, L.U_TOUCHED) > before || !this.store.isBehindCommit(user)) return true
      if (batches === 0 && this.isHot(user)) this.spill.spill(user)
      if (this.spill.hasSpilled(user)) return true
      if (isEmptyUser(s, user)) empty.push(user)
      else picked.push(user)
      return picked.length < TOGETHER
    })
    for (const user of [...picked, ...empty]) this.users.passivate(user)
    for (const user of empty) dropUser(s, user)
    return picked
  }

  private passivate(): void {
    const most = Math.floor(this.limits.actorBytes / ACTOR_BYTES)
    if (this.users.live <= most) return
    const target = Math.floor(most * ROOM)
    const s = this.state
    this.users.idle(s.batchNumber - 1, (user) => {
      this.users.passivate(user)
      if (isEmptyUser(s, user)) dropUser(s, user)
      return this.users.live > target
    })
  }
}
