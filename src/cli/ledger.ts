/**
 * `postview ledger`: the counts that must balance, of the running nodes or, where none runs, of what the group has
 * committed. Exit code 1 where they do not balance.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { decodeMetadata } from '../actors/position.ts'
import { makeLogger } from '../cluster/logger.ts'
import { openLog } from '../cluster/open.ts'
import { sourceTopics } from '../cluster/topics.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { EQUATIONS, type LedgerReport, ledgerReport } from '../inspect/ledger.ts'
import { LEDGER_FIELDS } from '../join/ledger.ts'
import type { Log } from '../log/port.ts'
import { formatCount } from '../show/format.ts'
import { renderTable } from '../show/table.ts'
import { askNodes, type Where } from './ask.ts'

export interface LedgerAnswer extends LedgerReport {
  /** Where the counts are from: what nodes have joined by now, or what was committed last. */
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
  const { answers, silent } = await askNodes<LedgerReport>('/ledger', where)
  // A node that lives and does not answer still holds counts that nothing else has.
  if (silent.length > 0) throw new Error(`${silent[0].url} does not answer: ${silent[0].reason}`)
  if (answers.length > 0) {
    const partitions = answers.flatMap((answer) => answer.partitions)
    const ledgers = partitions.map((p) => [p.partition, LEDGER_FIELDS.map((field) => p[field])] as const)
    return { from: 'nodes', ...ledgerReport(new Map(ledgers)) }
  }
  const config = loadConfig(where.config, process.env)
  return { from: 'commits', ...ledgerReport(await committedLedgers(config)) }
}

async function committedLedgers(config: Config): Promise<Map<number, readonly number[]>> {
  const { kafka, dataDir, log: logging } = config.node
  if (kafka === undefined && !existsSync(join(dataDir, 'log'))) {
    throw new Error(`no node runs here, and there is no log in ${dataDir}: nothing was joined yet`)
  }
  const log = await openLog(config, 'postview-ledger', makeLogger(logging.level))
  try {
    return await ledgersOf(log, config.node.group, sourceTopics(config.pipeline))
  } finally {
    await log.close()
  }
}

/** What travels with the group's commits, by partition. */
export async function ledgersOf(
  log: Log,
  group: string,
  topics: readonly string[],
): Promise<Map<number, readonly number[]>> {
  const existing = (await log.topics(topics)).map((info) => info.topic)
  const ledgers = new Map<number, readonly number[]>()
  for (const { topic, partition, offset, metadata } of await log.committed(group, existing)) {
    if (offset < 0 || ledgers.has(partition)) continue
    ledgers.set(partition, decodeMetadata(metadata, new Map([[topic, offset]])).ledger)
  }
  return ledgers
}

export function renderLedger({ total, partitions, balances, imbalance, from }: LedgerAnswer): string {
  const what = from === 'nodes' ? 'joined by now' : 'committed last; no node is running'
  const lines = [`${partitions.length} partitions, ${what}`]
  for (const { left, right } of EQUATIONS) {
    const rows = [
      [left, formatCount(total[left])],
      ...right.map((field, i) => [`${i === 0 ? '=' : '+'} ${field}`, formatCount(total[field])]),
    ]
    lines.push(renderTable([{ title: left }, { title: 'count', align: 'right' }], rows))
  }
  lines.push(`conflicts ${formatCount(total.conflicts)}, late views ${formatCount(total.lateViews)}`)
  for (const { partition, equation, difference } of imbalance) {
    lines.push(`partition ${partition}: ${equation} are off by ${difference}`)
  }
  lines.push(balances ? 'it balances' : 'IT DOES NOT BALANCE')
  return lines.join('\n')
}
