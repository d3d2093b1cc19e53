/**
 * The embedded log around a node that is killed: events go in over the node's control server, commits are its file, and
 * what it holds is read when no node runs.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32c } from '@node-rs/crc32'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import type { Log } from '../../src/log/port.ts'
import { headersOf } from '../../src/log/recordBatch/headers.ts'
import { GROUP, PARTITIONS, TOPICS } from './crashPipeline.ts'
import type { CommitState, CrashWorld, LogRecord } from './crashWorld.ts'
import type { RawEvent } from './traffic.ts'

const RETRY_MS = 30
const POST_TIMEOUT_MS = 5_000

export function openEmbeddedWorld(dataFolder: string): CrashWorld {
  return new EmbeddedWorld(join(dataFolder, 'log'))
}

class EmbeddedWorld implements CrashWorld {
  readonly brokers = undefined
  readonly takesGarbage = false
  nodeUrl: string | undefined
  private isClosed = false
  private readonly folder: string
  private readonly commits: string

  constructor(folder: string) {
    this.folder = folder
    this.commits = join(folder, `commits/${GROUP}.json`)
  }

  async send(events: readonly RawEvent[]): Promise<void> {
    for (let source = 0; source < TOPICS.length; source++) {
      const values = events.filter((event) => event.source === source).map(({ value }) => value)
      if (values.length > 0) await this.post(TOPICS[source], framed(values))
    }
  }

  /** Until it is answered as appended. A copy of what was appended and not answered does no harm. */
  private async post(topic: string, body: Buffer): Promise<void> {
    while (!this.isClosed) {
      const url = this.nodeUrl
      if (url !== undefined) {
        const answer = await fetch(`${url}/topics/${topic}`, {
          method: 'POST',
          headers: { 'content-type': 'application/avro-frames' },
          body: new Uint8Array(body),
          signal: AbortSignal.timeout(POST_TIMEOUT_MS),
        }).catch(() => undefined)
        if (answer?.ok) return
        if (answer !== undefined && answer.status !== 429 && answer.status !== 503) {
          throw new Error(`posting events was answered ${answer.status}: ${await answer.text()}`)
        }
      }
      await sleep(RETRY_MS)
    }
  }

  usersByPartition(): readonly string[] {
    const users: string[] = []
    for (let k = 0; Object.keys(users).length < PARTITIONS; k++) {
      const user = `closing-${k}`
      const bytes = Buffer.from(user)
      users[partitionOf(murmur2(bytes, 0, bytes.length), PARTITIONS)] ??= user
    }
    return users
  }

  async committed(): Promise<readonly CommitState[]> {
    const content = await readFile(this.commits, 'utf8').catch(() => '\n[]')
    return JSON.parse(content.split('\n')[1]) as CommitState[]
  }

  async rollBack(commits: readonly CommitState[]): Promise<void> {
    const text = JSON.stringify(commits)
    await mkdir(join(this.folder, 'commits'), { recursive: true })
    await writeFile(this.commits, `${crc32c(text).toString(16)}\n${text}\n`)
  }

  async readAll(topic: string): Promise<readonly LogRecord[]> {
    const log = await openEmbeddedLog({
      folder: this.folder,
      fsyncMs: 0,
      segmentBytes: 64 * 2 ** 20,
      retentionMs: Number.MAX_SAFE_INTEGER,
      partitions: PARTITIONS,
    })
    try {
      return await readLog(log, topic)
    } finally {
      await log.close()
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

/** A topic of an open log, from its beginning to its present end. */
export async function readLog(log: Log, topic: string): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (const { partition, low, high } of await log.ends([topic])) {
    for await (const chunk of log.readRange(topic, partition, low, high)) {
      for (let i = 0; i < chunk.count; i++) {
        const value = chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
        const [keyAt, keyLength] = [chunk.keyAt[i], chunk.keyLength[i]]
        const key = keyLength < 0 ? null : Buffer.from(chunk.bytes.subarray(keyAt, keyAt + keyLength))
        const headers = headersOf(chunk, i).map(([name, text]) => [name, String(text)] as const)
        const place = { partition, offset: chunk.offset[i], stampMs: chunk.stampMs[i] }
        records.push({ ...place, key, value: Buffer.from(value), headers: new Map(headers) })
      }
    }
  }
  return records
}

/** Each a 4-byte length and that many bytes. */
function framed(values: readonly Buffer[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(value.length)
      return [length, value]
    }),
  )
}
