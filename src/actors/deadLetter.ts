/** What a dead letter says in its headers: where its record was read, and why it was taken out of the join. */
import type { Place } from '../codec/port.ts'
import type { RecordHeader } from '../log/recordBatch/builder.ts'

export interface DeadLetter {
  readonly source: number
  readonly offset: number
  readonly reason: string
  readonly decided: boolean
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Where it lay before it was rewritten into the topic that is joined. */
  readonly from?: Place
  /** How large it was there, if it was cut then. */
  readonly sizes?: readonly RecordHeader[]
}

/** A reason may quote the record. */
const REASON_CHARS = 4096

/**
 * `decided` marks what the log alone would not decide again: recovery reads those back and skips their events, where it
 * believes the `owner` of the partition who decided so (belief.ts).
 */
export function deadHeaders(
  topic: string,
  partition: number,
  owner: string,
  { offset, reason, decided, from, sizes = [] }: DeadLetter,
): readonly RecordHeader[] {
  const text = (value: unknown): Buffer => Buffer.from(String(value))
  const headers: RecordHeader[] = [
    ['topic', text(topic)],
    ['partition', text(partition)],
    ['offset', text(offset)],
    ['reason', text(reason.slice(0, REASON_CHARS))],
  ]
  if (decided) headers.push(['decided', text(1)], ['owner', text(owner)])
  if (from !== undefined) {
    headers.push(
      ['source_topic', text(from.topic)],
      ['source_partition', text(from.partition)],
      ['source_offset', text(from.offset)],
    )
  }
  headers.push(...sizes)
  return headers
}
