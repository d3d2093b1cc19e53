/**
 * From kafkajs's errors to the port's: what the caller should do decides the code. A broker's text may go into a message;
 * credentials never do, since kafkajs keeps them out of its errors.
 */
import { noLeader } from '../leaderless.ts'
import { LogError, type LogErrorCode } from '../port.ts'
import type { KafkaError } from './internals.ts'

const CODES: ReadonlyMap<string, LogErrorCode> = new Map([
  ['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC'],
  ['INVALID_TOPIC_EXCEPTION', 'UNKNOWN_TOPIC'],
  ['OFFSET_OUT_OF_RANGE', 'OUT_OF_RANGE'],
  ['INCONSISTENT_GROUP_PROTOCOL', 'DISAGREES'],
  ['ILLEGAL_GENERATION', 'NOT_OWNER'],
  ['UNKNOWN_MEMBER_ID', 'NOT_OWNER'],
  ['REBALANCE_IN_PROGRESS', 'NOT_OWNER'],
  ['FENCED_INSTANCE_ID', 'NOT_OWNER'],
  ['MESSAGE_TOO_LARGE', 'TOO_LARGE'],
  ['RECORD_LIST_TOO_LARGE', 'TOO_LARGE'],
])

/** Errors that kafkajs calls final and that an absent broker gives: they pass when it is back. */
const PASSING = new Set([
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSBrokerNotFound',
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSLockTimeout',
  'KafkaJSTimeout',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
])

/** The error that began it, below kafkajs's wrappings; one of our own says enough, whatever caused it. */
export function rootCause(error: unknown): KafkaError {
  let root = error
  while (!(root instanceof LogError) && root instanceof Error && root.cause instanceof Error) root = root.cause
  return root instanceof Error ? root : new Error(String(root))
}

export function toLogError(error: unknown, doing: string): LogError {
  const root = rootCause(error)
  if (root instanceof LogError) return root
  const code = CODES.get(root.type ?? '') ?? 'FAILED'
  const passes = code === 'FAILED' && isPassing(root)
  return new LogError(code, `${doing}: ${reasonOf(root)}`, { cause: error, passes })
}

/**
 * Trap: kafkajs takes the answer in which a broker refuses an OAuth token for its consent, and hears of it only when the
 * next request is refused for coming too early. No other mechanism ends there.
 */
function reasonOf(root: KafkaError): string {
  if (root.type === 'ILLEGAL_SASL_STATE') return 'SASL authentication failed: the broker refused the token'
  if (root.name === 'KafkaJSSASLAuthenticationError') return `SASL authentication failed: ${root.message}`
  return root.message
}

/** Whether the same call may succeed later with nothing else changed. */
export function isPassing(error: unknown): boolean {
  const root = rootCause(error)
  if (root.type !== undefined) return root.retriable === true
  return PASSING.has(root.name) || (root.name.startsWith('KafkaJS') && root.retriable === true)
}

/**
 * A newer epoch of the transactional id exists, or what the brokers know of this producer is not what it knows itself:
 * either way nothing may be sent under it again.
 */
const FENCING = new Set([
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TXN_STATE',
  'UNKNOWN_PRODUCER_ID',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
])
/** As `INVALID_PRODUCER_EPOCH`; kafkajs does not know it. */
const PRODUCER_FENCED = 90

export function isFencing(error: unknown): boolean {
  const { type, code } = rootCause(error) as KafkaError
  return FENCING.has(type ?? '') || code === PRODUCER_FENCED
}

/** Of a member that has joined anew since. */
export const isOldGeneration = (error: unknown): boolean => rootCause(error).type === 'ILLEGAL_GENERATION'

/**
 * Where no leader is known. A broker that has just started may not know yet of a partition that is there: as its own
 * answer that says so, it may pass.
 */
export function unknownPartition(topic: string, partition: number): LogError {
  const error = new LogError('UNKNOWN_TOPIC', `${topic}/${partition} does not exist`)
  return Object.assign(error, { type: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true })
}

/** As a broker would tell it. */
export function leaderNotAvailable(topic: string, partition: number): LogError {
  return Object.assign(noLeader({ topic, partition }), { type: 'LEADER_NOT_AVAILABLE', retriable: true })
}

export const isUnknownTopic = (error: unknown): boolean => rootCause(error).type === 'UNKNOWN_TOPIC_OR_PARTITION'
