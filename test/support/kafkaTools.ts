/** What the tests of the Kafka log need around it: opening it, kafkajs's own producers, and records to compare. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { RawChunk } from '../../src/log/chunk.ts'
import type { Decode } from '../../src/log/kafka/decode.ts'
import { openKafkaLog } from '../../src/log/kafka/kafkaLog.ts'
import { kafkajs } from '../../src/log/kafka/patch.ts'
import type { Log, Reader, ReaderEvents } from '../../src/log/port.ts'
import { type EncodedBatch, RecordBatchBuilder, type RecordHeader } from '../../src/log/recordBatch/builder.ts'
import { headersOf } from '../../src/log/recordBatch/headers.ts'

export interface PlainRecord {
  readonly partition: number
  readonly offset: number
  readonly stampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

const text = (bytes: Buffer | null): string | null => (bytes === null ? null : bytes.toString('latin1'))

export function openLog(brokers: string, clientId = 'test', decode?: Decode): Promise<Log> {
  return openKafkaLog({ kafka: { brokers: [brokers], sessionTimeoutMs: 10_000 }, clientId, decode })
}

export function plainClient(brokers: string) {
  return new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
}

export function batchOf(
  values: readonly string[],
  options: {
    compression?: 'none' | 'gzip' | 'lz4' | 'zstd'
    stampMs?: number
    headers?: readonly RecordHeader[]
    isSealed?: boolean
  } = {},
): EncodedBatch {
  const { compression = 'none', isSealed } = options
  const builder = new RecordBatchBuilder({ compression, isSealed })
  values.forEach((value, i) => {
    const bytes = Buffer.from(value)
    const key = i % 3 === 2 ? null : Buffer.from(`key-${i}`)
    const stampMs = (options.stampMs ?? 1_700_000_000_000) + i
    builder.add(stampMs, key, 0, key?.length ?? -1, bytes, 0, bytes.length, options.headers)
  })
  return builder.finish()
}

/** As a transactional writer takes it. */
export function unsealedBatch(values: readonly string[], compression: 'none' | 'lz4' = 'none'): EncodedBatch {
  return batchOf(values, { compression, isSealed: false })
}

export function recordsOf(chunk: RawChunk): PlainRecord[] {
  const part = (at: number, length: number) => (length < 0 ? null : chunk.bytes.subarray(at, at + length))
  return Array.from({ length: chunk.count }, (_, i) => ({
    partition: chunk.partition,
    offset: chunk.offset[i],
    stampMs: chunk.stampMs[i],
    key: text(part(chunk.keyAt[i], chunk.keyLength[i])),
    value: text(part(chunk.valueAt[i], chunk.valueLength[i])),
    headers: headersOf(chunk, i).map(([name, value]) => [name, text(value)] as const),
  }))
}

export async function recordsIn(
  log: Log,
  topic: string,
  partition: number,
  from: number,
  to: number,
): Promise<PlainRecord[]> {
  const records: PlainRecord[] = []
  for await (const chunk of log.readRange(topic, partition, from, to)) records.push(...recordsOf(chunk))
  return records
}

/** The topic's first records as kafkajs without any patch reads them, in a process of its own. */
export async function recordsByPlainKafka(brokers: string, topic: string, count: number): Promise<PlainRecord[]> {
  const script = fileURLToPath(new URL('plainKafka.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, brokers, topic, String(count)], {
    timeout: 30_000,
  })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as PlainRecord)
}

/** A reader that keeps what it is told, in order. */
export class Recorder implements ReaderEvents {
  readonly calls: string[] = []
  readonly chunks: RawChunk[] = []
  readonly failures: Error[] = []
  private readonly waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = []
  starts: (partitions: readonly number[]) => Promise<{ topic: string; partition: number; offset: number }[]>
  revoking: (partitions: readonly number[]) => Promise<void> = async () => {}

  constructor(topics: readonly string[], offsetOf: (topic: string, partition: number) => number = () => 0) {
    this.starts = async (partitions) =>
      topics.flatMap((topic) =>
        partitions.map((partition) => ({ topic, partition, offset: offsetOf(topic, partition) })),
      )
  }

  readonly onAssigned = async (partitions: readonly number[]) => {
    this.tell(`assigned ${partitions.join(',')}`)
    return this.starts(partitions)
  }

  readonly onRevoking = async (partitions: readonly number[]) => {
    this.tell(`revoking ${partitions.join(',')}`)
    await this.revoking(partitions)
  }

  readonly onChunk = (chunk: RawChunk) => {
    this.chunks.push(chunk)
    this.tell(`chunk ${chunk.topic}/${chunk.partition}`)
  }

  readonly onFailed = (error: Error) => {
    this.failures.push(error)
    this.tell('failed')
  }

  get records(): PlainRecord[] {
    return this.chunks.flatMap(recordsOf)
  }

  /** Resolves when the condition holds, looked at after each call; the test's own time limit is the only one. */
  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve()
    return new Promise((resolve) => this.waiting.push({ isMet, resolve }))
  }

  reader(
    log: Log,
    group: string,
    topics: readonly string[],
    options: { maxInflatedBytes?: number; memberInfo?: Buffer } = {},
  ): Reader {
    const { onAssigned, onRevoking, onChunk, onFailed } = this
    return log.reader({
      group,
      topics,
      fetchBytesPerPartition: 1024 * 1024,
      maxWaitMs: 100,
      maxInflatedBytes: options.maxInflatedBytes ?? 16 * 1024 * 1024,
      memberInfo: options.memberInfo && (() => options.memberInfo!),
      onAssigned,
      onRevoking,
      onChunk,
      onFailed,
    })
  }

  private tell(call: string): void {
    this.calls.push(call)
    for (const each of this.waiting.filter(({ isMet }) => isMet())) {
      this.waiting.splice(this.waiting.indexOf(each), 1)
      each.resolve()
    }
  }
}
