/** What every source does alike with a chunk's records before it looks into them. */
import type { Source } from '../config/model.ts'
import { ENGAGEMENT, type EventBatch, VIEW } from '../join/event.ts'
import type { RawChunk } from '../log/chunk.ts'

const TOMBSTONE = 'no value (tombstone)'

export function kindOf(role: Source['role']): number {
  return role === 'views' ? VIEW : ENGAGEMENT
}

/** Fills in what any record has. False: there is no value, and it is refused. */
export function beginRow(chunk: RawChunk, into: EventBatch, i: number, kind: number): boolean {
  into.offset[i] = chunk.offset[i]
  into.stampMs[i] = chunk.stampMs[i]
  into.kind[i] = kind
  into.writer[i] = 0
  if (chunk.valueLength[i] >= 0) return true
  into.refuse(i, TOMBSTONE)
  return false
}
