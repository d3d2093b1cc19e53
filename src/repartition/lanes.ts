/**
 * The source partitions that a repartitioner reads: where each is, and whether it is this node's at present.
 *
 * Owns: their numbers (indices into the list of all), positions and ends. `Clocks` and `Inbox` go by the same numbers.
 */
import { nameOf } from './origin.ts'

export interface Lane {
  readonly topic: string
  readonly partition: number
  /** The source's place in the pipeline. */
  readonly source: number
  readonly name: string
  isOwned: boolean
  /** Goes up with each time that it comes or goes: what was fetched before is not of it. */
  epoch: number
  /** The next offset to write on. */
  position: number
  /** The log's end when last heard of; Infinity while unknown. */
  endOffset: number
}

/** How far a repartitioner is, for whoever looks at it. */
export interface RepartitionView {
  /** The consolidated topic. */
  readonly topic: string
  /** Records written by this process. */
  readonly records: number
  /** The source partitions that are this node's at present. */
  readonly lanes: readonly LaneView[]
}

export interface LaneView {
  readonly topic: string
  readonly partition: number
  readonly position: number
  readonly endOffset: number
  /** The highest event time; -Infinity while there was none. */
  readonly highestMs: number
  readonly silenceMs: number
  readonly isPaused: boolean
}

export class Lanes {
  readonly all: readonly Lane[]
  private readonly indexOf = new Map<string, number>()

  /** `topics` of the sources, in their order, with their numbers of partitions. */
  constructor(topics: readonly { readonly topic: string; readonly partitions: number }[]) {
    this.all = topics.flatMap(({ topic, partitions }, source) =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        partition,
        source,
        name: nameOf(topic, partition),
        isOwned: false,
        epoch: 0,
        position: 0,
        endOffset: Number.POSITIVE_INFINITY,
      })),
    )
    for (const [index, { name }] of this.all.entries()) this.indexOf.set(name, index)
  }

  /** -1 where there is none: a partition that was added meanwhile. */
  find(topic: string, partition: number): number {
    return this.indexOf.get(nameOf(topic, partition)) ?? -1
  }
}
