/** Types of handovers.mjs, for its test. */
export interface Move {
  readonly what: 'SIGTERM' | 'start'
  readonly fromMs: number
  readonly toMs: number
  /** Until the last of its partitions was live. */
  readonly seconds: number
}

export interface Spread {
  readonly p50S: number
  readonly p99S: number
  readonly maxS: number
}

export interface Handed {
  readonly count: number
  readonly live: Spread
  readonly gap: Spread
}

export interface Figures {
  readonly drained: Handed
  readonly started: Handed
  readonly boundS: number
}

export function figuresOf(moves: readonly Move[], stamps: readonly (readonly number[])[]): Figures
