/**
 * `postview explain <sampleId>`: why a sample has its labels. A node is asked where one runs. Where none does, or where a
 * node has looked through as much as it may, the log is read here, up to what was committed.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { makeLogger } from '../cluster/logger.ts'
import { openLog } from '../cluster/open.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { committedExplainer } from '../explain/committed.ts'
import type { ExplainRequest } from '../explain/explain.ts'
import { timeOf } from '../inspect/explain.ts'
import type { Explanation } from '../inspect/explanation.ts'
import { withQuery } from '../shell/command.ts'
import { renderExplanation } from '../show/explanation.ts'
import { formatCount } from '../show/format.ts'
import { answerText } from '../show/printable.ts'
import { screenOf } from '../show/screen.ts'
import { askAny, NobodyError, type Where } from './ask.ts'
import { INSIDE_LIMIT_MS } from './inspect.ts'

interface Options extends Where {
  readonly user?: string
  readonly at?: number
  readonly json?: boolean
}

const HELP = `
A sample id made of user, item and time says where its view lies. A view's own id does not: then the
topic of views is searched, newest first, which takes a second a million views. --user keeps the search
to one partition; with --at too nothing is searched. Where no node runs, what was committed counts.`

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('why a sample has its labels: each engagement that was considered, and what sealed it')
    .argument('<sampleId>')
    .option('--user <id>', "the view's user")
    .option('--at <time>', "the view's event time: ISO 8601, or ms since 1970", parseTime)
    .option('--config <folder>', 'configuration folder', 'config')
    .option('--url <url>', 'ask this node, wherever its files are')
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(async (sampleId: string, options: Options) => {
      const told = await explain(sampleId, options)
      const screen = screenOf(process.stdout, process.env)
      process.stdout.write(`${answerText(told, options.json, (shown) => renderExplanation(shown, screen))}\n`)
      if (told.status === 'notFound') process.exitCode = 1
    })
}

function parseTime(text: string): number {
  const ms = timeOf(text)
  if (Number.isNaN(ms)) throw new InvalidArgumentError('must be a time: ISO 8601, or ms since 1970')
  return ms
}

async function explain(sampleId: string, options: Options): Promise<Explanation> {
  const { user, at: atMs } = options
  const path = withQuery(`/explain/${encodeURIComponent(sampleId)}`, {
    user,
    at: atMs === undefined ? undefined : String(atMs),
  })
  try {
    const told = await askAny<Explanation>(path, options, INSIDE_LIMIT_MS)
    if (told.search.isCut !== true || options.url !== undefined) return told
  } catch (error) {
    if (!(error instanceof NobodyError) || options.url !== undefined) throw error
  }
  return explainHere(loadConfig(options.config, process.env), { sampleId, user, atMs })
}

/** From the log alone. */
export async function explainHere(config: Config, request: ExplainRequest): Promise<Explanation> {
  const { kafka, dataDir, log: logging } = config.node
  if (kafka === undefined && !existsSync(join(dataDir, 'log'))) {
    throw new Error(`no node runs here, and there is no log in ${dataDir}: nothing was joined yet`)
  }
  const log = await openLog(config, 'postview-explain', makeLogger(logging.level))
  try {
    const explainer = await committedExplainer(config, log)
    return await explainer.explain({ ...request, onProgress: tellProgress })
  } finally {
    await log.close()
  }
}

let lastToldMs = 0

/** Where somebody looks: how far the search is. */
function tellProgress(recordsRead: number, recordsTotal: number): void {
  if (process.stderr.isTTY !== true || performance.now() - lastToldMs < 200) return
  lastToldMs = performance.now()
  process.stderr.write(`\rsearching: ${formatCount(recordsRead)} of ${formatCount(recordsTotal)} views\x1b[K`)
  if (recordsRead >= recordsTotal) process.stderr.write('\r\x1b[K')
}
