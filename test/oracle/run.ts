/**
 * Runs the oracle (oracle.py, a program in another language that shares no code with the product) and its generator.
 *
 * Fails: an Error with what the program wrote to stderr, when it exits with anything but 0.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OracleConfig, OracleEvent, PureSample, PureSide } from '../support/pureJoin.ts'

const MAX_OUTPUT_BYTES = 1 << 30

export type OracleSample = Omit<PureSample, 'view'> & { readonly partition: number }
export type OracleSide = PureSide & { readonly partition: number }

export interface OracleCounts {
  readonly views: Readonly<Record<string, number>>
  readonly engagements: Readonly<Record<string, number>>
  readonly refused: number
}

export interface Expected {
  readonly samples: OracleSample[]
  readonly side: OracleSide[]
  readonly ledger: { readonly partitions: Readonly<Record<string, OracleCounts>>; readonly total: OracleCounts }
}

export interface Generated {
  readonly config: OracleConfig
  readonly events: OracleEvent[]
}

/** What the oracle makes of events in the order of fetching. */
export function runOracle(config: OracleConfig, events: readonly OracleEvent[]): Expected {
  return inFolder((folder) => {
    const at = (name: string): string => join(folder, name)
    writeFileSync(at('config.json'), JSON.stringify(config))
    const input = `${events.map((e) => JSON.stringify(e)).join('\n')}\n`
    const files = ['--config', at('config.json'), '--ledger', at('ledger.json'), '--side', at('side.jsonl')]
    const samples = runPython('oracle.py', files, input)
    return {
      samples: parseLines(samples) as OracleSample[],
      side: parseLines(readFileSync(at('side.jsonl'), 'utf8')) as OracleSide[],
      ledger: JSON.parse(readFileSync(at('ledger.json'), 'utf8')) as Expected['ledger'],
    }
  })
}

/** A stream of the oracle's generator: `options` as in generate.py, without the dashes. */
export function generate(seed: number, options: Readonly<Record<string, number>> = {}): Generated {
  return inFolder((folder) => {
    const file = join(folder, 'config.json')
    const more = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const events = runPython('generate.py', ['--seed', String(seed), '--config', file, ...more], '')
    return {
      config: JSON.parse(readFileSync(file, 'utf8')) as OracleConfig,
      events: parseLines(events) as OracleEvent[],
    }
  })
}

/** The interpreter itself: where versions are managed, `python3` is a script that takes longer than most of our runs. */
let interpreter: string | undefined

function runPython(program: string, args: readonly string[], input: string): string {
  interpreter ??= answerOf('python3', ['-c', 'import sys; print(sys.executable)'], '').trim()
  return answerOf(interpreter, [fileURLToPath(new URL(program, import.meta.url)), ...args], input)
}

function answerOf(command: string, args: readonly string[], input: string): string {
  const done = spawnSync(command, args, { input, encoding: 'utf8', maxBuffer: MAX_OUTPUT_BYTES })
  if (done.error !== undefined) throw new Error(`${command} could not be run: ${done.error.message}`)
  if (done.status !== 0) throw new Error(`${args[0]} ended with ${done.status ?? done.signal}: ${done.stderr}`)
  return done.stdout
}

function inFolder<T>(run: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'postview-oracle-'))
  try {
    return run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function parseLines(text: string): unknown[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]))
}
