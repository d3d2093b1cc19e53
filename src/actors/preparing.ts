/**
 * Waiting for what others must give (a schema registry) before a partition can go on: as long as it takes, and loudly.
 * What is in the log waits with it.
 */
import type { SourceReader } from '../codec/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Patience } from '../log/patience.ts'

const FIRST_WAIT_MS = 100
const MOST_WAIT_MS = 5000

/** Has the reader know what the chunk's records were written by. */
export async function prepared(reader: SourceReader, chunk: RawChunk, waiting: Patience): Promise<void> {
  const first = reader.prepare(chunk)
  if (first !== undefined)
    await patiently(
      again(first, () => reader.prepare(chunk)),
      waiting,
    )
}

/** Whether the reader knows all of it now: it is asked right before it reads, since what it knew it may have forgotten over another's chunk. */
export function isPrepared(reader: SourceReader, chunk: RawChunk): boolean {
  const preparing = reader.prepare(chunk)
  preparing?.catch(() => {}) // met by whoever waits for it
  return preparing === undefined
}

/** What was started already the first time, and started anew each time after. */
export function again(first: Promise<void>, start: () => Promise<void> | undefined): () => Promise<void> | undefined {
  // Listened to from here on, also where waiting is no use any more: else its failure would end the process.
  first.catch(() => {})
  let started: Promise<void> | undefined = first
  return () => {
    const one = started ?? start()
    started = undefined
    return one
  }
}

/** Runs `start` until its promise resolves, or there is none, or waiting is no use any more. */
export async function patiently(start: () => Promise<void> | undefined, waiting: Patience): Promise<void> {
  for (let waitMs = FIRST_WAIT_MS; !waiting.isStopped(); waitMs = Math.min(2 * waitMs, MOST_WAIT_MS)) {
    try {
      const started = start()
      if (started !== undefined) await started
      return
    } catch (error) {
      waiting.onTrouble(error as Error)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}
