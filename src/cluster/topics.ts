/**
 * The pipeline's topics before a start: which must be there, with how many partitions, and whether their settings let
 * them be used. What may be made is made.
 *
 * Invariants:
 * 1. All sources and all outputs have one number of partitions: a user's events, and the samples made of them, lie in
 *    the same one.
 * 2. Made are, on the embedded log, all topics; on Kafka the outputs, and only with `createTopics: true`. A source is
 *    never made there: one that is missing is a misspelled one, or whoever writes it has not begun.
 *
 * How it fails: `checkTopics` tells findings; `ensureTopics` throws a SetupError with all problems; both reject with what
 * the log says where it does not answer.
 */
import type { Config } from '../config/load.ts'
import type { Pipeline } from '../config/model.ts'
import type { Log, TopicInfo, TopicSpec } from '../log/port.ts'
import { type Finding, SetupError } from './finding.ts'
import { checkCompacted, checkInput, checkOutput, neededForMs, ok } from './topicSettings.ts'

export type TopicsConfig = Pick<Config, 'pipeline' | 'node'>

/** Outputs must keep every record: brokers whose default is compaction are not asked for it. */
const OUTPUT_SETTINGS = { 'cleanup.policy': 'delete' } as const
/** Only closed segments are compacted: small ones, or many snapshots would lie there. */
const SNAPSHOT_SETTINGS = { 'cleanup.policy': 'compact', 'segment.bytes': String(64 * 2 ** 20) } as const

export function sourceTopics({ sources }: Pipeline): readonly string[] {
  return sources.map((source) => source.topic)
}

/** What is joined: the sources, or the consolidated topic that they are rewritten into. */
export function joinTopics(pipeline: Pipeline): readonly string[] {
  return pipeline.repartition === undefined ? sourceTopics(pipeline) : [pipeline.repartition.topic]
}

/** The topics that are written: samples, side outputs, dead letters, and the consolidated one. */
export function outputTopics({ sinks, sideOutputs, repartition }: Pipeline): readonly string[] {
  const samples = sinks.flatMap((sink) => (sink.type === 'kafka' ? [sink.topic] : []))
  const consolidated = repartition === undefined ? [] : [repartition.topic]
  return [...consolidated, ...samples, sideOutputs.late, sideOutputs.orphans, sideOutputs.deadLetters]
}

/** The topic of shared snapshots, where there is one. */
export function snapshotTopics({ node }: Pick<TopicsConfig, 'node'>): readonly string[] {
  return node.snapshots?.to.type === 'kafka' ? [node.snapshots.to.topic] : []
}

export async function checkTopics(log: Log, config: TopicsConfig): Promise<readonly Finding[]> {
  const { pipeline } = config
  const sources = sourceTopics(pipeline)
  const outputs = outputTopics(pipeline)
  const snapshots = snapshotTopics(config)
  const named = [...sources, ...outputs, ...snapshots]
  const found = new Map((await log.topics(named)).map((info) => [info.topic, info]))
  const partitions = partitionsOf(found, config, log.kind)
  return [
    ...sources.map((topic) => existence(topic, found, sourceMissing(topic, log.kind))),
    ...outputs.map((topic) => existence(topic, found, outputMissing(topic, config, log.kind, partitions))),
    ...snapshots.map((topic) => existence(topic, found, outputMissing(topic, config, log.kind, partitions, 'compact'))),
    ...samePartitions(joinTopics(pipeline), [...outputs, ...snapshots], found),
    ...snapshots.flatMap((topic) => found.get(topic) ?? []).flatMap(checkCompacted),
    ...settings(sources, outputs, new Map([...(await toBeMade(log, config)), ...found]), pipeline),
  ]
}

/** What a start would make on the embedded log, whose settings are known before: on Kafka the brokers' own are not. */
async function toBeMade(log: Log, config: TopicsConfig): Promise<readonly [string, TopicInfo][]> {
  if (log.kind !== 'embedded') return []
  const retention = ['retention.ms', String(config.node.embedded.retentionMs)] as const
  return (await missingSpecs(log, config)).map(({ topic, partitions, settings = {} }) => {
    return [topic, { topic, partitions, settings: new Map([retention, ...Object.entries(settings)]) }]
  })
}

/** Makes what may be made; throws a SetupError if problems are left, else returns all findings. */
export async function ensureTopics(log: Log, config: TopicsConfig): Promise<readonly Finding[]> {
  const specs = await missingSpecs(log, config)
  if (specs.length > 0) await log.createTopics(specs)
  const findings = await checkTopics(log, config)
  const problems = findings.filter((finding) => finding.state === 'problem')
  if (problems.length > 0) throw new SetupError(problems)
  return findings
}

async function missingSpecs(log: Log, config: TopicsConfig): Promise<readonly TopicSpec[]> {
  const { pipeline } = config
  const sources = sourceTopics(pipeline)
  const outputs = outputTopics(pipeline)
  const snapshots = snapshotTopics(config)
  const named = [...sources, ...outputs, ...snapshots]
  const found = new Map((await log.topics(named)).map((info) => [info.topic, info]))
  const partitions = partitionsOf(found, config, log.kind)
  if (partitions === undefined) return []
  const isEmbedded = log.kind === 'embedded'
  const made = isEmbedded || pipeline.createTopics
  const wanted: readonly TopicSpec[] = [
    ...(isEmbedded ? sources.map((topic) => ({ topic, partitions })) : []),
    ...(made ? outputs.map((topic) => ({ topic, partitions, settings: OUTPUT_SETTINGS })) : []),
    ...(made ? snapshots.map((topic) => ({ topic, partitions, settings: SNAPSHOT_SETTINGS })) : []),
  ]
  return wanted.filter(({ topic }) => !found.has(topic))
}

/** How many partitions a new topic gets: as many as the sources have. Undefined where none of them says. */
function partitionsOf(
  found: ReadonlyMap<string, TopicInfo>,
  { pipeline, node }: TopicsConfig,
  kind: Log['kind'],
): number | undefined {
  const { repartition } = pipeline
  const given = repartition !== undefined && !found.has(repartition.topic) ? repartition.partitions : undefined
  if (given !== undefined) return given
  const known = [...joinTopics(pipeline), ...sourceTopics(pipeline)].find((topic) => found.has(topic))
  if (known !== undefined) return found.get(known)!.partitions
  return kind === 'embedded' ? node.embedded.partitions : undefined
}

type Missing = Pick<Finding, 'state' | 'message'>

function existence(topic: string, found: ReadonlyMap<string, TopicInfo>, missing: Missing): Finding {
  const info = found.get(topic)
  if (info !== undefined) return ok('topics', topic, `exists, with ${info.partitions} partitions`)
  return { check: 'topics', subject: topic, ...missing }
}

function sourceMissing(topic: string, kind: Log['kind']): Missing {
  if (kind === 'embedded') return { state: 'ok', message: `topic ${topic}: will be made at the start` }
  return {
    state: 'problem',
    message: `topic ${topic} does not exist, and sources.* reads from it: is it misspelled, or not made yet?`,
  }
}

function outputMissing(
  topic: string,
  { pipeline, node }: TopicsConfig,
  kind: Log['kind'],
  partitions: number | undefined,
  policy: 'delete' | 'compact' = 'delete',
): Missing {
  if (kind === 'embedded' || pipeline.createTopics) {
    return { state: 'ok', message: `topic ${topic}: will be made at the start` }
  }
  const access = node.kafka?.ssl !== undefined || node.kafka?.sasl !== undefined ? ' --command-config FILE' : ''
  const command =
    `kafka-topics.sh --bootstrap-server ${node.kafka?.brokers[0] ?? 'localhost:9092'}${access} --create --topic ${topic} ` +
    `--partitions ${partitions ?? 'N'} --config cleanup.policy=${policy}`
  return {
    state: 'problem',
    message: `topic ${topic} does not exist. Make it (or set createTopics: true in pipeline.yaml): ${command}`,
  }
}

function samePartitions(
  sources: readonly string[],
  outputs: readonly string[],
  found: ReadonlyMap<string, TopicInfo>,
): readonly Finding[] {
  const first = sources.find((topic) => found.has(topic))
  if (first === undefined) return []
  const { partitions } = found.get(first)!
  const others = [...sources, ...outputs].filter((topic) => found.has(topic) && topic !== first)
  const differing = others.filter((topic) => found.get(topic)!.partitions !== partitions)
  if (differing.length === 0) return [ok('partitions', first, `${partitions} partitions, as all others`)]
  return differing.map((topic) => ({
    check: 'partitions',
    subject: topic,
    state: 'problem',
    message:
      `topic ${topic} has ${found.get(topic)!.partitions} partitions where ${first} has ${partitions}: a user's events ` +
      'and samples must lie in one partition number, so all topics need the same count',
  }))
}

function settings(
  sources: readonly string[],
  outputs: readonly string[],
  found: ReadonlyMap<string, TopicInfo>,
  pipeline: Pipeline,
): readonly Finding[] {
  const neededMs = neededForMs(pipeline)
  const { deadLetters } = pipeline.sideOutputs
  const existing = (topics: readonly string[]) => topics.flatMap((topic) => found.get(topic) ?? [])
  return [
    ...existing(sources).flatMap((info) => checkInput(info, neededMs)),
    // Dead letters hold decisions that recovery reads back.
    // The consolidated topic is what a restart replays.
    ...existing(outputs).flatMap((info) =>
      checkOutput(info, [deadLetters, pipeline.repartition?.topic].includes(info.topic) ? neededMs : 0),
    ),
  ]
}
