/**
 * `postview check`: what would keep a node from starting, before it is started: configuration, schemas, topics and their
 * settings, keying.
 *
 * How it fails: exit code 2 for a configuration that is wrong by itself, 1 where a check finds a problem, 0 else
 * (warnings are told and do not count).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Finding } from '../cluster/finding.ts'
import { checkKeying } from '../cluster/keying.ts'
import { loadToRun } from '../cluster/loadToRun.ts'
import { makeLogger } from '../cluster/logger.ts'
import { openLog } from '../cluster/open.ts'
import { checkTopics } from '../cluster/topics.ts'
import type { SourceReader } from '../codec/port.ts'
import { openSourceReader } from '../codec/source.ts'
import type { Config } from '../config/load.ts'
import type { Source } from '../config/model.ts'
import { type Log, LogError } from '../log/port.ts'
import { answerText } from '../show/printable.ts'

export interface CheckAnswer {
  readonly ok: boolean
  readonly findings: readonly Finding[]
}

export function addCheck(program: Command): void {
  program
    .command('check')
    .description('configuration, schemas, topics, keying: problems before a start')
    .option('--config <folder>', 'configuration folder', 'config')
    .option('--json', 'as JSON')
    .action(async (options: { config: string; json?: boolean }) => {
      const answer = await check(await loadToRun(options.config, process.env))
      process.stdout.write(`${answerText(answer, options.json, renderCheck)}\n`)
      if (!answer.ok) process.exitCode = 1
    })
}

interface OpenSource {
  readonly source: Source
  readonly reader: SourceReader
}

export async function check(config: Config): Promise<CheckAnswer> {
  const findings: Finding[] = [
    { check: 'configuration', subject: config.folder, state: 'ok', message: `${config.folder} can be used` },
  ]
  const sources: OpenSource[] = []
  for (const source of config.pipeline.sources) {
    const opened = await openSourceReader(source, config.pipeline.limits).catch((error: Error) => error)
    const { topic } = source
    if (opened instanceof Error) findings.push(problem('schemas', topic, `topic ${topic}: ${opened.message}`))
    else {
      sources.push({ source, reader: opened })
      findings.push(fine('schemas', topic, `topic ${topic}: the mapped fields are there`))
    }
  }
  findings.push(...(await checkLog(config, sources)))
  return { ok: findings.every((finding) => finding.state !== 'problem'), findings }
}

async function checkLog(config: Config, sources: readonly OpenSource[]): Promise<readonly Finding[]> {
  const { kafka, dataDir } = config.node
  const name = kafka === undefined ? `embedded log in ${dataDir}` : kafka.brokers.join(',')
  // To look must not make anything.
  if (kafka === undefined && !existsSync(join(dataDir, 'log'))) {
    return [fine('log', name, 'the embedded log is not there yet: the start makes it, with all topics')]
  }
  let log: Log
  try {
    log = await openLog(config, 'postview-check', makeLogger('error'))
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'LOCKED') {
      return [problem('log', name, `the log cannot be opened: ${(error as Error).message}`)]
    }
    return [warning('log', name, `a node is using it, so topics and keying are not looked at: ${error.message}`)]
  }
  try {
    const topics = await checkTopics(log, config)
    return [fine('log', name, 'the log answers'), ...topics, ...(await keying(log, config, sources))]
  } catch (error) {
    return [problem('log', name, `the log does not answer: ${(error as Error).message}`)]
  } finally {
    await log.close()
  }
}

async function keying(log: Log, config: Config, sources: readonly OpenSource[]): Promise<readonly Finding[]> {
  const existing = new Set((await log.topics(sources.map(({ source }) => source.topic))).map((info) => info.topic))
  const there = sources.filter(({ source }) => existing.has(source.topic))
  if (there.length === 0) return []
  return checkKeying({
    log,
    topics: there.map(({ source }) => source.topic),
    readers: there.map(({ reader }) => reader),
    onMiskeyed: config.pipeline.onMiskeyed,
  })
}

export function renderCheck({ ok, findings }: CheckAnswer): string {
  const problems = findings.filter((finding) => finding.state === 'problem').length
  const warnings = findings.filter((finding) => finding.state === 'warning').length
  const lines = findings.map(({ check: name, state, message }) => {
    return `${(state === 'ok' ? state : state.toUpperCase()).padEnd(8)} ${name.padEnd(14)} ${message}`
  })
  lines.push(ok ? `no problems${warnings > 0 ? `, ${warnings} warnings` : ''}` : `${problems} problems`)
  return lines.join('\n')
}

function fine(check: string, subject: string, message: string): Finding {
  return { check, subject, state: 'ok', message }
}

function warning(check: string, subject: string, message: string): Finding {
  return { check, subject, state: 'warning', message }
}

function problem(check: string, subject: string, message: string): Finding {
  return { check, subject, state: 'problem', message }
}
