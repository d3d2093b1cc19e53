/**
 * One run of `node cluster start` from empty to all read: the configuration written, the node fed and waited for, its
 * ledger asked for, the node told to stop.
 *
 * How it fails: with the end of the node's log where it ends by itself, or does not end cleanly. It does not measure
 * time: the test's own limit ends a wait that leads nowhere.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { NodeProcess } from './nodeProcess.ts'
import type { OracleConfig, OracleEvent } from './pureJoin.ts'
import type { SourceConfig, TestSource } from './testSource.ts'
import type { ReadRecord } from './topicReader.ts'

const LOOK_EVERY_MS = 50

export interface EndToEnd {
  /** Where the program lies (program.ts). */
  readonly program: string
  /** For the configuration and the node's data. */
  readonly folder: string
  readonly pipeline: object
  /** Absent: the embedded log. */
  readonly brokers?: string
  /** How many records the node is to take in. */
  readonly records: number
  /** Feeds the running node, where its topics are not full already. */
  readonly feed?: (control: string) => Promise<void>
}

export interface Ledger {
  readonly partitions: readonly Readonly<Record<string, number>>[]
  readonly total: Readonly<Record<string, number>>
  readonly balances: boolean
}

/** Writes pipeline.yaml and node.yaml. */
export async function writeConfig(folder: string, pipeline: object, brokers?: string): Promise<void> {
  const node = {
    ...(brokers === undefined ? {} : { kafka: { brokers: [brokers] } }),
    dataDir: join(folder, 'data'),
    control: { host: '127.0.0.1', port: 0 },
  }
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'pipeline.yaml'), stringify(pipeline))
  await writeFile(join(folder, 'node.yaml'), stringify(node))
}

/** Runs a node until it has taken in all records; stops it; gives the ledger that it had then. */
export async function runToEnd(run: EndToEnd): Promise<Ledger> {
  await writeConfig(run.folder, run.pipeline, run.brokers)
  const node = new NodeProcess(run.program, run.folder)
  try {
    const control = await node.ready
    await run.feed?.(control)
    const ledger = await ledgerAt(node, control, run.records)
    const code = await node.terminate()
    if (code !== 0) throw new Error(`the node ended with ${code}:\n${node.tail()}`)
    return ledger
  } finally {
    if (node.isRunning) await node.kill()
  }
}

/** The ledger once it counts that many records. More is an error: something was taken in twice. */
async function ledgerAt(node: NodeProcess, control: string, records: number): Promise<Ledger> {
  for (;;) {
    if (!node.isRunning) throw new Error(`the node ended by itself:\n${node.tail()}`)
    const ledger = await fetch(`${control}/ledger`).then(
      (answer) => answer.json() as Promise<Ledger>,
      () => undefined,
    )
    if (ledger !== undefined && ledger.total.records === records) return ledger
    if (ledger !== undefined && ledger.total.records > records) {
      throw new Error(`${ledger.total.records} records taken in where there are ${records}:\n${node.tail()}`)
    }
    await sleep(LOOK_EVERY_MS)
  }
}

/** The oracle's input: raw records as they lie in the topics, sources taking turns in the order of their times. */
export function oracleEvents(
  sources: readonly TestSource[],
  dumped: ReadonlyMap<string, readonly ReadRecord[]>,
): OracleEvent[] {
  const lanes = sources.flatMap((source, k) => {
    const events = dumped.get(source.topic)!.map(({ partition, offset, value }) => {
      return { source: k, partition, offset, ...source.decode(value), bytes: value.toString('base64') }
    })
    return lanesOf(events)
  })
  // Each lane keeps its order; how lanes alternate decides nothing for events within the bound.
  return lanes
    .flatMap((lane) => {
      let highest = Number.NEGATIVE_INFINITY
      return lane.map((event) => ({ event, at: (highest = Math.max(highest, event.time!)) }))
    })
    .sort((a, b) => a.at - b.at)
    .map(({ event }) => event)
}

function lanesOf(events: readonly OracleEvent[]): OracleEvent[][] {
  const lanes = new Map<number, OracleEvent[]>()
  for (const event of events) {
    const lane = lanes.get(event.partition!) ?? []
    lane.push(event)
    lanes.set(event.partition!, lane)
  }
  return [...lanes.values()]
}

export type OracleRules = Pick<
  OracleConfig,
  'outOfOrdernessMs' | 'allowedLatenessMs' | 'clockSkewToleranceMs' | 'rememberSealedMs' | 'labels'
>

export function oracleConfig(sources: readonly TestSource[], partitions: number, rules: OracleRules): OracleConfig {
  return { partitions, sources: sources.map(({ topic }) => topic), basis: 'event', maxClockSkewMs: null, ...rules }
}

/** The pipeline.yaml that says to a node what `rules` say to the oracle. */
export function pipelineOf(
  name: string,
  sources: readonly SourceConfig[],
  rules: OracleRules,
  sinks: object[],
): object {
  const source = ({ topic, format, fields }: SourceConfig) => ({ topic, format, fields })
  return {
    name,
    sources: { views: source(sources[0]), engagements: sources.slice(1).map(source) },
    labels: Object.fromEntries(
      rules.labels.map(({ name: label, on, withinMs, fold, default: fallback }) => [
        label,
        { on, within: `${withinMs}ms`, fold, default: fallback },
      ]),
    ),
    time: {
      outOfOrderness: `${rules.outOfOrdernessMs}ms`,
      allowedLateness: `${rules.allowedLatenessMs}ms`,
      clockSkewTolerance: `${rules.clockSkewToleranceMs}ms`,
      rememberSealed: `${rules.rememberSealedMs}ms`,
      // History: its times lie far behind, and silence while the test waits is to move nothing.
      maxClockSkew: 'off',
      idleAfter: '1h',
    },
    createTopics: true,
    sinks,
    sideOutputs: { late: `${name}-late`, orphans: `${name}-orphans`, deadLetters: `${name}-dead` },
  }
}
