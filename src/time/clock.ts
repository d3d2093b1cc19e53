/**
 * The machine's clocks, as a port: whoever needs the time is handed one, so that tests own it.
 */
export interface Clock {
  /** Milliseconds since 1970. May jump. */
  wallMs(): number
  /** Milliseconds on a clock that only goes forward; its zero means nothing. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
