/** What a partition's dead letters say of records of the sources: which were taken out of the join, and why. */
import type { RawChunk } from '../log/chunk.ts'
import type { Log } from '../log/port.ts'
import { headersOf } from '../log/recordBatch/headers.ts'
import { endsOfPartition } from './ends.ts'

/** The newest of them; a pipeline in order has few. */
const MOST_DEAD_LETTERS = 20_000

export interface DeadLetterNote {
  readonly reason: string
  /** The log alone would not have decided it. */
  readonly decided: boolean
}

export interface DeadLetterNotes {
  /** By `source:offset`. */
  readonly notes: ReadonlyMap<string, DeadLetterNote>
  readonly isWhole: boolean
}

export async function readDeadLetters(
  log: Log,
  topic: string,
  partition: number,
  sources: readonly string[],
): Promise<DeadLetterNotes> {
  const notes = new Map<string, DeadLetterNote>()
  const [end] = await endsOfPartition(log, [topic], partition)
  if (end === undefined) return { notes, isWhole: true }
  const from = Math.max(end.low, end.high - MOST_DEAD_LETTERS)
  for await (const chunk of log.readRange(topic, partition, from, end.high)) {
    for (let i = 0; i < chunk.count; i++) addNote(notes, chunk, i, sources)
  }
  return { notes, isWhole: from === end.low }
}

function addNote(notes: Map<string, DeadLetterNote>, chunk: RawChunk, i: number, sources: readonly string[]): void {
  const headers = new Map(headersOf(chunk, i).map(([name, value]) => [name, value?.toString() ?? '']))
  const source = sources.indexOf(headers.get('topic') ?? '')
  if (source < 0) return
  const reason = headers.get('reason') ?? ''
  notes.set(`${source}:${headers.get('offset')}`, { reason, decided: headers.get('decided') === '1' })
}
