/** What a chaos run comes to: faults by kind, takeovers, memory, in lines for people. Pure. */
import type { Outcome } from '../support/crashCheck.ts'
import type { ChaosRun } from './chaosRun.ts'

export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly most: number
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? 0 }
}

export function report(run: ChaosRun, outcome: Outcome): string[] {
  const counted = run.faults.filter(({ counts }) => counts)
  const kinds = [...new Set(counted.map(({ kind }) => kind))].sort()
  const lines = [
    `${counted.length} faults in ${Math.round(run.tookMs / 1_000)} s (${run.faults.length - counted.length} more hit nothing):`,
    ...kinds.map((kind) => `  ${counted.filter((fault) => fault.kind === kind).length} ${kind}`),
    `${outcome.events} events, ${outcome.samples} samples, ${outcome.repeated} repeated, 0 wrong, 0 missing, ` +
      `${outcome.deadLetters} dead letters`,
    `${outcome.explained.length} samples that are not the oracle's or whose copies differ, all of users whose events came ` +
      'beyond the bound (SEMANTICS.md section 6)',
    ...outcome.explained.slice(0, 3).map((each) => `  ${each}`),
    `most resident memory of a node: ${Math.round(run.watch.mostResidentBytes / 2 ** 20)} MiB; ${run.selfEnded} starts found the journal damaged, ` +
      `${run.slowStops} stops were cut off by a slow machine`,
  ]
  lines.push(`rebuilt from: ${[...run.watch.startedFrom].map(([from, { size }]) => `${from} ${size}`).join(', ')}`)
  for (const kind of kinds) {
    const numbers = new Set(counted.filter((fault) => fault.kind === kind).map(({ number }) => number))
    const took = run.watch.takeovers.filter(({ fault }) => numbers.has(fault)).flatMap(({ tookMs }) => tookMs ?? [])
    if (took.length > 0) lines.push(`takeover after ${kind}: ${tell(percentiles(took))}`)
  }
  return [...lines, `takeover in all: ${tell(percentiles(run.watch.takeovers.flatMap(({ tookMs }) => tookMs ?? [])))}`]
}

function tell({ count, p50, p99, most }: Percentiles): string {
  return `p50 ${p50} ms, p99 ${p99} ms, most ${most} ms (${count} partitions)`
}
