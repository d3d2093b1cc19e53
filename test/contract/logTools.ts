/** What the log contract is written with: record batches from plain entries, and an observer of a reader. */
import { expect, vi } from 'vitest'
import type { Compression } from '../../src/config/model.ts'
import type { RawChunk } from '../../src/log/chunk.ts'
import {
  type Log,
  LogError,
  type LogErrorCode,
  type Reader,
  type ReaderOptions,
  type StartPosition,
} from '../../src/log/port.ts'
import { type EncodedBatch, RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { headersOf } from '../../src/log/recordBatch/headers.ts'

export interface OpenedLog {
  readonly log: Log
  close(): Promise<void>
  /** A name that no other test has used, also fit for a group. */
  uniqueTopic(prefix: string): string
}

export interface Entry {
  readonly key: string | null
  readonly value: string | null
  readonly stampMs?: number
  readonly headers?: readonly (readonly [string, string])[]
}

export interface Seen extends Entry {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export const WAIT = { timeout: 45_000, interval: 25 }
export const STAMP_MS = 1_700_000_000_000

export function batch(entries: readonly Entry[], compression: Compression = 'none'): EncodedBatch {
  const builder = new RecordBatchBuilder({ compression })
  for (const { key, value, stampMs = STAMP_MS, headers = [] } of entries) {
    const [keyBytes, valueBytes] = [key, value].map((text) => (text === null ? null : Buffer.from(text)))
    const pairs = headers.map(([name, content]) => [name, Buffer.from(content)] as const)
    builder.add(stampMs, keyBytes, 0, keyBytes?.length ?? -1, valueBytes, 0, valueBytes?.length ?? -1, pairs)
  }
  return builder.finish()
}

/** Records k0, k1, ... from `from` up to `to`. */
export function numbered(from: number, to: number): Entry[] {
  return Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: `v${from + i}` }))
}

export function recordsOf(chunk: RawChunk): Seen[] {
  const text = (at: number, length: number) => (length < 0 ? null : chunk.bytes.toString('utf8', at, at + length))
  return Array.from({ length: chunk.count }, (_, i) => ({
    topic: chunk.topic,
    partition: chunk.partition,
    offset: chunk.offset[i],
    stampMs: chunk.stampMs[i],
    key: text(chunk.keyAt[i], chunk.keyLength[i]),
    value: text(chunk.valueAt[i], chunk.valueLength[i]),
    headers: headersOf(chunk, i).map(([name, value]) => [name, `${value}`] as const),
  }))
}

export function keysOf(records: readonly Seen[]): (string | null)[] {
  return records.map((one) => one.key)
}

export async function refused(doing: Promise<unknown>, code?: LogErrorCode): Promise<LogError> {
  const error = await doing.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(LogError)
  if (code !== undefined) expect((error as LogError).code).toBe(code)
  return error as LogError
}

/** A reader that writes down what it is told. */
export class Listener {
  readonly chunks: RawChunk[] = []
  readonly failures: Error[] = []
  readonly assigned: (readonly number[])[] = []
  readonly reader: Reader
  readonly group: string

  constructor(log: Log, group: string, topics: readonly string[], starts: readonly StartPosition[], more = {}) {
    this.group = group
    const options: ReaderOptions = {
      group,
      topics,
      fetchBytesPerPartition: 1 << 20,
      maxWaitMs: 250,
      maxInflatedBytes: 64 << 20,
      onAssigned: async (partitions) => {
        this.assigned.push(partitions)
        return starts
      },
      onRevoking: async () => {},
      onChunk: (chunk) => this.chunks.push(chunk),
      onFailed: (error) => this.failures.push(error),
      ...more,
    }
    this.reader = log.reader(options)
  }

  records(topic?: string, partition?: number): Seen[] {
    return this.chunks
      .filter((one) => (topic === undefined || one.topic === topic) && (partition ?? one.partition) === one.partition)
      .flatMap(recordsOf)
  }

  async until(count: number): Promise<void> {
    await vi.waitUntil(() => this.records().length >= count || this.failures.length > 0, WAIT)
    expect(this.failures).toEqual([])
  }
}

export function fromStart(topics: readonly string[], partitions: number): StartPosition[] {
  return topics.flatMap((topic) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0 })),
  )
}
