/**
 * Two small records of the journal: its mark (from where on it has everything, and which commit stands behind that) and
 * the note beside each stored user. Both are read at a start, before anything else is believed.
 */
export interface Mark {
  /** The number of the first segment that is kept. */
  readonly first: number
  readonly fingerprint: string
  /** Per source: the first offset that the kept segments cover. */
  readonly begins: readonly number[]
  /** The acknowledged commit behind the last trim. */
  readonly offsets: readonly number[]
  readonly watermarkMs: number
}

export function encodeMark(mark: Mark): Buffer {
  const watermarkMs = Number.isFinite(mark.watermarkMs) ? mark.watermarkMs : null
  return Buffer.from(JSON.stringify({ v: 1, ...mark, watermarkMs }))
}

/** Undefined where it is none of this version. */
export function decodeMark(bytes: Buffer): Mark | undefined {
  try {
    const read = JSON.parse(bytes.toString()) as Mark & { v: number; watermarkMs: number | null }
    if (read.v !== 1) return undefined
    return { ...read, watermarkMs: read.watermarkMs ?? Number.NEGATIVE_INFINITY }
  } catch {
    return undefined
  }
}

export interface Note {
  /** Sum of the committed offsets behind the stored state: grows with every commit. */
  readonly committedSum: number
  /** The state holds all of the user's events in segments up to this one; segments beyond it may be cut off at a start. */
  readonly segment: number
  /** Per source: the lowest offset that the user needs; Infinity for none. */
  readonly lowest: Float64Array
}

export function encodeNote(note: Note): Buffer {
  const bytes = Buffer.allocUnsafe(16 + note.lowest.length * 8)
  bytes.writeDoubleLE(note.committedSum, 0)
  bytes.writeDoubleLE(note.segment, 8)
  note.lowest.forEach((offset, source) => {
    bytes.writeDoubleLE(offset, 16 + source * 8)
  })
  return bytes
}

export function decodeNote(bytes: Buffer, sources: number): Note {
  const lowest = new Float64Array(sources)
  for (let source = 0; source < sources; source++) lowest[source] = bytes.readDoubleLE(16 + source * 8)
  return { committedSum: bytes.readDoubleLE(0), segment: bytes.readDoubleLE(8), lowest }
}
