/** Types of kills.mjs, for its test. */
export interface Takeover {
  /** Until the last of them was live. */
  readonly seconds: number
  readonly taken: readonly { readonly from: string }[]
}

export interface Figures {
  readonly kills: number
  readonly p50S: number
  readonly p99S: number
  readonly maxS: number
  readonly boundS: number
  /** Partitions by what they were rebuilt from. */
  readonly from: Readonly<Record<string, number>>
}

export function figuresOf(takeovers: readonly Takeover[]): Figures
