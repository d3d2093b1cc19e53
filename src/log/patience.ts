/**
 * Asking a log for what can be had once it is back: a node outlives the absence of its brokers, also while it is given
 * partitions or replays one. As long as it takes, and loudly.
 *
 * How it fails: with the log's error as it is, where it does not pass (`LogError.passes`) or nobody waits any more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RawChunk } from './chunk.ts'
import { LogError } from './port.ts'

const FIRST_WAIT_MS = 100
const MOST_WAIT_MS = 5_000

/** Of whoever waits for others: whether there is still somebody who waits, and who is told why. */
export interface Patience {
  isStopped(): boolean
  onTrouble(error: Error): void
}

export async function whilePassing<T>(ask: () => Promise<T>, patience: Patience): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MOST_WAIT_MS)) {
    try {
      return await ask()
    } catch (error) {
      await passed(error, waitMs, patience)
    }
  }
}

/** Chunks of [from, to), read on from where a failure that passes ended them. */
export async function* readWhilePassing(
  read: (from: number) => AsyncIterable<RawChunk>,
  from: number,
  to: number,
  patience: Patience,
): AsyncGenerator<RawChunk> {
  let waitMs = FIRST_WAIT_MS
  for (let at = from; at < to; ) {
    try {
      for await (const chunk of read(at)) {
        at = chunk.nextOffset
        waitMs = FIRST_WAIT_MS
        yield chunk
      }
      return
    } catch (error) {
      await passed(error, waitMs, patience)
      waitMs = Math.min(2 * waitMs, MOST_WAIT_MS)
    }
  }
}

async function passed(error: unknown, waitMs: number, { isStopped, onTrouble }: Patience): Promise<void> {
  if (!(error instanceof LogError) || !error.passes || isStopped()) throw error
  onTrouble(error)
  await sleep(waitMs)
}
