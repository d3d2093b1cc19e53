/** The pure join against the oracle: what of them is to be equal, as plain values. */
import type { Expected, OracleCounts } from '../oracle/run.ts'
import type { OracleEvent } from './pureJoin.ts'

/** What the comparison needs of a join: the product's, or a mutated one. */
export interface ComparedJoin {
  readonly samples: readonly { readonly view: string }[]
  readonly side: readonly { readonly reason: string; readonly source: number; readonly offset: number }[]
  readonly ledger: Readonly<Record<string, number>>
  take(events: readonly OracleEvent[]): void
  watermark(ms: number): void
  end(): void
}

export interface Outcome {
  readonly samples: readonly unknown[]
  readonly side: readonly string[]
  readonly ledger: Readonly<Record<string, number>>
}

/** Runs one partition's events, cut into batches of up to `batchSize` records of one source. */
export function runPartition(
  join: ComparedJoin,
  events: readonly OracleEvent[],
  partition: number,
  batchSize: number,
): ComparedJoin {
  let waiting: OracleEvent[] = []
  const flush = (): void => {
    if (waiting.length > 0) join.take(waiting)
    waiting = []
  }
  for (const e of events) {
    if (e.end === true || e.watermark !== undefined) {
      flush()
      if (e.end === true) join.end()
      else if ((e.partition ?? 0) === partition) join.watermark(e.watermark!)
    } else if ((e.partition ?? 0) === partition) {
      if (waiting.length >= batchSize || (waiting.length > 0 && waiting[0].source !== e.source)) flush()
      waiting.push(e)
    }
  }
  flush()
  return join
}

export function outcomeOf(join: ComparedJoin): Outcome {
  return {
    samples: join.samples.map(({ view: _, ...sample }) => sample),
    side: sideOf(join.side),
    ledger: join.ledger,
  }
}

/** What the oracle expects of one partition, in the words of the join. */
export function expectedOf(expected: Expected, partition: number): Outcome {
  const samples = expected.samples.filter((sample) => sample.partition === partition)
  return {
    samples: samples.map(({ partition: _, ...sample }) => sample),
    side: sideOf(expected.side.filter((side) => side.partition === partition)),
    ledger: ledgerOf(expected.ledger.partitions[partition], samples),
  }
}

function sideOf(side: readonly { reason: string; source: number; offset: number }[]): string[] {
  return side.map((e) => `${e.reason} ${e.source} ${e.offset}`).sort()
}

function ledgerOf(
  { views, engagements, refused }: OracleCounts,
  samples: readonly { late_view: boolean }[],
): Record<string, number> {
  return {
    records: views.in + engagements.in + refused,
    refused,
    views: views.in,
    samples: views.samples,
    sampledOut: 0,
    pending: views.pending,
    viewDuplicates: views.duplicates,
    conflicts: views.conflicts,
    viewsQuarantined: views.quarantined,
    // The oracle's log lacks nothing.
    viewsLost: 0,
    engagements: engagements.in,
    bound: engagements.bound,
    unused: engagements.unused,
    outside: engagements.outside,
    late: engagements.late,
    orphan: engagements.orphan,
    undecided: engagements.undecided,
    engagementDuplicates: engagements.duplicates,
    engagementsQuarantined: engagements.quarantined,
    engagementsLost: 0,
    lateViews: samples.filter((sample) => sample.late_view).length,
  }
}
