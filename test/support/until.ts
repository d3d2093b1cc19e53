/** Waiting in tests for what comes about by itself. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  readonly everyMs?: number
  /** No claim of speed: beyond it something stands still. */
  readonly withinMs?: number
}

/** Looks until it is so. How it fails: an error that says what was not seen, as it is then. */
export async function until(
  what: string | (() => string),
  isSo: () => boolean | Promise<boolean>,
  { everyMs = 20, withinMs = 60_000 }: Patience = {},
): Promise<void> {
  const untilMs = performance.now() + withinMs
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`not seen: ${typeof what === 'string' ? what : what()}`)
    await sleep(everyMs)
  }
}
