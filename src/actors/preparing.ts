/**
 * Waiting for what a reader needs of others (a registry) before it can read a chunk: as long as it takes, and loudly.
 * What is in the log waits with it.
 */
import type { SourceReader } from '../codec/port.ts'
import type { RawChunk } from '../log/chunk.ts'

const FIRST_WAIT_MS = 100
const MOST_WAIT_MS = 5000

export interface Waiting {
  isStopped(): boolean
  onTrouble(error: Error): void
}

export async function prepared(reader: SourceReader, chunk: RawChunk, waiting: Waiting): Promise<void> {
  for (let waitMs = FIRST_WAIT_MS; !waiting.isStopped(); waitMs = Math.min(2 * waitMs, MOST_WAIT_MS)) {
    const preparing = reader.prepare(chunk)
    if (preparing === undefined) return
    try {
      await preparing
      return
    } catch (error) {
      waiting.onTrouble(error as Error)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}
