/**
 * `postview generate`: synthetic views and engagements with a known answer, to the configured log's topics, to a node's
 * control server, or to files.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SingleBar } from 'cli-progress'
import { type Command, Option } from 'commander'
import { makeLogger } from '../cluster/logger.ts'
import { openLog } from '../cluster/open.ts'
import { type Config, type FilesConfig, loadConfig, loadOverFiles } from '../config/load.ts'
import type { Pipeline } from '../config/model.ts'
import { parseCount, parseDuration } from '../config/units.ts'
import { answerJson } from '../generate/event.ts'
import { type Plan, planGeneration } from '../generate/plan.ts'
import { RecordError } from '../generate/record.ts'
import { type RunCounts, runGeneration } from '../generate/run.ts'
import type { Target } from '../generate/target.ts'
import { FilesTarget, LineFile } from '../generate/toFiles.ts'
import { LogTarget } from '../generate/toLog.ts'
import { ServerTarget } from '../generate/toServer.ts'
import { withWriterSchemas } from '../generate/written.ts'
import { operatingHeaders } from '../inspect/access.ts'
import { LogError } from '../log/port.ts'
import { UsageError } from './usage.ts'

interface Options {
  readonly config: string
  readonly to?: string
  readonly outDir?: string
  readonly views: number
  readonly users: number
  readonly seed: number
  readonly rate?: number
  readonly span: number
  readonly start?: number
  readonly engagementRate: number
  readonly repeats: number
  readonly duplicates: number
  readonly disorder?: number
  readonly partitions?: number
  readonly close: boolean
  readonly answer?: string
}

/** An opened target, and what is to be closed after it. */
interface Opened {
  readonly target: Target
  close(): Promise<void>
}

interface Destination {
  /** With what its sources are written with. */
  readonly pipeline: Pipeline
  open(): Promise<Opened>
}

export function addGenerate(program: Command): void {
  program
    .command('generate')
    .description('synthetic views and engagements with a known answer, to topics, to a running node or to files')
    .option('--config <folder>', 'configuration folder', 'config')
    .addOption(new Option('--to <url>', "a node's control server, instead of the configured log").conflicts('outDir'))
    .option(
      '--out-dir <folder>',
      'write views.jsonl, engagements.jsonl (engagements-TOPIC.jsonl for each of several sources) and answer.jsonl there instead',
    )
    .option('--views <n>', 'how many views', positiveCount('--views'), 10_000)
    .option('--users <n>', 'how many users', positiveCount('--users'), 1000)
    .option('--seed <n>', 'the same seed and start give the same events', wholeNumber('--seed'), 1)
    .option('--rate <n>', 'events a second; without it as fast as it goes', positiveCount('--rate'))
    .addOption(
      new Option('--span <duration>', 'event time over which the views are spread')
        .argParser(duration('--span'))
        .default(3_600_000, '1h'),
    )
    .option(
      '--start <time>',
      'event time of the first view, ISO 8601 or milliseconds; without it all is in the past',
      time,
    )
    .option('--engagement-rate <share>', 'views with engagements, for each type', share('--engagement-rate'), 0.2)
    .option('--repeats <share>', 'views that are repeated by their user', share('--repeats'), 0.1)
    .option('--duplicates <share>', 'events that arrive twice', share('--duplicates'), 0.05)
    .option('--disorder <duration>', 'how late events arrive; without it time.outOfOrderness', duration('--disorder'))
    .option('--partitions <n>', 'partitions to close, where the log does not tell', positiveCount('--partitions'))
    .option('--close', 'end with events that let everything else be sealed', false)
    .option('--answer <file>', 'write the expected samples there, as JSON lines')
    .action((options: Options) => generate(options))
}

async function generate(options: Options): Promise<void> {
  const { pipeline, open } = await destination(options)
  try {
    const plan = planGeneration(pipeline, wishesOf(options), Date.now())
    const opened = await open()
    try {
      report(await runTo(opened.target, plan, options), options)
    } finally {
      await opened.close()
    }
  } catch (error) {
    if (error instanceof RecordError) throw new UsageError(error.message)
    throw error
  }
}

function wishesOf(options: Options) {
  const { views, users, seed, span, start, engagementRate, disorder, duplicates, repeats } = options
  return { views, users, seed, spanMs: span, startMs: start, engagementRate, disorderMs: disorder, duplicates, repeats }
}

async function destination(options: Options): Promise<Destination> {
  const { outDir, config: folder } = options
  if (outDir === undefined) {
    const config = loadConfig(folder, process.env)
    const pipeline = await withWriterSchemas(config.pipeline)
    return { pipeline, open: () => openTarget({ ...config, pipeline }, options) }
  }
  const config = loadOverFiles(folder, process.env)
  return { pipeline: config.pipeline, open: () => openFiles(outDir, config, options) }
}

async function openFiles(outDir: string, { pipeline, node }: FilesConfig, options: Options): Promise<Opened> {
  const partitions = options.partitions ?? node.embedded.partitions
  const target = await FilesTarget.open(outDir, pipeline, options.seed, partitions)
  return { target, close: () => target.close() }
}

async function openTarget(config: Config, options: Options): Promise<Opened> {
  const { pipeline, node } = config
  const partitions = options.partitions ?? node.embedded.partitions
  if (options.to !== undefined) {
    if (!/^https?:\/\//.test(options.to)) throw new UsageError(`--to ${options.to}: must be an http or https URL`)
    const target = new ServerTarget(
      options.to,
      pipeline,
      options.seed,
      partitions,
      sleep,
      operatingHeaders(node.control),
    )
    return { target, close: async () => {} }
  }
  return openLogTarget(config, options, partitions)
}

async function openLogTarget(config: Config, options: Options, partitions: number): Promise<Opened> {
  const { pipeline, node } = config
  const log = await openLog(config, 'postview-generate', makeLogger(node.log.level)).catch((error: unknown) => {
    const isTaken = error instanceof LogError && error.code === 'LOCKED'
    throw isTaken ? new UsageError(`${error.message}; to send to the node that has it: --to URL`) : error
  })
  try {
    const target = await LogTarget.open(log, pipeline, options.seed, pipeline.createTopics ? partitions : undefined)
    return {
      target,
      close: async () => {
        await target.close()
        await log.close()
      },
    }
  } catch (error) {
    await log.close()
    throw error
  }
}

async function runTo(target: Target, plan: Plan, options: Options): Promise<RunCounts> {
  const answerFile = await openAnswer(options)
  const bar = progressBar(options.views)
  let isStopped = false
  const stop = () => {
    isStopped = true
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    return await runGeneration(plan, target, {
      rate: options.rate,
      close: options.close,
      onAnswer: (answer) => answerFile?.write(answerJson(answer)),
      onProgress: (counts) => bar?.update(counts.views),
      nowMs: () => performance.now(),
      sleep,
      isStopped: () => isStopped,
    })
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
    bar?.stop()
    await answerFile?.close()
  }
}

async function openAnswer(options: Options): Promise<LineFile | undefined> {
  if (options.answer !== undefined) return new LineFile(options.answer)
  if (options.outDir === undefined) return undefined
  await mkdir(options.outDir, { recursive: true })
  return new LineFile(join(options.outDir, 'answer.jsonl'))
}

/** Only a person at a terminal sees one. */
function progressBar(views: number): SingleBar | undefined {
  if (!process.stderr.isTTY) return undefined
  const bar = new SingleBar({ format: '{bar} {percentage} % | {value} of {total} views | {eta_formatted} left' })
  bar.start(views, 0)
  return bar
}

function report(counts: RunCounts, options: Options): void {
  const where = options.outDir ?? options.to ?? 'the log'
  const copies = `${counts.copies} copies of views`
  process.stdout.write(`${counts.views} views, ${counts.engagements} engagements and ${copies} to ${where}\n`)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function positiveCount(flag: string) {
  return parsed(flag, 'must be a whole number above 0', (text) => parseCount(text) || undefined)
}

function wholeNumber(flag: string) {
  return parsed(flag, 'must be a whole number', (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined))
}

function duration(flag: string) {
  return parsed(flag, 'must be a duration such as 10m', parseDuration)
}

function share(flag: string) {
  const inRange = (value: number) => (value >= 0 && value <= 1 ? value : undefined)
  return parsed(flag, 'must be a number from 0 to 1', (text) =>
    text.trim() === '' ? undefined : inRange(Number(text)),
  )
}

function time(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isSafeInteger(ms)) return ms
  throw new UsageError(`--start ${text}: must be a time, ISO 8601 or milliseconds`)
}

function parsed(flag: string, wanted: string, parse: (text: string) => number | undefined): (text: string) => number {
  return (text) => {
    const value = parse(text)
    if (value !== undefined) return value
    throw new UsageError(`${flag} ${text}: ${wanted}`)
  }
}
