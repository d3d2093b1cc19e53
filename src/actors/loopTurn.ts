/**
 * Turns of the event loop, for all partitions of the process: one of them works a turn, so that who asks a question waits
 * for one and not for all. With `setImmediate` alone each turn would take a chunk of every partition.
 *
 * Invariant: a chunk that was begun is gone on with before another partition's begins, unless it waits for something
 * else: chunks in turn would push each other's state out of the processor's caches.
 */
const waiting: (() => void)[] = []
let isScheduled = false

/** Resolves when it is this one's turn to begin something. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    schedule()
  })
}

/** Resolves in the next turn: what was begun goes on. */
export function goOnNextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.unshift(resolve)
    schedule()
  })
}

function schedule(): void {
  if (isScheduled || waiting.length === 0) return
  isScheduled = true
  setImmediate(() => {
    isScheduled = false
    waiting.shift()!()
    schedule()
  })
}
