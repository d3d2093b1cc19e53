/**
 * Whether records lie where the text of their user id hashes: the last ones of each source's partitions, decoded and
 * compared. The join checks every record on its way in; this tells before the start.
 *
 * Invariant: it reads a bounded number of records, outside any group, and moves no position.
 *
 * How it fails: what cannot be read is a warning; a record that cannot be decoded is passed over (it would be a dead
 * letter).
 */
import type { SourceReader } from '../codec/port.ts'
import { EventBatch, REFUSED } from '../join/event.ts'
import { murmur2, partitionOf } from '../join/hash.ts'
import { endIn } from '../log/leaderless.ts'
import type { Log, PartitionEnds, TopicInfo } from '../log/port.ts'
import type { Finding } from './finding.ts'

export interface KeyingOptions {
  readonly log: Log
  /** Of the sources, with their readers in the same order. */
  readonly topics: readonly string[]
  readonly readers: readonly SourceReader[]
  /** Of the configuration: whether such records stop the join or go to the dead letters. */
  readonly onMiskeyed: 'stop' | 'deadLetter'
  /** Where given, records below this group's commits are not looked at: they are joined, or were passed over. */
  readonly group?: string
}

/** Of each partition. */
const LAST_RECORDS = 100
const AT_A_TIME = 8
export const MISKEYED_CAUSES =
  'Usual causes: null keys, a key that is not the user id, a partitioner other than murmur2 (librdkafka: set ' +
  'partitioner=murmur2_random), binary keys'

interface Miskeyed {
  readonly partition: number
  readonly offset: number
  readonly expected: number
  readonly count: number
  readonly looked: number
}

export async function checkKeying(options: KeyingOptions): Promise<readonly Finding[]> {
  const { log, topics } = options
  const [infos, ends] = await Promise.all([log.topics(topics), log.ends(topics, 'led')])
  const counts = new Map(infos.map((info) => [info.topic, info.partitions]))
  const committed = options.group === undefined ? [] : await log.committed(options.group, topics)
  const joined = new Map(committed.map((one) => [`${one.topic} ${one.partition}`, one.offset]))
  const ranges = ends.map((end) => ({ end, from: startOf(end, joined.get(`${end.topic} ${end.partition}`) ?? -1) }))
  const findings: Finding[] = infos.flatMap((info) => leaderless(info, ends))
  for (let k = 0; k < ranges.length; k += AT_A_TIME) {
    const some = ranges.slice(k, k + AT_A_TIME)
    const checked = some.map(({ end, from }) => checkPartition(options, counts.get(end.topic)!, end, from))
    findings.push(...(await Promise.all(checked)).flat())
  }
  const bad = new Set(findings.map((finding) => finding.subject))
  const good = topics.filter((topic) => !bad.has(topic))
  return [
    ...good.map((topic) => finding(topic, 'ok', `topic ${topic}: the last records lie where their user ids hash`)),
    ...findings,
  ]
}

function startOf(end: PartitionEnds, committed: number): number {
  return Math.max(end.low, end.high - LAST_RECORDS, committed)
}

async function checkPartition(
  options: KeyingOptions,
  partitions: number,
  end: PartitionEnds,
  from: number,
): Promise<readonly Finding[]> {
  const { topic, partition } = end
  const reader = options.readers[options.topics.indexOf(topic)]
  try {
    const miskeyed = await look(options.log, reader, end, from, partitions)
    if (miskeyed === undefined) return []
    return [finding(topic, options.onMiskeyed === 'stop' ? 'problem' : 'warning', tell(topic, miskeyed))]
  } catch (error) {
    return [unread(topic, partition, (error as Error).message)]
  }
}

function leaderless({ topic, partitions }: TopicInfo, ends: readonly PartitionEnds[]): Finding[] {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition)
  return numbers
    .filter((partition) => endIn(ends, { topic, partition }) === undefined)
    .map((partition) => unread(topic, partition, 'it has no leader'))
}

function unread(topic: string, partition: number, reason: string): Finding {
  return finding(topic, 'warning', `topic ${topic} partition ${partition}: its last records cannot be read: ${reason}`)
}

async function look(
  log: Log,
  reader: SourceReader,
  { topic, partition, high }: PartitionEnds,
  from: number,
  partitions: number,
): Promise<Miskeyed | undefined> {
  const batch = new EventBatch()
  let first: { offset: number; expected: number } | undefined
  let count = 0
  let looked = 0
  if (from >= high) return undefined
  for await (const chunk of log.readRange(topic, partition, from, high)) {
    await reader.prepare(chunk)
    reader.read(chunk, batch)
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] >= REFUSED) continue
      looked++
      const expected = partitionOf(murmur2(batch.text, batch.userAt[i], batch.userLength[i]), partitions)
      if (expected === partition) continue
      first ??= { offset: batch.offset[i], expected }
      count++
    }
  }
  return first === undefined ? undefined : { partition, ...first, count, looked }
}

function tell(topic: string, { partition, offset, expected, count, looked }: Miskeyed): string {
  return (
    `topic ${topic} partition ${partition} offset ${offset}: belongs in partition ${expected} by the text of its user ` +
    `id (${count} of the last ${looked} records lie elsewhere than they should). ${MISKEYED_CAUSES}`
  )
}

function finding(subject: string, state: Finding['state'], message: string): Finding {
  return { check: 'keying', subject, state, message }
}
