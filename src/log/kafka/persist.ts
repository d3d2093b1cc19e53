/**
 * One call, made again and again as long as what it fails with may pass.
 *
 * How it fails: with the last error as it is (errors.ts tells what it means), where it does not pass, where `isOver`
 * says that nobody waits any more, or where the time is over.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from './client.ts'
import { isPassing, isUnknownTopic, rootCause } from './errors.ts'

export const FIRST_WAIT_MS = 50
export const LONGEST_WAIT_MS = 3_000
/** A transaction that is being ended takes some milliseconds: the next request meets it, and comes again. */
const BUSY_FIRST_WAIT_MS = 4
const BUSY_LONGEST_WAIT_MS = 200
/** A topic just made may be unknown to a broker for a moment; one that stays unknown is an error. */
export const UNKNOWN_TOPIC_TRIES = 6

export interface Persistence {
  /** What is done, for the log. */
  readonly doing: string
  readonly logger: Logger | undefined
  readonly isOver: () => boolean
  /** After a failure that may pass, before the next try. */
  readonly recover: (error: unknown) => Promise<void>
  readonly deadlineMs?: number
}

export async function persist<T>(body: () => Promise<T>, options: Persistence): Promise<T> {
  const { doing, logger, isOver, recover, deadlineMs = Number.POSITIVE_INFINITY } = options
  let waitMs = FIRST_WAIT_MS
  let busyMs = BUSY_FIRST_WAIT_MS
  for (let unknown = 0; ; ) {
    try {
      return await body()
    } catch (error) {
      if (isUnknownTopic(error)) unknown++
      if (isOver() || !isPassing(error) || unknown > UNKNOWN_TOPIC_TRIES || performance.now() > deadlineMs) throw error
      if (isBusy(error)) {
        await sleep(busyMs)
        busyMs = Math.min(busyMs * 2, BUSY_LONGEST_WAIT_MS)
        continue
      }
      logger?.warn({ waitMs, error: rootCause(error).message }, `${doing} failed; it is tried again`)
      await sleep(waitMs)
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
      if (!isOver()) await recover(error)
    }
  }
}

const isBusy = (error: unknown): boolean => rootCause(error).type === 'CONCURRENT_TRANSACTIONS'
