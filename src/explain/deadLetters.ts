/**
 * What a partition's dead letters say of records of the sources: which were taken out of the join, and why.
 *
 * A decision is believed as recovery would believe it (belief.ts), where recovery would read it back. Of what was decided
 * before, nothing says any more who committed: that is believed, whoever wrote it.
 */
import { Belief, type Believing } from '../actors/belief.ts'
import type { Decision } from '../actors/quarantine.ts'
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

/** `believing`: absent where everybody is believed. */
export async function readDeadLetters(
  log: Log,
  topic: string,
  partition: number,
  sources: readonly string[],
  believing?: Believing,
): Promise<DeadLetterNotes> {
  const notes = new Map<string, DeadLetterNote>()
  const [end] = await endsOfPartition(log, [topic], partition)
  if (end === undefined) return { notes, isWhole: true }
  const from = Math.max(end.low, end.high - MOST_DEAD_LETTERS)
  const holds = believing === undefined ? () => true : holdsFor(sources, believing)
  for await (const chunk of log.readRange(topic, partition, from, end.high)) {
    for (let i = 0; i < chunk.count; i++) {
      const letter = letterOf(chunk, i, sources)
      if (letter === undefined || (letter.decided && !holds(letter, chunk.offset[i]))) continue
      notes.set(`${letter.source}:${letter.offset}`, { reason: letter.reason, decided: letter.decided })
    }
  }
  return { notes, isWhole: from === end.low }
}

interface Letter extends DeadLetterNote, Decision {}

function letterOf(chunk: RawChunk, i: number, sources: readonly string[]): Letter | undefined {
  const headers = new Map(headersOf(chunk, i).map(([name, value]) => [name, value?.toString() ?? '']))
  const source = sources.indexOf(headers.get('topic') ?? '')
  if (source < 0) return undefined
  return {
    source,
    offset: Number(headers.get('offset')),
    owner: headers.get('owner') ?? '',
    reason: headers.get('reason') ?? '',
    decided: headers.get('decided') === '1',
  }
}

/** Asked for in the order of the dead letters. */
function holdsFor(sources: readonly string[], believing: Believing): Belief['holds'] {
  const belief = new Belief(sources, believing)
  const neededFrom = sources.map((topic) => believing.sources.get(topic)!.neededFrom)
  return (decision, deadOffset) => {
    if (deadOffset < believing.deadLettersFrom) return true
    const isBelieved = belief.holds(decision, deadOffset)
    return isBelieved || decision.offset < neededFrom[decision.source]
  }
}
