/**
 * Side outputs to files, one JSON object a line: late and orphaned engagements as they are, dead letters with their raw
 * key and value in base64 beside what their headers say. For the join over files.
 */

import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import type { RecordHeader } from '../log/recordBatch/builder.ts'

/** What a partition needs of a side output. `BatchedTopic` is one. */
export interface SideOutlet {
  /** Why it cannot hold the record; undefined where it can. */
  refusal(
    key: Uint8Array | null,
    keyAt: number,
    keyLength: number,
    value: Uint8Array | null,
    valueAt: number,
    valueLength: number,
    headers?: readonly RecordHeader[],
  ): string | undefined
  /** What is no larger, key, value and headers together, it can hold. */
  readonly roomBytes: number
  add(
    partition: number,
    stampMs: number,
    key: Uint8Array | null,
    keyAt: number,
    keyLength: number,
    value: Uint8Array | null,
    valueAt: number,
    valueLength: number,
    headers?: readonly RecordHeader[],
  ): void
  push(partition: number): void
  flush(partition?: number): Promise<void>
  readonly bufferedBytes: number
}

/** Counts in the ledger only: nobody asked for the records. */
export const nowhere: SideOutlet = {
  refusal: () => undefined,
  roomBytes: Number.POSITIVE_INFINITY,
  add() {},
  push() {},
  flush: async () => {},
  bufferedBytes: 0,
}

export class LinesOutlet implements SideOutlet {
  readonly roomBytes = Number.POSITIVE_INFINITY
  private readonly stream: WriteStream
  private failure: Error | undefined

  constructor(path: string) {
    this.stream = createWriteStream(path)
    this.stream.on('error', (error) => {
      this.failure = error
    })
  }

  get bufferedBytes(): number {
    return this.stream.writableLength
  }

  refusal(): undefined {}

  add(
    _partition: number,
    _stampMs: number,
    key: Uint8Array | null,
    keyAt: number,
    keyLength: number,
    value: Uint8Array | null,
    valueAt: number,
    valueLength: number,
    headers?: readonly RecordHeader[],
  ): void {
    const text = (bytes: Uint8Array | null, at: number, length: number, encoding: BufferEncoding): string | null =>
      bytes === null || length < 0 ? null : Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString(encoding)
    if (headers === undefined) {
      this.stream.write(`${text(value, valueAt, valueLength, 'utf8')}\n`)
      return
    }
    const told = Object.fromEntries(headers.map(([name, bytes]) => [name, Buffer.from(bytes).toString()]))
    const raw = { key: text(key, keyAt, keyLength, 'base64'), value: text(value, valueAt, valueLength, 'base64') }
    this.stream.write(`${JSON.stringify({ ...told, ...raw })}\n`)
  }

  push(): void {}

  async flush(): Promise<void> {
    if (this.failure === undefined && this.stream.writableNeedDrain) await once(this.stream, 'drain')
    if (this.failure !== undefined) throw this.failure
  }

  async close(): Promise<void> {
    await this.flush()
    await new Promise((resolve) => this.stream.end(resolve))
    if (this.failure !== undefined) throw this.failure
  }
}
