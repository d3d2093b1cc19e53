/**
 * Samples to files in a folder: Avro object containers or JSON lines, one file open a partition.
 *
 * What a reader sees: finished files only, each whole, named `samples-<partition>-<when begun>-<random>.<avro|jsonl>`.
 * A file is written under a hidden name and finished by fsync and rename when it is large or old enough; samples of it
 * so become visible up to `rollEveryMs` after they are durable. After a crash samples may be in two files.
 *
 * Invariants:
 * 1. What `flush` has resolved for is on disk: in a finished file, or in whole blocks of an unfinished one, which the
 *    next `open` on the folder publishes, or a sink that is open there once it is old enough (recover.ts).
 * 2. Records of a partition are written in the order in which they were added.
 * 3. In memory is at most what was added since a block was last filled, and the blocks being written.
 *
 * How it fails: after a failed write or fsync (a full disk) every later flush of that partition rejects with that
 * error. Nothing is tried again in a file whose state is unknown: the process ends, and its next start recovers. What
 * cannot be recovered of others while the sink is open is logged, and tried again.
 */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { AvroSchema } from '../config/model.ts'
import { SYNC_BYTES } from '../files/container.ts'
import { type ContainerCodec, containerBlock, containerHeader } from './container.ts'
import { PartFile } from './partFile.ts'
import type { SampleSink } from './port.ts'
import { type RecoveryCounts, type RecoveryRules, recoverParts } from './recover.ts'

const BLOCK_BYTES = 64 * 1024
const NEWLINE = 10
const ABANDONED_SLACK_MS = 60_000
/** A longer timer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

export interface FileSinkOptions {
  readonly folder: string
  readonly format: 'avro' | 'jsonl'
  /** Of the samples; for the header of Avro containers. */
  readonly schema: AvroSchema
  /** Of Avro containers; JSON lines are plain. */
  readonly compression?: 'none' | 'deflate'
  readonly rollBytes: number
  readonly rollEveryMs: number
  readonly nowMs?: () => number
  readonly logger?: { warn(fields: object, message: string): void }
}

interface Lane {
  readonly partition: number
  /** Records added and not yet on their way to the file. */
  block: Buffer
  blockEnd: number
  blockCount: number
  file: PartFile | undefined
  sync: Buffer
  rollTimer: NodeJS.Timeout | undefined
  /** Everything handed over so far; once rejected it stays so. */
  work: Promise<void>
}

export class FileSink implements SampleSink {
  bufferedBytes = 0
  /** What recovery found, at the start and since. */
  readonly recovered: RecoveryCounts = { files: 0, records: 0, tornBytes: 0, leftAlone: 0 }
  private readonly lanes = new Map<number, Lane>()
  private readonly options: FileSinkOptions
  private readonly codec: ContainerCodec
  private readonly nowMs: () => number
  private readonly openNames = new Set<string>()
  private closed = false
  private recoverTimer: NodeJS.Timeout | undefined
  private recovering: Promise<void> | undefined

  /** Makes the folder and recovers what a crashed node left in it: now, and then as nodes of other machines crash. */
  static async open(options: FileSinkOptions): Promise<FileSink> {
    await mkdir(options.folder, { recursive: true })
    const sink = new FileSink(options)
    await sink.recover((_, error) => {
      throw error
    })
    sink.recoverTimer = setInterval(() => sink.recoverAgain(), Math.min(options.rollEveryMs, MAX_TIMER_MS)).unref()
    return sink
  }

  private constructor(options: FileSinkOptions) {
    this.options = options
    this.codec = options.compression === 'deflate' ? 'deflate' : 'null'
    this.nowMs = options.nowMs ?? Date.now
  }

  /** A file takes any. */
  refusal(): undefined {}

  add(
    partition: number,
    _key: Buffer,
    _keyAt: number,
    _keyLength: number,
    value: Buffer,
    valueAt: number,
    valueLength: number,
    _stampMs: number,
  ): void {
    if (this.closed) throw new Error('the file sink is closed')
    const lane = this.lane(partition)
    reserve(lane, valueLength + 1)
    const before = lane.blockEnd
    lane.blockEnd += value.copy(lane.block, lane.blockEnd, valueAt, valueAt + valueLength)
    if (this.options.format === 'jsonl') lane.block[lane.blockEnd++] = NEWLINE
    lane.blockCount++
    this.bufferedBytes += lane.blockEnd - before
    if (lane.blockEnd >= BLOCK_BYTES) this.push(partition)
  }

  push(partition: number): void {
    const lane = this.lane(partition)
    if (lane.blockCount === 0) return
    const records = Buffer.from(lane.block.subarray(0, lane.blockEnd))
    const count = lane.blockCount
    lane.blockEnd = lane.blockCount = 0
    this.enqueue(lane, async () => {
      await this.write(lane, records, count)
      this.bufferedBytes -= records.length
    })
  }

  async flush(partition?: number): Promise<void> {
    if (partition === undefined) {
      await Promise.all([...this.lanes.keys()].map((each) => this.flush(each)))
      return
    }
    const lane = this.lane(partition)
    this.push(partition)
    await this.enqueue(lane, async () => lane.file?.sync())
  }

  discard(partition: number): void {
    const lane = this.lane(partition)
    this.bufferedBytes -= lane.blockEnd
    lane.blockEnd = lane.blockCount = 0
  }

  /** Everything is finished: no unfinished file stays. */
  async close(): Promise<void> {
    this.closed = true
    clearInterval(this.recoverTimer)
    await this.recovering
    const closing = [...this.lanes.values()].map(async (lane) => {
      this.push(lane.partition)
      try {
        await this.enqueue(lane, () => this.finish(lane))
      } finally {
        clearTimeout(lane.rollTimer)
        await lane.file?.abandon()
        lane.file = undefined
      }
    })
    const results = await Promise.allSettled(closing)
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  private async write(lane: Lane, records: Buffer, count: number): Promise<void> {
    lane.file ??= await this.begin(lane)
    const block =
      this.options.format === 'jsonl' ? records : await containerBlock(records, count, this.codec, lane.sync)
    await lane.file.append(block)
    if (lane.file.sizeBytes >= this.options.rollBytes) await this.finish(lane)
  }

  private async begin(lane: Lane): Promise<PartFile> {
    const { folder, format, schema, rollEveryMs } = this.options
    const file = await PartFile.create(folder, lane.partition, format, this.nowMs())
    this.openNames.add(file.name)
    lane.rollTimer = setTimeout(() => this.rollByTime(lane, file), Math.min(rollEveryMs, MAX_TIMER_MS))
    lane.rollTimer.unref()
    lane.file = file
    if (format === 'avro') {
      lane.sync = randomBytes(SYNC_BYTES)
      await file.append(containerHeader(schema, this.codec, lane.sync))
    }
    return file
  }

  /** A failure here is met by the next flush: the lane stays rejected. */
  private rollByTime(lane: Lane, file: PartFile): void {
    this.enqueue(lane, async () => {
      if (lane.file === file) await this.finish(lane)
    }).catch(() => {})
  }

  private async finish(lane: Lane): Promise<void> {
    if (lane.file === undefined) return
    clearTimeout(lane.rollTimer)
    await lane.file.finish()
    this.openNames.delete(lane.file.name)
    lane.file = undefined
  }

  /** What others left is nobody's to fail by who is healthy. */
  private recoverAgain(): void {
    if (this.recovering !== undefined) return
    const { folder, logger } = this.options
    const warn = (fields: object, error: unknown): void =>
      logger?.warn({ folder, ...fields, error: (error as Error).message }, 'an unfinished file cannot be recovered')
    this.recovering = this.recover((file, error) => warn({ file }, error))
      .catch((error: unknown) => warn({}, error))
      .finally(() => {
        this.recovering = undefined
      })
  }

  private async recover(onFailed: RecoveryRules['onFailed']): Promise<void> {
    const { folder, rollEveryMs } = this.options
    const abandonedAfterMs = 2 * rollEveryMs + ABANDONED_SLACK_MS
    const found = await recoverParts(folder, { own: this.openNames, nowMs: this.nowMs(), abandonedAfterMs, onFailed })
    this.recovered.files += found.files
    this.recovered.records += found.records
    this.recovered.tornBytes += found.tornBytes
    this.recovered.leftAlone = found.leftAlone
  }

  private enqueue(lane: Lane, work: () => Promise<void>): Promise<void> {
    lane.work = lane.work.then(work)
    // Told to whoever flushes; here it must only not be unhandled.
    lane.work.catch(() => {})
    return lane.work
  }

  private lane(partition: number): Lane {
    let lane = this.lanes.get(partition)
    if (lane === undefined) {
      lane = {
        partition,
        block: Buffer.allocUnsafeSlow(BLOCK_BYTES),
        blockEnd: 0,
        blockCount: 0,
        file: undefined,
        sync: Buffer.alloc(0),
        rollTimer: undefined,
        work: Promise.resolve(),
      }
      this.lanes.set(partition, lane)
    }
    return lane
  }
}

function reserve(lane: Lane, bytes: number): void {
  const need = lane.blockEnd + bytes
  if (need <= lane.block.length) return
  const grown = Buffer.allocUnsafeSlow(Math.max(need, lane.block.length * 2))
  lane.block.copy(grown, 0, 0, lane.blockEnd)
  lane.block = grown
}
