/** What the demonstration shows of its result. Pure: text from values. */

import type { Label } from '../config/model.ts'
import type { LedgerField } from '../join/ledger.ts'
import { renderExplanation } from '../show/explanation.ts'
import { formatCount, formatDuration, formatTime } from '../show/format.ts'
import type { Screen } from '../show/screen.ts'
import { renderTable } from '../show/table.ts'
import type { DemoResult, Sample } from './run.ts'

export function reportDemo(result: DemoResult, screen: Screen): string {
  const { labels } = result.config.pipeline
  return [
    `Ten of ${formatCount(result.samples.length)} samples:`,
    sampleTable(result.shown, labels),
    '',
    'Why the first of them is what it is:',
    result.explained === null ? 'there is none' : renderExplanation(result.explained, screen),
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
