/**
 * Waiting for what others must give (a schema registry) before a partition can go on: as long as it takes, and loudly.
 * What is in the log waits with it.
 */
const FIRST_WAIT_MS = 100
const MOST_WAIT_MS = 5000

export interface Waiting {
  isStopped(): boolean
  onTrouble(error: Error): void
}

/** Runs `start` until its promise resolves, or there is none, or waiting is no use any more. */
export async function patiently(start: () => Promise<void> | undefined, waiting: Waiting): Promise<void> {
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
