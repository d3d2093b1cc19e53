/** Types of topics.mjs, for the long tests that use it. */
import type { Log } from '../src/log/port.ts'
import type { RecordBatchBuilder } from '../src/log/recordBatch/builder.ts'
import type { Answer, Workload } from './workload.mjs'

export interface Built {
  readonly log: Log
  readonly RecordBatchBuilder: typeof RecordBatchBuilder
  /** Of the topics that are made; 4 where it is not said. */
  readonly partitions?: number
  placeOf(user: number): { readonly key: Buffer; readonly partition: number }
  close(): Promise<void>
}

export interface Check {
  readonly samples: number
  readonly duplicates: number
  readonly digest: number
  readonly lastAppendMs: number
  readonly isRight: boolean
}

export const PARTITIONS: number
export function openBuilt(program: string, brokers: string): Promise<Built>
export function userOfEach(placeOf: Built['placeOf'], partitions?: number): number[]
export function createTopics(
  log: Log,
  names: readonly string[],
  stamps: 'CreateTime' | 'LogAppendTime',
  partitions?: number,
): Promise<void>
export class Appender {
  constructor(built: Built, writer: Awaited<ReturnType<Log['writer']>>)
  add(topic: string, user: number, stampMs: number, value: Buffer): void
  sendAll(): void
  drained(): Promise<void>
}
export function load(
  built: Built,
  workload: Workload,
  topics: readonly string[],
): Promise<Answer & { readonly events: number }>
export function recordsIn(log: Log, topic: string): Promise<number>
export function checkSamples(
  built: Built,
  topic: string,
  schema: object,
  answer: { readonly views: number; readonly digest: number },
  isJson?: boolean,
): Promise<Check>
