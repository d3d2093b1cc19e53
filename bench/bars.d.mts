export interface Bar {
  readonly what: string
  readonly bar: number
  readonly aim: number
  readonly unit: string
  /** A higher value is a better one. */
  readonly more?: boolean
  readonly value: number | null
  readonly verdict: 'met, and the aim' | 'met' | 'MISSED' | 'not measured'
}

export function judge(results: object): readonly Bar[]
