/**
 * Where a view lies whose sample id does not say so: its own id. The topic that views are joined from is read backwards,
 * newest first, in the partition of its user where that is given, else in all of them.
 *
 * An id without a view id of its own says user, item and time (SEMANTICS.md section 1): then nothing is searched.
 */
import type { SourceReader } from '../codec/port.ts'
import { VIEW } from '../join/event.ts'
import { Identity } from '../join/identity.ts'
import type { Log, PartitionEnds } from '../log/port.ts'
import { EventLog } from './eventLog.ts'

const BLOCK_RECORDS = 20_000
const SCAN_BYTES = 1 << 20

export interface FoundView {
  readonly partition: number
  readonly offset: number
  readonly user: Buffer
  readonly timeMs: number
}

export interface SearchResult {
  readonly found: FoundView | undefined
  readonly recordsRead: number
  /** Everything that was asked for was looked through. */
  readonly isWhole: boolean
}

export interface FindViewOptions {
  readonly log: Log
  readonly topic: string
  readonly reader: SourceReader
  readonly sampleId: string
  /** Only this one, where it is known. */
  readonly partition?: number
  /** Reads no more records than this. */
  readonly mostRecords: number
  readonly onProgress?: (recordsRead: number, recordsTotal: number) => void
}

/** User, item and time of an id of the form `user:item:milliseconds`; undefined where it is not of it. */
export function readIdentity(sampleId: string): { user: string; timeMs: number } | undefined {
  const parts = sampleId.split(':')
  if (parts.length !== 3 || !/^-?\d{1,16}(\.\d+)?$/.test(parts[2])) return undefined
  try {
    return { user: decodeURIComponent(parts[0]), timeMs: Number(parts[2]) }
  } catch {
    return undefined
  }
}

export async function findView(options: FindViewOptions): Promise<SearchResult> {
  const { log, topic, partition, mostRecords } = options
  const ends = (await log.ends([topic])).filter((end) => partition === undefined || end.partition === partition)
  const total = ends.reduce((sum, { low, high }) => sum + high - low, 0)
  const tops = ends.map(({ high }) => high)
  let recordsRead = 0
  for (;;) {
    let isLeft = false
    for (let k = 0; k < ends.length; k++) {
      if (tops[k] <= ends[k].low) continue
      isLeft = true
      const to = tops[k]
      tops[k] = Math.max(ends[k].low, to - BLOCK_RECORDS)
      const found = await findIn(options, ends[k], tops[k], to)
      recordsRead += to - tops[k]
      options.onProgress?.(recordsRead, total)
      if (found !== undefined) return { found, recordsRead, isWhole: true }
      if (recordsRead >= mostRecords) return { found: undefined, recordsRead, isWhole: recordsRead >= total }
    }
    if (!isLeft) return { found: undefined, recordsRead, isWhole: true }
  }
}

/** The first of this id in the block: a copy may lie behind it. */
async function findIn(
  { log, topic, reader, sampleId }: FindViewOptions,
  { partition }: PartitionEnds,
  from: number,
  to: number,
): Promise<FoundView | undefined> {
  const wanted = Buffer.from(sampleId)
  const identity = new Identity()
  const events = new EventLog({ log, topic, partition, reader, basis: 'event' })
  for await (const batch of events.read(from, to, SCAN_BYTES)) {
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] !== VIEW) continue
      identity.identify(batch, i)
      if (identity.length !== wanted.length) continue
      if (wanted.compare(identity.bytes, identity.at, identity.at + identity.length) !== 0) continue
      const at = batch.userAt[i]
      const user = Buffer.from(batch.text.subarray(at, at + batch.userLength[i]))
      return { partition, offset: batch.offset[i], user, timeMs: batch.timeMs[i] }
    }
  }
  return undefined
}
