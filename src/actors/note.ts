/**
 * Two small records of the journal: its mark (from where on it has everything, and which commit stands behind that) and
 * the note beside each stored user. Both are read at a start, before anything else is believed.
 */

/** What a commit says of how far a partition has come: per source the offset, and the watermark. */
export interface CommitPoint {
  readonly offsets: readonly number[]
  readonly watermarkMs: number
}

/**
 * Whether one commit says more than another in anything: state that stood behind it may then hold what the other's does
 * not. Each part counts for itself: commits that were taken back, and then others made, are ahead in one source and
 * behind in another.
 */
export function isAhead(one: CommitPoint, other: CommitPoint): boolean {
  return one.watermarkMs > other.watermarkMs || one.offsets.some((offset, source) => offset > other.offsets[source])
}

export interface Mark extends CommitPoint {
  /** The number of the first segment that is kept. */
  readonly first: number
  readonly fingerprint: string
  /** Per source: the first offset that the kept segments cover. */
  readonly begins: readonly number[]
  /** Up to this segment all is as the commit of these offsets and this watermark has it. */
  readonly upTo: number
  /**
   * Whose commits have what lies in the segments behind: another's, of the same offsets, may have decided otherwise there
   * (what is late, or refused, hangs on when it was read).
   */
  readonly owner?: string
  /**
   * Per source, where a shared snapshot gave the state: below it the journal has not everything that was needed then, and
   * is of use only to a commit that needs nothing below it.
   */
  readonly wholeFrom?: readonly number[]
}

const MARK_VERSION = 3

export function encodeMark(mark: Mark): Buffer {
  const watermarkMs = Number.isFinite(mark.watermarkMs) ? mark.watermarkMs : null
  return Buffer.from(JSON.stringify({ v: MARK_VERSION, ...mark, watermarkMs }))
}

/** Undefined where it is none of this version. */
export function decodeMark(bytes: Buffer): Mark | undefined {
  try {
    const read = JSON.parse(bytes.toString()) as Mark & { v: number; watermarkMs: number | null }
    if (read.v !== MARK_VERSION) return undefined
    return { ...read, watermarkMs: read.watermarkMs ?? Number.NEGATIVE_INFINITY }
  } catch {
    return undefined
  }
}

export interface Note {
  /** An acknowledged commit that stands behind the stored state, or a later one. */
  readonly commit: CommitPoint
  /** The state holds all of the user's events in segments up to this one; segments beyond it may be cut off at a start. */
  readonly segment: number
  /** Per source: the lowest offset that the user needs; Infinity for none. */
  readonly lowest: Float64Array
}

const NUMBER_BYTES = 8
/** Segment and watermark; then offsets and lowest offsets. */
const NOTE_HEAD_BYTES = 2 * NUMBER_BYTES

export function encodeNote({ commit, segment, lowest }: Note): Buffer {
  const sources = lowest.length
  const bytes = Buffer.allocUnsafe(NOTE_HEAD_BYTES + 2 * sources * NUMBER_BYTES)
  bytes.writeDoubleLE(segment, 0)
  bytes.writeDoubleLE(commit.watermarkMs, NUMBER_BYTES)
  for (let source = 0; source < sources; source++) {
    const at = NOTE_HEAD_BYTES + source * NUMBER_BYTES
    bytes.writeDoubleLE(commit.offsets[source], at)
    bytes.writeDoubleLE(lowest[source], at + sources * NUMBER_BYTES)
  }
  return bytes
}

export function decodeNote(bytes: Buffer, sources: number): Note {
  const numbers = (from: number): Float64Array =>
    Float64Array.from({ length: sources }, (_, source) => bytes.readDoubleLE(from + source * NUMBER_BYTES))
  return {
    segment: bytes.readDoubleLE(0),
    commit: { watermarkMs: bytes.readDoubleLE(NUMBER_BYTES), offsets: [...numbers(NOTE_HEAD_BYTES)] },
    lowest: numbers(NOTE_HEAD_BYTES + sources * NUMBER_BYTES),
  }
}
