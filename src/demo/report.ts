/** What the demonstration shows of its result. Pure: text from values. */

import type { Label, Pipeline } from '../config/model.ts'
import type { LedgerField } from '../join/ledger.ts'
import { formatCount, formatDuration, formatTime } from '../show/format.ts'
import { renderTable } from '../show/table.ts'
import type { DemoResult, Sample } from './run.ts'

const SHOWN = 10

export function reportDemo(result: DemoResult): string {
  const { labels } = result.config.pipeline
  const shown = pickSamples(result.samples, labels)
  return [
    `Ten of ${formatCount(result.samples.length)} samples:`,
    sampleTable(shown, labels),
    '',
    explain(shown[0], result.config.pipeline),
    '',
    'The ledger: where every event went.',
    ledgerLines(result.ledger, result.balances),
    '',
    verdict(result),
  ].join('\n')
}

export function isRight(result: DemoResult): boolean {
  const { missing, wrong, unexpected, expected, samples } = result
  return result.balances && missing.length + wrong.length + unexpected.length === 0 && samples.length === expected
}

/** Some with engagements first: a table of zeros shows little. */
function pickSamples(samples: readonly Sample[], labels: readonly Label[]): Sample[] {
  const positives = (sample: Sample): number => labels.filter(({ name }) => sample.delays_ms[name] !== null).length
  const some = samples.filter((_, i) => i % Math.max(1, Math.floor(samples.length / 500)) === 0)
  return [...some]
    .sort((a, b) => positives(b) - positives(a))
    .filter((_, i) => i % 25 === 0)
    .slice(0, SHOWN)
}

function sampleTable(samples: readonly Sample[], labels: readonly Label[]): string {
  const columns = ['sample', 'user', 'item', 'viewed', ...labels.map(({ name }) => name)]
  const rows = samples.map((sample) => [
    sample.sample_id,
    sample.user_id,
    sample.item_id,
    formatTime(Number(sample.view_time)).slice(11, 19),
    ...labels.map(({ name }) => labelText(sample, name)),
  ])
  return renderTable(
    columns.map((title, i) => ({ title, align: i < 4 ? ('left' as const) : ('right' as const) })),
    rows,
  )
}

function labelText(sample: Sample, name: string): string {
  const delayMs = sample.delays_ms[name]
  const value = String(sample.labels[name] ?? '-')
  return delayMs === null ? value : `${value} (after ${formatDuration(Number(delayMs))})`
}

/** One sample's labels, each with its reason. */
export function explain(sample: Sample, pipeline: Pipeline): string {
  const reasons = pipeline.labels.map((label) => reasonOf(sample, label))
  return `Why ${sample.sample_id} is what it is: ${reasons.join('; ')}.`
}

function reasonOf(sample: Sample, label: Label): string {
  const delayMs = sample.delays_ms[label.name]
  const window = formatDuration(label.withinMs)
  if (delayMs === null)
    return `${label.name} is ${sample.labels[label.name]} since no ${label.on} came within ${window} of the view`
  const first = `the first ${label.on} that counted came ${formatDuration(Number(delayMs))} after the view, within its window of ${window}`
  return `${label.name} is ${sample.labels[label.name]} (${label.fold}) since ${first}`
}

function ledgerLines(ledger: Record<LedgerField, number>, isBalanced: boolean): string {
  const n = (field: LedgerField): string => formatCount(ledger[field])
  return [
    `  records      ${n('records')} = ${n('views')} views + ${n('engagements')} engagements + ${n('refused')} refused`,
    `  views        ${n('views')} = ${n('samples')} samples + ${n('pending')} pending + ${n('viewDuplicates')} duplicates + ${n('viewsQuarantined')} quarantined`,
    `  engagements  ${n('engagements')} = ${n('bound')} bound + ${n('unused')} unused + ${n('outside')} outside + ${n('late')} late + ` +
      `${n('orphan')} orphans + ${n('undecided')} undecided + ${n('engagementDuplicates')} duplicates + ${n('engagementsQuarantined')} quarantined`,
    isBalanced ? '  It balances.' : '  IT DOES NOT BALANCE.',
  ].join('\n')
}

function verdict(result: DemoResult): string {
  const { expected, missing, wrong, unexpected } = result
  if (isRight(result))
    return `All ${formatCount(expected)} samples are as known beforehand: none missing, none wrong, none twice.`
  return `WRONG: of ${expected} samples ${missing.length} are missing, ${wrong.length} have wrong labels, ${unexpected.length} should not be there.`
}
