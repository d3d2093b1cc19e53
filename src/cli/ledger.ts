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
import { type ClusterLedger, clusterLedger } from '../inspect/ledgerRoute.ts'
import { renderLedger } from '../show/ledger.ts'
import { answerText } from '../show/printable.ts'
import { screenOf } from '../show/screen.ts'
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
      const screen = screenOf(process.stdout, process.env)
      process.stdout.write(`${answerText(answer, options.json, (shown) => renderLedger(shown, screen))}\n`)
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
