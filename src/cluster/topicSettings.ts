/**
 * Whether a topic's settings let a pipeline live: inputs that keep what recovery needs, outputs that neither delete nor
 * refuse what is written to them. Pure.
 *
 * A setting that is not known is not judged; where none is, that is a warning.
 */
import type { Pipeline } from '../config/model.ts'
import type { TopicInfo } from '../log/port.ts'
import { DEFAULT_BYTES } from '../sinks/limit.ts'
import type { Finding } from './finding.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Outputs are stamped when they are made, and written again and again while brokers are away: an outage must fit in. */
const OLDEST_STAMP_MS = HOUR_MS
/** Clocks differ. */
const NEWEST_STAMP_MS = MINUTE_MS
/** Readers of the output need some time. */
const OUTPUT_RETENTION_MS = HOUR_MS
/** A batch of samples is at most 512 KiB before it is compressed, and has a header. */
const BATCH_BYTES = 512 * 1024 + 1024

/** How long an event may be needed after its own time: until its view is sealed and no longer remembered. */
export function neededForMs({ labels, time }: Pick<Pipeline, 'labels' | 'time'>): number {
  const longestMs = Math.max(...labels.map((label) => label.withinMs))
  const { outOfOrdernessMs, allowedLatenessMs, clockSkewToleranceMs, rememberSealedMs } = time
  return longestMs + allowedLatenessMs + clockSkewToleranceMs + outOfOrdernessMs + rememberSealedMs
}

export function checkInput(info: TopicInfo, neededMs: number): readonly Finding[] {
  const { topic, settings } = info
  if (settings.size === 0) return [unknown('retention', topic, 'it keeps events for as long as they are needed')]
  const findings: Finding[] = []
  const tell = (state: Finding['state'], message: string) =>
    findings.push({ check: 'retention', subject: topic, state, message: `topic ${topic}: ${message}` })
  if (isCompacted(settings)) {
    tell('problem', 'cleanup.policy is compact: earlier events of a user are deleted. Set it to delete')
  }
  const retentionMs = limitOf(settings, 'retention.ms')
  if (retentionMs < neededMs) {
    tell(
      'problem',
      `retention.ms is ${retentionMs}, and an event may be needed for ${neededMs} ms (longest window, lateness, ` +
        'disorder, remembered views): recovery would miss events. Lengthen it',
    )
  } else if (retentionMs < neededMs * 2) {
    tell('warning', `retention.ms is ${retentionMs}, hardly more than the ${neededMs} ms for which events are needed`)
  }
  const retentionBytes = limitOf(settings, 'retention.bytes')
  if (retentionBytes !== Number.POSITIVE_INFINITY) {
    tell('warning', `retention.bytes is ${retentionBytes}: events may be deleted while they are still needed`)
  }
  return findings.length > 0 ? findings : [ok('retention', topic, 'keeps events for as long as they are needed')]
}

/** `keptMs`: what recovery reads back must be kept for that long. */
export function checkOutput(info: TopicInfo, keptMs: number): readonly Finding[] {
  if (info.settings.size === 0) {
    const taken =
      `it keeps and takes what is written to it. Kafka's default of max.message.bytes (${DEFAULT_BYTES}) counts for it: ` +
      'where it takes less, the node stops at the first record that it refuses; where it takes more, what is larger is ' +
      'still told as too large'
    return [unknown('settings', info.topic, taken)]
  }
  const findings = [...deletes(info, keptMs), ...refuses(info)]
  return findings.length > 0 ? findings : [ok('settings', info.topic, 'keeps and takes what is written to it')]
}

/** The topic of shared snapshots. */
export function checkCompacted({ topic, settings }: TopicInfo): readonly Finding[] {
  if (settings.size === 0) return [unknown('settings', topic, 'it keeps the last snapshots')]
  if (!settings.has('cleanup.policy') || isCompacted(settings))
    return [ok('settings', topic, 'keeps the last snapshots')]
  const message = `topic ${topic}: cleanup.policy is ${settings.get('cleanup.policy')}: snapshots would be deleted, or kept for ever. Set it to compact`
  return [{ check: 'settings', subject: topic, state: 'problem', message }]
}

function deletes({ topic, settings }: TopicInfo, keptMs: number): readonly Finding[] {
  const findings: Finding[] = []
  const tell = (state: Finding['state'], message: string) =>
    findings.push({ check: 'settings', subject: topic, state, message: `topic ${topic}: ${message}` })
  if (isCompacted(settings)) {
    tell('problem', 'cleanup.policy is compact: of each user only the last record would stay. Set it to delete')
  }
  const leastMs = Math.max(OUTPUT_RETENTION_MS, keptMs)
  const retentionMs = limitOf(settings, 'retention.ms')
  if (retentionMs < leastMs) {
    tell('problem', `retention.ms is ${retentionMs}: what is written is deleted before ${leastMs} ms are over`)
  }
  // Bytes say nothing of time: whether it is too little, nobody can tell here.
  const retentionBytes = limitOf(settings, 'retention.bytes')
  if (retentionBytes !== Number.POSITIVE_INFINITY) {
    tell('warning', `retention.bytes is ${retentionBytes}: what is written may be deleted before it is read`)
  }
  return findings
}

function refuses({ topic, settings }: TopicInfo): readonly Finding[] {
  const findings: Finding[] = []
  const tell = (message: string) =>
    findings.push({ check: 'settings', subject: topic, state: 'problem', message: `topic ${topic}: ${message}` })
  if (settings.get('message.timestamp.type') !== 'LogAppendTime') {
    for (const [name, leastMs] of [
      ['message.timestamp.before.max.ms', OLDEST_STAMP_MS],
      ['message.timestamp.difference.max.ms', OLDEST_STAMP_MS],
      ['message.timestamp.after.max.ms', NEWEST_STAMP_MS],
    ] as const) {
      const limitMs = limitOf(settings, name)
      if (limitMs < leastMs)
        tell(`${name} is ${limitMs}: records that wait for a broker would be refused; at least ${leastMs}`)
    }
  }
  const maxBytes = limitOf(settings, 'max.message.bytes')
  if (maxBytes < BATCH_BYTES)
    tell(`max.message.bytes is ${maxBytes}: batches of up to ${BATCH_BYTES} bytes are written`)
  return findings
}

function isCompacted(settings: ReadonlyMap<string, string>): boolean {
  return settings.get('cleanup.policy')?.split(',').includes('compact') ?? false
}

/** Infinity where there is no limit, or it is not known. */
function limitOf(settings: ReadonlyMap<string, string>, name: string): number {
  const value = Number(settings.get(name) ?? -1)
  return Number.isFinite(value) && value >= 0 ? value : Number.POSITIVE_INFINITY
}

function unknown(check: string, subject: string, what: string): Finding {
  const message = `topic ${subject}: its settings could not be read (DescribeConfigs of the topic), so nobody knows whether ${what}`
  return { check, subject, state: 'warning', message }
}

export function ok(check: string, subject: string, message: string): Finding {
  return { check, subject, state: 'ok', message: `topic ${subject}: ${message}` }
}
