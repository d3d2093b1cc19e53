/** `postview join`: the same join over files, for backfill and offline sets. */
import { extname } from 'node:path'
import { SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { type InputFile, runBackfill } from '../backfill/run.ts'
import { loadOverFiles } from '../config/load.ts'
import { parseWhere } from '../files/where.ts'
import { balances, ledgerToJson } from '../join/ledger.ts'
import { formatCount } from '../show/format.ts'
import { printable } from '../show/printable.ts'
import { UsageError } from './usage.ts'

interface Options {
  readonly config: string
  readonly views: string
  readonly engagements: readonly string[]
  readonly out: string
  readonly sideOutputs?: string
  readonly columns?: string
  readonly viewsWhere?: string
  readonly engagementsWhere?: string
  readonly json: boolean
}

export function addJoin(program: Command): void {
  program
    .command('join')
    .description('the same join over files: CSV, JSON lines or Avro containers, also gzipped')
    .requiredOption('--views <file>', 'the views, of all topics')
    .requiredOption(
      '--engagements <file...>',
      'the engagements, a file for each engagement source of the pipeline, whatever its topics',
    )
    .requiredOption('--out <file>', 'the samples; ends in .avro or .jsonl')
    .option('--config <folder>', 'configuration folder', 'config')
    .option('--columns <names>', 'the columns of CSV files without a header, with commas between')
    .option('--views-where <condition>', 'which records of the file are views: FIELD=VALUE or FIELD!=VALUE')
    .option('--engagements-where <condition>', 'which records of the file are engagements')
    .option('--side-outputs <folder>', 'write late, orphaned and bad records there, as JSON lines')
    .option('--json', 'the counts as JSON', false)
    .action((options: Options) => joinFiles(options))
}

async function joinFiles(options: Options): Promise<void> {
  const config = loadOverFiles(options.config, process.env)
  const ending = extname(options.out)
  if (ending !== '.avro' && ending !== '.jsonl')
    throw new UsageError(`--out ${options.out}: must end in .avro or .jsonl`)
  const sources = config.pipeline.sections.length - 1
  if (options.engagements.length !== sources) {
    throw new UsageError(
      `--engagements: the pipeline has ${sources} engagement sources, ${options.engagements.length} files were given`,
    )
  }
  const bar = process.stderr.isTTY
    ? new SingleBar({ format: '{bar} {percentage} % | {eta_formatted} left' })
    : undefined
  let isBegun = false
  const { ledger, problems } = await runBackfill({
    config,
    inputs: inputsOf(options),
    out: options.out,
    sideFolder: options.sideOutputs,
    onProgress: (bytesRead, bytesTotal) => {
      if (!isBegun) bar?.start(bytesTotal, 0)
      isBegun = true
      bar?.update(bytesRead)
    },
  }).finally(() => bar?.stop())
  for (const problem of problems) process.stderr.write(`postview: ${printable(problem)}\n`)
  report(ledger, options)
  if (!balances(ledger)) throw new Error('the ledger does not balance')
}

function inputsOf(options: Options): InputFile[] {
  const columns = options.columns?.split(',')
  const input = (path: string, flag: string, where: string | undefined): InputFile => {
    const condition = where === undefined ? undefined : parseWhere(where)
    if (where !== undefined && condition === undefined)
      throw new UsageError(`${flag} ${where}: must be FIELD=VALUE or FIELD!=VALUE`)
    return { path, columns, where: condition }
  }
  return [
    input(options.views, '--views-where', options.viewsWhere),
    ...options.engagements.map((path) => input(path, '--engagements-where', options.engagementsWhere)),
  ]
}

function report(ledger: Float64Array, options: Options): void {
  const counts = ledgerToJson(ledger)
  if (options.json) {
    process.stdout.write(`${JSON.stringify(counts)}\n`)
    return
  }
  const n = (count: number): string => formatCount(count)
  process.stdout.write(
    `${n(counts.samples)} samples of ${n(counts.views)} views (${n(counts.viewDuplicates)} duplicates) to ${options.out}; ` +
      `${n(counts.engagements)} engagements: ${n(counts.bound)} bound, ${n(counts.outside)} outside, ${n(counts.late)} late, ` +
      `${n(counts.orphan)} orphans, ${n(counts.unused)} unused, ${n(counts.engagementDuplicates)} duplicates; ${n(counts.refused)} records refused\n`,
  )
}
