/**
 * Which faults come, from a seed: each kind once, in an order drawn from the seed, then kinds by their weights. Pure.
 *
 * Invariant: the same seed gives the same faults, whatever the cluster does; whom they hit is a number below 1 that picks
 * among those who can be hit then.
 */
import type { Random } from '../support/random.ts'

export type FaultKind =
  | 'kill'
  | 'kill twice'
  | 'kill all'
  | 'freeze'
  | 'stop'
  | 'join or leave'
  | 'delete journal'
  | 'damage journal'
  | 'delete snapshots'
  | 'damage snapshots'
  | 'broker'

const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  kill: 26,
  'kill twice': 8,
  'kill all': 3,
  freeze: 14,
  stop: 12,
  'join or leave': 12,
  'delete journal': 8,
  'damage journal': 9,
  'delete snapshots': 2,
  'damage snapshots': 4,
  broker: 2,
}

export const ALL_KINDS = Object.keys(WEIGHTS) as FaultKind[]

export interface PlannedFault {
  readonly kind: FaultKind
  /** In [0, 1): whom it hits. */
  readonly whom: number
  /** Comes before the cluster is at rest. */
  readonly isEarly: boolean
  /** What was killed starts at once, and not when others have taken over. */
  readonly startsAtOnce: boolean
  /** A wait within the fault: before the second kill, before SIGCONT, before the broker returns. In [0, 1). */
  readonly wait: number
}

export class Plan {
  private readonly random: Random
  private readonly kinds: readonly FaultKind[]
  private readonly first: FaultKind[]

  constructor(random: Random, kinds: readonly FaultKind[] = ALL_KINDS) {
    this.random = random
    this.kinds = kinds
    this.first = random.shuffled(kinds)
  }

  next(): PlannedFault {
    const { random } = this
    return {
      kind: this.first.shift() ?? this.weighed(),
      whom: random.next(),
      isEarly: random.chance(0.25),
      startsAtOnce: random.chance(0.4),
      wait: random.next(),
    }
  }

  private weighed(): FaultKind {
    let left = this.random.next() * this.kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0)
    for (const kind of this.kinds) {
      left -= WEIGHTS[kind]
      if (left < 0) return kind
    }
    return this.kinds[0]
  }
}
