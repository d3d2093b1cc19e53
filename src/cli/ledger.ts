/**
 * `postview ledger`: the counts that must balance, of all partitions of the cluster: what nodes have joined by now, and for
 * those that no node answers for what was committed last. Exit code 1 where they do not balance.
 *
 * How it fails: where nodes are known and none of them answers, since they hold counts that nothing else has.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { makeLogger } from '../cluster/logger.ts'
import { openLog } from '../cluster/open.ts'
import { sourceTopics } from '../cluster/topics.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { committedLedgers } from '../inspect/committedLedgers.ts'
import { EQUATIONS } from '../inspect/ledger.ts'
import { type ClusterLedger, clusterLedger } from '../inspect/ledgerRoute.ts'
import { formatCount } from '../show/format.ts'
import { renderTable } from '../show/table.ts'
import { askNodes, type Where } from './ask.ts'

export interface LedgerAnswer extends ClusterLedger {
  /** `nodes`: a node was asked; `commits`: none runs, and this is what was committed last. */
  readonly from: 'nodes' | 'commits'
}

export function addLedger(program: Command): void {
  program
    .command('ledger')
    .description('the counts that must balance: records, views, engagements; exit code 1 where they do not')
    .option('--config <folder>', 'configuration folder', 'config')
    .option('--url <url>', 'ask this node')
    .option('--json', 'as JSON')
    .action(async (options: Where & { json?: boolean }) => {
      const answer = await readLedger(options)
      process.stdout.write(`${options.json ? JSON.stringify(answer, null, 2) : renderLedger(answer)}\n`)
      if (!answer.balances) process.exitCode = 1
    })
}

async function readLedger(where: Where): Promise<LedgerAnswer> {
  const { answers, silent } = await askNodes<ClusterLedger>('/ledger/cluster', where)
  if (answers.length > 0) return { from: 'nodes', ...answers[0] }
  if (silent.length > 0) throw new Error(`${silent[0].url} does not answer: ${silent[0].reason}`)
  return { from: 'commits', ...(await committedLedger(loadConfig(where.config, process.env))) }
}

async function committedLedger(config: Config): Promise<ClusterLedger> {
  const { kafka, dataDir, log: logging } = config.node
  if (kafka === undefined && !existsSync(join(dataDir, 'log'))) {
    throw new Error(`no node runs here, and there is no log in ${dataDir}: nothing was joined yet`)
  }
  const log = await openLog(config, 'postview-ledger', makeLogger(logging.level))
  try {
    const topics = sourceTopics(config.pipeline)
    const ledgers = await committedLedgers(log, config.node.group, topics)
    const partitions = (await log.topics(topics)).map((info) => info.partitions)
    return clusterLedger(Math.max(0, ...partitions), ledgers, [], [])
  } finally {
    await log.close()
  }
}

export function renderLedger(answer: LedgerAnswer): string {
  const { total, balances, imbalance, silent, unknown } = answer
  const lines = [whereFrom(answer)]
  for (const { left, right } of EQUATIONS) {
    const rows = [
      [left, formatCount(total[left])],
      ...right.map((field, i) => [`${i === 0 ? '=' : '+'} ${field}`, formatCount(total[field])]),
    ]
    lines.push(renderTable([{ title: left }, { title: 'count', align: 'right' }], rows))
  }
  lines.push(`conflicts ${formatCount(total.conflicts)}, late views ${formatCount(total.lateViews)}`)
  for (const { node, reason } of silent) lines.push(`${node} does not answer, so its commits are shown: ${reason}`)
  if (unknown.length > 0) lines.push(`nothing is known of partitions ${unknown.join(', ')}: nothing was committed`)
  for (const { partition, equation, difference } of imbalance) {
    lines.push(`partition ${partition}: ${equation} are off by ${difference}`)
  }
  lines.push(balances ? 'it balances' : 'IT DOES NOT BALANCE')
  return lines.join('\n')
}

function whereFrom({ partitions, sources, from }: LedgerAnswer): string {
  const count = `${partitions.length} partitions`
  if (from === 'commits') return `${count}, committed last; no node is running`
  const committed = sources.filter((source) => source.from === 'commit').length
  return committed === 0 ? `${count}, joined by now` : `${count}, joined by now (${committed} as committed last)`
}
