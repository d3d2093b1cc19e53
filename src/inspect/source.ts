/**
 * How far one partition of a topic has been read, by whoever reads it: the join, or the repartitioner. Pure.
 *
 * Invariant: what is not known is null.
 */

/** What its reader knows of it. */
export interface SourceView {
  readonly topic: string
  readonly position: number
  /** Infinity while it is unknown. */
  readonly endOffset: number
  /** The highest event time; -Infinity while there was none. */
  readonly highestMs: number
  readonly silenceMs: number
  readonly isPaused: boolean
}

export interface SourceStatus {
  readonly topic: string
  readonly position: number
  readonly end: number | null
  readonly lag: number | null
  /** How old the newest event taken is, while there are more to read; 0 when there are none. */
  readonly lagMs: number | null
  readonly highestMs: number | null
  readonly silenceMs: number
  readonly paused: boolean
}

export function sourceStatus(source: SourceView, wallMs: number): SourceStatus {
  const lagMs = timeLagMs(source, wallMs)
  return {
    topic: source.topic,
    position: source.position,
    end: finite(source.endOffset),
    lag: recordLag(source.position, source.endOffset) ?? null,
    lagMs: lagMs === undefined ? null : Math.round(lagMs),
    highestMs: finite(source.highestMs),
    silenceMs: Math.round(source.silenceMs),
    paused: source.isPaused,
  }
}

/** Records still to be read; undefined while the end is unknown. */
export function recordLag(position: number, endOffset: number): number | undefined {
  return Number.isFinite(endOffset) ? Math.max(0, endOffset - position) : undefined
}

/** As `lagMs` of a SourceStatus; undefined: not known. */
export function timeLagMs({ position, endOffset, highestMs }: SourceView, wallMs: number): number | undefined {
  const lag = recordLag(position, endOffset)
  if (lag === 0) return 0
  return lag === undefined || !Number.isFinite(highestMs) ? undefined : Math.max(0, wallMs - highestMs)
}

export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
