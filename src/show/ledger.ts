/** The ledger as people read it: each equation, summed over the cluster, and whether it balances. Pure. */
import { EQUATIONS } from '../inspect/ledger.ts'
import type { ClusterLedger } from '../inspect/ledgerRoute.ts'
import { formatCount } from './format.ts'
import { paint, right, type Screen, table } from './screen.ts'

/** `commits`: no node runs, and this is what was committed last. */
export type ShownLedger = ClusterLedger & { readonly from?: 'nodes' | 'commits' }

export function renderLedger(answer: ShownLedger, screen: Screen): string {
  const { total, balances, imbalance, silent, unknown } = answer
  const lines = [whereFrom(answer)]
  for (const { left, right: fields } of EQUATIONS) {
    const rows = [
      [left, formatCount(total[left])],
      ...fields.map((field, i) => [`${i === 0 ? '=' : '+'} ${field}`, formatCount(total[field])]),
    ]
    lines.push(table(screen, [{ title: left }, right('count')], rows))
  }
  lines.push(`conflicts ${formatCount(total.conflicts)}, late views ${formatCount(total.lateViews)}`)
  for (const { node, reason } of silent) lines.push(`${node} does not answer, so its commits are shown: ${reason}`)
  if (unknown.length > 0) lines.push(`nothing is known of partitions ${unknown.join(', ')}: nothing was committed`)
  for (const { partition, equation, difference } of imbalance) {
    lines.push(`partition ${partition}: ${equation} are off by ${difference}`)
  }
  for (const { topic, partition, from, to } of answer.lost) {
    lines.push(`${topic} partition ${partition}: offsets ${from} to ${to} were lost to retention, and accepted as lost`)
  }
  lines.push(balances ? 'it balances' : paint(screen, 'red', 'IT DOES NOT BALANCE'))
  return lines.join('\n')
}

function whereFrom({ partitions, sources, from }: ShownLedger): string {
  const count = `${partitions.length} partitions`
  if (from === 'commits') return `${count}, committed last; no node is running`
  const committed = sources.filter((source) => source.from === 'commit').length
  return committed === 0 ? `${count}, joined by now` : `${count}, joined by now (${committed} as committed last)`
}
