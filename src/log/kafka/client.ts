/**
 * The Kafka client made from the node's configuration: addresses, TLS, SASL, logging.
 *
 * Invariant: of what kafkajs logs, only named fields pass, so that no credential and no record can reach a log.
 */
import type { KafkaConfig as ClientConfig, LogEntry, SASLOptions } from 'kafkajs'
import type { KafkaConfig, SaslConfig } from '../../config/model.ts'
import type { Client } from './internals.ts'
import { kafkajs } from './patch.ts'
import { socketFactory } from './socket.ts'

/** What is needed of pino. */
export interface Logger {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
}

const CONNECTION_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 30_000
/** Of one call. Given in full, since kafkajs has other defaults where NODE_ENV is `test`. */
export const RETRY = { retries: 8, initialRetryTime: 100, maxRetryTime: 5_000, factor: 0.2, multiplier: 2 } as const

const LOGGED_FIELDS = [
  'broker',
  'groupId',
  'memberId',
  'topic',
  'partition',
  'retryCount',
  'retryTime',
  'error',
] as const
/** Told as an error by kafkajs, and nothing but a rebalance, a moving leader, or an answer that the caller is told. */
const ROUTINE =
  /rebalancing|re-joining|not the leader|not aware of this member|does not host this topic|coordinator is not available|another concurrent operation/i

export function createClient(kafka: KafkaConfig, clientId: string, logger: Logger | undefined): Client {
  const config: ClientConfig = {
    clientId,
    brokers: [...kafka.brokers],
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    socketFactory,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => logger && relay(logger, entry),
  }
  if (kafka.ssl !== undefined) config.ssl = kafka.ssl
  if (kafka.sasl !== undefined) config.sasl = saslOptions(kafka.sasl)
  return new kafkajs.Kafka(config)
}

function saslOptions(sasl: SaslConfig): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') return { ...sasl } as SASLOptions
  const { token } = sasl
  return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token }) }
}

function relay(logger: Logger, { namespace, log }: LogEntry): void {
  const fields: Record<string, unknown> = { component: `kafkajs ${namespace}` }
  for (const name of LOGGED_FIELDS) {
    const value = log[name]
    if (value !== undefined && value !== null) fields[name] = typeof value === 'number' ? value : String(value)
  }
  const text = `${log.message} ${fields.error ?? ''}`
  logger[ROUTINE.test(text) ? 'debug' : 'warn'](fields, log.message)
}
