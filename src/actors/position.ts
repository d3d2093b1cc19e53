/**
 * What travels with a partition's commit (SEMANTICS.md section 5): the watermark, each source's highest event time and
 * lowest needed offset, the dead-letter offset to read back from, and the ledger. Everything that recovery needs besides
 * the log itself; and who committed, by which a journal is told whether what it has is what was committed.
 *
 * Invariant: under 4,096 bytes, Kafka's limit of a commit's metadata; the configuration bounds the number of sources.
 */
import { LEDGER_FIELDS } from '../join/ledger.ts'
import type { LostRange } from './loss.ts'
import type { PipelineMark } from './pipelineMark.ts'

const VERSION = 1
export const MAX_METADATA_BYTES = 4096

export interface Position {
  readonly watermarkMs: number
  /** By topic, so that a source that is new in the pipeline is told from one whose commit is missing. */
  readonly sources: ReadonlyMap<string, SourcePosition>
  readonly deadLettersFrom: number
  /**
   * Whose decisions in the dead letters hold besides those of `owner`: of each earlier owner, those below this offset of
   * the dead letters. Absent in commits of older versions, and where the metadata has no room: all hold.
   */
  readonly believed?: ReadonlyMap<string, number>
  readonly ledger: readonly number[]
  /** Of the pipeline that committed; absent before there was a commit of one. */
  readonly pipeline?: PipelineMark
  /** What was needed, was gone, and was given up by whoever started a node. */
  readonly lost?: readonly LostRange[]
  /** The ownership of the partition (partition.ts) that joined up to here; absent where nobody has yet. */
  readonly owner?: string
}

export interface SourcePosition {
  /** The next offset to join live. */
  readonly offset: number
  readonly highestMs: number
  /** Where replay starts; at most `offset`. */
  readonly neededFrom: number
}

/** The offsets themselves are the commit's own; they are not repeated here. */
export function encodeMetadata(position: Position): string {
  const sources = [...position.sources].map(([topic, s]) => [topic, finite(s.highestMs), s.offset - s.neededFrom])
  const { lost = [] } = position
  const topics = [...position.sources.keys()]
  const written: Written = {
    v: VERSION,
    w: finite(position.watermarkMs),
    s: sources,
    d: position.deadLettersFrom,
    l: position.ledger,
    p: position.pipeline,
    // Absent where nothing was lost.
    x: lost.length === 0 ? undefined : lost.map(({ topic, from, to }) => [topics.indexOf(topic), from, to]),
    o: position.owner,
    b: position.believed && [...position.believed],
  }
  const whole = JSON.stringify(written)
  const text = whole.length < MAX_METADATA_BYTES ? whole : JSON.stringify({ ...written, b: undefined })
  if (text.length >= MAX_METADATA_BYTES)
    throw new Error(`commit metadata of ${text.length} bytes is beyond ${MAX_METADATA_BYTES}`)
  return text
}

/** What commits a position: an entry a source, all with the same metadata. */
export function entriesOf(
  position: Position,
  partition: number,
): readonly { topic: string; partition: number; offset: number; metadata: string }[] {
  const metadata = encodeMetadata(position)
  return [...position.sources].map(([topic, { offset }]) => ({ topic, partition, offset, metadata }))
}

export class MetadataError extends Error {
  override name = 'MetadataError'
}

/** Reads metadata back, with the offsets that were committed with it (by topic). */
export function decodeMetadata(text: string, offsets: ReadonlyMap<string, number>): Position {
  const read = parse(text)
  if (read.v !== VERSION || !Array.isArray(read.s) || !Array.isArray(read.l)) {
    throw new MetadataError(
      `the commit's metadata is not Postview's (version ${VERSION}): was another application in this group?`,
    )
  }
  const sources = new Map<string, SourcePosition>()
  for (const [topic, highestMs, back] of read.s as [string, number | null, number][]) {
    const offset = offsets.get(topic)
    if (offset === undefined) continue
    sources.set(topic, { offset, highestMs: infinite(highestMs), neededFrom: offset - back })
  }
  const topics = (read.s as [string][]).map(([topic]) => topic)
  const lost = (read.x ?? []).map(([source, from, to]) => ({ topic: topics[source], from, to }))
  const ledger = LEDGER_FIELDS.map((_, i) => Number(read.l[i] ?? 0))
  const { w, d = 0, p: pipeline, o: owner, b: believed } = read
  const told = {
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(lost.length === 0 ? {} : { lost }),
    ...(owner === undefined ? {} : { owner }),
    ...(believed === undefined ? {} : { believed: new Map(believed) }),
  }
  return { watermarkMs: infinite(w), sources, deadLettersFrom: d, ledger, ...told }
}

interface Written {
  v: number
  w: number | null
  s: unknown[]
  d: number
  l: readonly number[]
  p?: PipelineMark
  x?: [source: number, from: number, to: number][]
  o?: string
  b?: [owner: string, upTo: number][]
}

function parse(text: string): Written {
  try {
    return JSON.parse(text) as Written
  } catch (cause) {
    throw new MetadataError('the commit carries no metadata of Postview: was another application in this group?', {
      cause,
    })
  }
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null
}

function infinite(ms: number | null | undefined): number {
  return ms ?? Number.NEGATIVE_INFINITY
}
