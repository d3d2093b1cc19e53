/**
 * From the checked shape of node.yaml to the model, with secrets resolved.
 */

import { problem } from './check.ts'
import type { ControlConfig, KafkaConfig, NodeConfig, SaslConfig, SnapshotsConfig } from './model.ts'
import type { NodeFile } from './nodeShape.ts'
import { ConfigError } from './problem.ts'
import { resolveSecret, resolveText, type SecretSource } from './secret.ts'
import { tokensFrom } from './token.ts'

/** Where memory is tight, what only `postview delays` asks for must not take most of it. */
const DELAYS_SHARE = 1 / 16
const DELAYS_MOST_BYTES = 32 * 2 ** 20

type KafkaFile = NonNullable<NodeFile['kafka']>

/** What commands over files use of it: nothing that needs brokers or a secret. */
export function nodeOverFiles({ memory, embedded }: NodeFile): Pick<NodeConfig, 'memory' | 'embedded'> {
  return {
    memory: {
      stateBytes: memory.state,
      inFlightBytes: memory.inFlight,
      outputBytes: memory.output,
      actorBytes: memory.actors,
    },
    embedded: {
      fsyncMs: embedded.fsync,
      retentionMs: embedded.retention,
      segmentBytes: embedded.segment,
      partitions: embedded.partitions,
    },
  }
}

export function nodeFrom(given: NodeFile, pipelineName: string, from: SecretSource): NodeConfig {
  if (given.snapshots?.to === 'kafka' && given.kafka === undefined) {
    throw new ConfigError([
      problem(from.file, 'snapshots.to', 'needs brokers (kafka): the embedded log is of one process', 'kafka'),
    ])
  }
  return {
    ...nodeOverFiles(given),
    ...(given.kafka === undefined ? {} : { kafka: kafkaFrom(given.kafka, from) }),
    group: given.kafka?.group ?? `postview-${pipelineName}`,
    dataDir: given.dataDir,
    control: controlFrom(given.control, from),
    delays: { horizonMs: given.delays.horizon, memoryBytes: given.delays.memory ?? delaysBytes(given.memory.state) },
    ...(given.snapshots === undefined ? {} : { snapshots: snapshotsFrom(given.snapshots) }),
    journal: given.journal,
    commitEveryMs: given.commitEvery,
    log: given.log,
  }
}

function controlFrom({ tokens, ...given }: NodeFile['control'], from: SecretSource): ControlConfig {
  return tokens === undefined ? given : { ...given, tokens: tokensFrom(tokens, from) }
}

/** The shape has seen to it that what `to` needs is there. */
function snapshotsFrom({ to, folder, topic, every, memory }: NonNullable<NodeFile['snapshots']>): SnapshotsConfig {
  const place = to === 'folder' ? ({ type: to, folder: folder! } as const) : ({ type: to, topic: topic! } as const)
  return { to: place, everyMs: every, memoryBytes: memory }
}

function delaysBytes(stateBytes: number): number {
  return Math.min(DELAYS_MOST_BYTES, Math.floor(stateBytes * DELAYS_SHARE))
}

function kafkaFrom(given: KafkaFile, from: SecretSource): KafkaConfig {
  return {
    brokers: given.brokers,
    sessionTimeoutMs: given.sessionTimeout,
    ...(given.ssl === undefined ? {} : { ssl: sslFrom(given.ssl, from) }),
    ...(given.sasl === undefined ? {} : { sasl: saslFrom(given.sasl, from) }),
  }
}

function sslFrom(given: NonNullable<KafkaFile['ssl']>, from: SecretSource): KafkaConfig['ssl'] {
  if (typeof given === 'boolean') return given
  const ssl: { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean } = {}
  if (given.ca !== undefined) ssl.ca = pemFrom(resolveText, given.ca, 'kafka.ssl.ca', from)
  if (given.cert !== undefined) ssl.cert = pemFrom(resolveText, given.cert, 'kafka.ssl.cert', from)
  if (given.key !== undefined) ssl.key = pemFrom(resolveSecret, given.key, 'kafka.ssl.key', from)
  if (given.rejectUnauthorized !== undefined) ssl.rejectUnauthorized = given.rejectUnauthorized
  return ssl
}

function pemFrom(resolve: typeof resolveText, given: string, key: string, from: SecretSource): string {
  const text = resolve(given, key, from)
  if (text.includes('-----BEGIN ')) return text
  throw new ConfigError([problem(from.file, key, 'what it refers to is no PEM text: it holds no -----BEGIN')])
}

/** The shape has seen to it that what the mechanism needs is there. */
function saslFrom(given: NonNullable<KafkaFile['sasl']>, from: SecretSource): SaslConfig {
  if (given.mechanism === 'oauthbearer') {
    return { mechanism: given.mechanism, token: resolveSecret(given.token!, 'kafka.sasl.token', from) }
  }
  return {
    mechanism: given.mechanism,
    username: resolveText(given.username!, 'kafka.sasl.username', from),
    password: resolveSecret(given.password!, 'kafka.sasl.password', from),
  }
}
