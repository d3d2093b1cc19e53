/**
 * Where a partition starts: from the commit of its sources, checked against what the log still has.
 *
 * One recovery path for crash, restart and takeover (SEMANTICS.md sections 5 and 6): read the commit; without one start
 * at the earliest offset and commit that first; replay from the lowest needed offset.
 *
 * How it fails: a RecoveryError that says what is missing and what to do; nothing has been committed then.
 */
import { newLedger } from '../join/ledger.ts'
import { type Patience, readWhilePassing } from '../log/patience.ts'
import type { Committed, Log, PartitionEnds } from '../log/port.ts'
import { headersOf } from '../log/recordBatch/headers.ts'
import { Belief } from './belief.ts'
import { PartitionStop } from './partitionStop.ts'
import { decodeMetadata, type Position, type SourcePosition } from './position.ts'
import { Quarantine } from './quarantine.ts'

export class RecoveryError extends PartitionStop {
  override name = 'RecoveryError'
}

export interface RecoveryInput {
  readonly partition: number
  readonly topics: readonly string[]
  readonly committed: readonly Committed[]
  readonly ends: readonly PartitionEnds[]
  /** The dead letters' end; where reading back starts when there was no commit. */
  readonly deadLettersEnd: number
}

export interface Start {
  readonly position: Position
  /** Whether this position is to be committed before a record is taken in. */
  readonly isFirst: boolean
  /** Where the log begins, by topic. */
  readonly lows: ReadonlyMap<string, number>
}

export function startOf(input: RecoveryInput): Start {
  const { topics, partition } = input
  const found = new Map(
    input.committed.filter((c) => c.partition === partition && c.offset >= 0).map((c) => [c.topic, c]),
  )
  const ends = new Map(input.ends.filter((e) => e.partition === partition).map((e) => [e.topic, e]))
  const lows = new Map([...ends].map(([topic, { low }]) => [topic, low]))
  if (topics.every((topic) => !found.has(topic)))
    return { position: earliest(topics, ends, input), isFirst: true, lows }
  const offsets = new Map([...found].map(([topic, c]) => [topic, c.offset]))
  const told = found.get(topics[0])?.metadata ?? [...found.values()][0].metadata
  const read = decodeMetadata(told, offsets)
  const sources = new Map<string, SourcePosition>()
  let isFirst = false
  for (const topic of topics) {
    const known = read.sources.get(topic)
    if (known !== undefined) checkEnd(topic, partition, known, ends.get(topic)!)
    else if (found.has(topic))
      throw new RecoveryError(`${topic} partition ${partition} has a commit without Postview's metadata`)
    else if (wasKnown(told, topic)) {
      throw new RecoveryError(
        `${topic} partition ${partition} has no commit though the pipeline's other sources have one: its commit was lost ` +
          "or deleted. Reset all of the group's offsets, or restore the missing one.",
      )
    } else isFirst = true
    sources.set(topic, known ?? atLow(ends.get(topic)!))
  }
  return { position: { ...read, sources }, isFirst, lows }
}

function wasKnown(metadata: string, topic: string): boolean {
  return metadata.includes(JSON.stringify(topic))
}

function earliest(topics: readonly string[], ends: ReadonlyMap<string, PartitionEnds>, input: RecoveryInput): Position {
  return {
    watermarkMs: Number.NEGATIVE_INFINITY,
    sources: new Map(topics.map((topic) => [topic, atLow(ends.get(topic)!)])),
    deadLettersFrom: input.deadLettersEnd,
    ledger: [...newLedger()],
  }
}

function atLow(ends: PartitionEnds): SourcePosition {
  return { offset: ends.low, highestMs: Number.NEGATIVE_INFINITY, neededFrom: ends.low }
}

function checkEnd(topic: string, partition: number, at: SourcePosition, ends: PartitionEnds): void {
  if (at.offset <= ends.high) return
  throw new RecoveryError(
    `${topic} partition ${partition}: offset ${at.offset} is committed but the log ends at ${ends.high}: was the topic ` +
      'deleted and made anew?',
  )
}

/** Reads back the decisions that the log alone would not give (quarantined events), as far as they are believed. */
export async function readQuarantine(
  log: Log,
  topics: readonly string[],
  deadLetters: PartitionEnds,
  at: Position,
  patience: Patience,
): Promise<Quarantine> {
  const { topic, partition, low, high } = deadLetters
  const from = Math.max(low, Math.min(at.deadLettersFrom, high))
  const quarantine = new Quarantine(topics.length, from)
  if (from >= high) return quarantine
  const belief = new Belief(topics, at)
  const read = (at: number) => log.readRange(topic, partition, at, high)
  for await (const chunk of readWhilePassing(read, from, high, patience)) {
    for (let i = 0; i < chunk.count; i++) {
      const headers = new Map(headersOf(chunk, i).map(([name, value]) => [name, value?.toString()]))
      const source = topics.indexOf(headers.get('topic') ?? '')
      if (headers.get('decided') !== '1' || source < 0 || headers.get('partition') !== String(partition)) continue
      // Older versions did not say whose it is.
      const decision = { source, offset: Number(headers.get('offset')), owner: headers.get('owner') ?? '' }
      if (belief.holds(decision, chunk.offset[i])) quarantine.restore(decision, chunk.offset[i])
    }
    chunk.release?.()
  }
  return quarantine
}
