/** Which records of a file are meant, where one file holds several kinds: `behaviour=pv`, `behaviour!=pv`. */
import type { SourceReader } from '../codec/port.ts'
import type { RawChunk } from '../log/chunk.ts'

export interface Where {
  readonly field: string
  readonly value: string
  readonly isEqual: boolean
}

/** Undefined where the text is no such condition. */
export function parseWhere(text: string): Where | undefined {
  const match = /^([^!=]+)(!?=)(.*)$/.exec(text)
  return match === null ? undefined : { field: match[1], value: match[3], isEqual: match[2] === '=' }
}

/** The chunk with the records that meet the condition; what cannot be read is kept, to be refused by the join. */
export function select(chunk: RawChunk, where: Where, reader: SourceReader): RawChunk {
  const kept: number[] = []
  for (let i = 0; i < chunk.count; i++) if (meets(chunk, i, where, reader)) kept.push(i)
  return {
    ...chunk,
    count: kept.length,
    offset: new Float64Array(kept.map((i) => chunk.offset[i])),
    stampMs: new Float64Array(kept.map((i) => chunk.stampMs[i])),
    keyAt: new Int32Array(kept.map((i) => chunk.keyAt[i])),
    keyLength: new Int32Array(kept.map((i) => chunk.keyLength[i])),
    valueAt: new Int32Array(kept.map((i) => chunk.valueAt[i])),
    valueLength: new Int32Array(kept.map((i) => chunk.valueLength[i])),
    headersAt: new Int32Array(kept.map((i) => chunk.headersAt[i])),
    headersLength: new Int32Array(kept.map((i) => chunk.headersLength[i])),
  }
}

function meets(chunk: RawChunk, i: number, where: Where, reader: SourceReader): boolean {
  try {
    const value = chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
    const record = reader.toJson(value, 0) as Record<string, unknown>
    return (String(record[where.field]) === where.value) === where.isEqual
  } catch {
    return true
  }
}
