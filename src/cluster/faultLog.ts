/**
 * The log of faults: the same one is told at once, and then counted and told again only every so often, with how many
 * times it came meanwhile. What is the same: the message, and where it is (partition, topic, source).
 *
 * Invariants:
 * 1. No fault is lost: each is in a line of its own, or in the `repeated` of a later one; `counts` has them all.
 * 2. Bounded: at most KEYS_MAX faults are known at a time. Names are texts of the program, never of what it reads: the
 *    message, or who told it, where its messages are made up of more (`check`, `component`).
 */
import type { Logger } from './node.ts'

export interface FaultLog extends Logger {
  debug(fields: object, message: string): void
  /** By what is wrong: how often it has come since the start. */
  readonly counts: ReadonlyMap<string, number>
  /** Tells what was counted and not told yet; to be called before the end. */
  flush(): void
  close(): void
}

type Level = 'debug' | 'info' | 'warn' | 'error'

interface Fault {
  readonly level: 'warn' | 'error'
  readonly message: string
  /** The newest one's. */
  fields: object
  untold: number
}

const EVERY_MS = 30_000
const KEYS_MAX = 256

export function faultLog(inner: Pick<FaultLog, Level>, everyMs = EVERY_MS): FaultLog {
  const faults = new Map<string, Fault>()
  const counts = new Map<string, number>()

  const told = (fault: Fault): void => {
    if (fault.untold > 0) inner[fault.level]({ ...fault.fields, repeated: fault.untold }, fault.message)
    fault.untold = 0
  }
  const tell = (level: 'warn' | 'error', fields: object, message: string): void => {
    const name = nameOf(fields, message)
    counts.set(name, (counts.get(name) ?? 0) + 1)
    const key = keyOf(level, fields, message)
    const known = faults.get(key)
    if (known !== undefined) {
      known.fields = fields
      known.untold++
      return
    }
    if (faults.size >= KEYS_MAX) forgetOldest()
    faults.set(key, { level, message, fields, untold: 0 })
    inner[level](fields, message)
  }
  const forgetOldest = (): void => {
    const [key, fault] = faults.entries().next().value!
    told(fault)
    faults.delete(key)
  }
  /** What came again is told; what did not is forgotten, so that its next time is told at once. */
  const look = (): void => {
    for (const [key, fault] of faults) {
      if (fault.untold === 0) faults.delete(key)
      else told(fault)
    }
  }
  const timer = setInterval(look, everyMs)
  timer.unref()
  const flush = (): void => {
    for (const fault of faults.values()) told(fault)
  }
  return {
    counts,
    debug: (fields, message) => inner.debug(fields, message),
    info: (fields, message) => inner.info(fields, message),
    warn: (fields, message) => tell('warn', fields, message),
    error: (fields, message) => tell('error', fields, message),
    flush,
    close() {
      clearInterval(timer)
      flush()
    },
  }
}

function nameOf(fields: object, message: string): string {
  const { check, component } = fields as { check?: string; component?: string }
  return check ?? component ?? message
}

function keyOf(level: string, fields: object, message: string): string {
  const { partition, topic, broker } = fields as Record<string, unknown>
  return [level, nameOf(fields, message), partition, topic, broker].join(' ')
}
